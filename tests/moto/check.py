"""Try the launcher: start server.py and make the calls the EC2 room makes."""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import boto3
from botocore.exceptions import ClientError

SERVER = Path(__file__).with_name("server.py")
REGIONS = ["us-east-1", "eu-central-1"]
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
CANONICAL, DEBIAN = "099720109477", "136693071363"
UBUNTU = "/aws/service/canonical/ubuntu/server"
DEBIAN_12_PARAMETER = "/aws/service/debian/release/12/latest/{arch}"
# owner, name filter, root device, SSM parameter
FAMILIES = [
    (
        CANONICAL,
        "ubuntu/images/hvm-ssd*/ubuntu-*-22.04-{arch}-server-*",
        "/dev/sda1",
        UBUNTU + "/22.04/stable/current/{arch}/hvm/ebs-gp2/ami-id",
    ),
    (
        CANONICAL,
        "ubuntu/images/hvm-ssd*/ubuntu-*-24.04-{arch}-server-*",
        "/dev/sda1",
        UBUNTU + "/24.04/stable/current/{arch}/hvm/ebs-gp3/ami-id",
    ),
    (DEBIAN, "debian-12-{arch}-*", "/dev/xvda", DEBIAN_12_PARAMETER),
]
MANAGED = [{"Key": "managed-by", "Value": "spuff"}]
MANAGED_FILTER = {"Name": "tag:managed-by", "Values": ["spuff"]}

results = []


@contextlib.contextmanager
def check(name):
    try:
        yield
    except Exception as error:
        results.append(False)
        print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
    else:
        results.append(True)
        print(f"ok   {name}", flush=True)


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def refused(code, call, *args, **kwargs):
    """The error's code must be the given one, or be in its message.

    moto refuses badly signed SSM requests in XML, which boto3 passes on as a message.
    """
    try:
        call(*args, **kwargs)
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] != code and f"<Code>{code}</Code>" not in details["Message"]:
            raise AssertionError(f"expected {code}, got {details}") from None
    else:
        raise AssertionError(f"expected {code}, but it was accepted")


def terminate(process):
    process.send_signal(signal.SIGTERM)


def interrupt(process):
    process.send_signal(signal.SIGINT)


def close_stdin(process):
    process.stdin.close()


def with_server(checks, *arguments, end=terminate):
    with (
        check(" ".join(["server.py", *arguments, "starts and ends"])),
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [sys.executable, SERVER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            url = process.stdout.readline().strip()
            equal(url.startswith("http://127.0.0.1:"), True)
            key = "AKIAIOSFODNN7EXAMPLE:secret"
            if "--auth" in arguments:
                key = process.stdout.readline().strip()
            checks(SimpleNamespace(url=url, key=key))
            end(process)
            equal(process.wait(timeout=10), 0)
            equal(process.stdout.read(), "")
        finally:
            process.kill()
            if not all(results):
                log.seek(0)
                print(log.read(), file=sys.stderr)


def client(at, service, region=REGIONS[0], key=None):
    key_id, secret = (key or at.key).split(":", 1)
    return boto3.client(
        service,
        endpoint_url=at.url,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


def images(ec2, owner, name, architecture):
    filters = {
        "name": name,
        "state": "available",
        "architecture": architecture,
        "root-device-type": "ebs",
    }
    found = ec2.describe_images(
        Owners=[owner],
        Filters=[{"Name": k, "Values": [v]} for k, v in filters.items()],
    )["Images"]
    return sorted(found, key=lambda image: image["CreationDate"])


def parameter(ssm, name):
    return ssm.get_parameter(Name=name)["Parameter"]["Value"]


def launch(ec2, image, device="/dev/xvda", **more):
    return ec2.run_instances(
        ImageId=image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        UserData="#cloud-config\n",
        MetadataOptions={"HttpTokens": "required"},
        BlockDeviceMappings=[{"DeviceName": device, "Ebs": {"DeleteOnTermination": True}}],
        TagSpecifications=[
            {"ResourceType": kind, "Tags": MANAGED} for kind in ("instance", "volume")
        ],
        **more,
    )["Instances"][0]


def instances(ec2, **query):
    reservations = ec2.describe_instances(**query)["Reservations"]
    return [i for reservation in reservations for i in reservation["Instances"]]


def check_images(at):
    seen = set()
    for region in REGIONS:
        ec2, ssm = client(at, "ec2", region), client(at, "ssm", region)
        for owner, name, root_device, parameter_name in FAMILIES:
            for arch, architecture in ARCHITECTURES.items():
                with check(f"{region}: {name.format(arch=arch)}"):
                    found = images(ec2, owner, name.format(arch=arch), architecture)
                    if len(found) < 2:
                        raise AssertionError(f"{len(found)} images")
                    newest = found[-1]
                    equal(newest["OwnerId"], owner)
                    equal(newest["RootDeviceName"], root_device)
                    device = newest["BlockDeviceMappings"][0]
                    equal(device["DeviceName"], root_device)
                    equal(device["Ebs"]["SnapshotId"].startswith("snap-"), True)
                    published = parameter(ssm, parameter_name.format(arch=arch))
                    equal(published, newest["ImageId"])
                    by_id = ec2.describe_images(ImageIds=[published])["Images"]
                    equal([image["Name"] for image in by_id], [newest["Name"]])
                    equal(published in seen, False)
                    seen.add(published)
    with check("unknown parameter and image are refused"):
        refused("ParameterNotFound", parameter, ssm, "/aws/service/debian/none")
        refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-0none"])


def check_instances(at):
    ec2 = client(at, "ec2")
    debian = parameter(client(at, "ssm"), DEBIAN_12_PARAMETER.format(arch="amd64"))

    with check("instance starts as pending, then runs with a public address"):
        started = launch(ec2, debian, ClientToken="token-1")
        equal(started["State"]["Name"], "pending")
        (instance,) = instances(ec2, InstanceIds=[started["InstanceId"]])
        equal(instance["State"]["Name"], "running")
        equal(bool(instance["PublicIpAddress"]), True)
        equal(instance["MetadataOptions"]["HttpTokens"], "required")
        equal(instance["Tags"], MANAGED)

    with check("root volume is tagged and deleted with the instance"):
        (device,) = instance["BlockDeviceMappings"]
        equal(device["DeviceName"], "/dev/xvda")
        equal(device["Ebs"]["DeleteOnTermination"], True)
        (volume,) = ec2.describe_volumes(Filters=[MANAGED_FILTER])["Volumes"]
        equal(volume["VolumeId"], device["Ebs"]["VolumeId"])

    with check("network interface without a public address"):
        interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": False}
        private = launch(ec2, debian, NetworkInterfaces=[interface])
        equal(private.get("PublicIpAddress"), None)

    with check("filters: tag and state, id, client token"):
        for name, value, count in [
            ("instance-state-name", "running", 2),
            ("instance-state-name", "stopped", 0),
            ("instance-id", started["InstanceId"], 1),
            ("client-token", "token-1", 1),
            ("client-token", "token-2", 0),
        ]:
            by_value = {"Name": name, "Values": [value]}
            equal(len(instances(ec2, Filters=[MANAGED_FILTER, by_value])), count)

    with check("unknown image, key pair, root device and instance type are refused"):
        refused("InvalidAMIID.NotFound", launch, ec2, "ami-0none")
        refused("InvalidKeyPair.NotFound", launch, ec2, debian, KeyName="none")
        refused("MissingParameter", launch, ec2, debian, device="/dev/sda1")
        refused(
            "InvalidInstanceType.NotFound",
            ec2.run_instances,
            ImageId=debian,
            InstanceType="t9.none",
            MinCount=1,
            MaxCount=1,
        )

    with check("pages of instances"):
        for _ in range(5):
            launch(ec2, debian)
        first = ec2.describe_instances(Filters=[MANAGED_FILTER], MaxResults=5)
        second = ec2.describe_instances(
            Filters=[MANAGED_FILTER], MaxResults=5, NextToken=first["NextToken"]
        )
        equal([len(page["Reservations"]) for page in (first, second)], [5, 2])
        equal(second.get("NextToken"), None)

    with check("image of an instance, with tags on image and snapshot"):
        created = ec2.create_image(
            InstanceId=started["InstanceId"],
            Name="snapshot-1",
            NoReboot=True,
            TagSpecifications=[
                {"ResourceType": kind, "Tags": MANAGED} for kind in ("image", "snapshot")
            ],
        )["ImageId"]
        (image,) = ec2.describe_images(Owners=["self"], Filters=[MANAGED_FILTER])["Images"]
        equal(image["ImageId"], created)
        equal(image["State"], "available")
        equal(image["Tags"], MANAGED)
        equal((image["RootDeviceType"], image["RootDeviceName"]), ("ebs", "/dev/xvda"))
        snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
        (described,) = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
        equal(described["Tags"], MANAGED)
        launch(ec2, created)

    with check("image goes before its snapshot"):
        refused("InvalidSnapshot.InUse", ec2.delete_snapshot, SnapshotId=snapshot)
        ec2.deregister_image(ImageId=created)
        ec2.delete_snapshot(SnapshotId=snapshot)
        refused("InvalidSnapshot.NotFound", ec2.delete_snapshot, SnapshotId=snapshot)
        refused("InvalidAMIID.NotFound", launch, ec2, created)
        equal(ec2.describe_images(Owners=["self"])["Images"], [])

    with check("termination"):
        ec2.terminate_instances(InstanceIds=[started["InstanceId"]])
        (gone,) = instances(ec2, InstanceIds=[started["InstanceId"]])
        equal(gone["State"]["Name"], "terminated")
        volumes = ec2.describe_volumes(Filters=[MANAGED_FILTER])["Volumes"]
        equal(volume["VolumeId"] in [v["VolumeId"] for v in volumes], False)
        refused(
            "InvalidInstanceID.NotFound",
            ec2.terminate_instances,
            InstanceIds=["i-0123456789abcdef0"],
        )

    with check("instance types"):
        types = ["t3.micro", "t4g.small"]
        described = ec2.describe_instance_types(InstanceTypes=types)["InstanceTypes"]
        equal(
            {t["InstanceType"]: t["ProcessorInfo"]["SupportedArchitectures"] for t in described},
            {"t3.micro": ["x86_64"], "t4g.small": ["arm64"]},
        )
        refused(
            "InvalidInstanceType",
            ec2.describe_instance_types,
            InstanceTypes=["t9.none"],
        )

    with check("key pairs"):
        equal(ec2.describe_key_pairs()["KeyPairs"], [])
        refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["none"])
        ec2.create_key_pair(KeyName="mine")
        equal(len(ec2.describe_key_pairs(KeyNames=["mine"])["KeyPairs"]), 1)
        launch(ec2, debian, KeyName="mine")


def check_auth(at):
    key_id, _ = at.key.split(":", 1)
    name = DEBIAN_12_PARAMETER.format(arch="amd64")

    with check("auth: the right secret is accepted"):
        image = parameter(client(at, "ssm"), name)
        started = launch(client(at, "ec2"), image)
        client(at, "ec2").terminate_instances(InstanceIds=[started["InstanceId"]])

    for what, key, ec2_code, ssm_code in [
        ("wrong secret", f"{key_id}:wrong", "AuthFailure", "SignatureDoesNotMatch"),
        (
            "unknown key",
            "AKIAIOSFODNN7EXAMPLE:x",
            "AuthFailure",
            "InvalidClientTokenId",
        ),
    ]:
        with check(f"auth: {what} is refused"):
            refused(ec2_code, client(at, "ec2", key=key).describe_key_pairs)
            refused(ssm_code, parameter, client(at, "ssm", key=key), name)

    with check("auth: an action outside the policy is refused"):
        refused("AccessDenied", client(at, "iam").list_users)
        refused(
            "AccessDenied",
            client(at, "ssm").put_parameter,
            Name="mine",
            Value="x",
            Type="String",
        )


def check_without_parameters(at):
    owner, name, _, parameter_name = FAMILIES[0]
    with check("--no-ssm: images without parameters"):
        parameter_name = parameter_name.format(arch="amd64")
        refused("ParameterNotFound", parameter, client(at, "ssm"), parameter_name)
        name = name.format(arch="amd64")
        equal(bool(images(client(at, "ec2"), owner, name, "x86_64")), True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def main():
    with_server(check_images)
    with_server(check_instances)
    with_server(check_auth, "--auth", end=interrupt)
    with_server(check_without_parameters, "--no-ssm", "--until-eof", end=close_stdin)

    port = free_port()

    def check_port_and_region(at):
        with check("--port and --region"):
            equal(at.url, f"http://127.0.0.1:{port}")
            for region, stocked in [("eu-west-1", True), (REGIONS[0], False)]:
                found = images(client(at, "ec2", region), CANONICAL, "*", "x86_64")
                equal(bool(found), stocked)

    arguments = ["--port", str(port), "--region", "eu-west-1"]
    with_server(check_port_and_region, *arguments)

    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
