r"""boto3, as it is, through a machine's whole life on the simulated EC2.

    cargo run -p spuff-examples --example simulator -- --speed 60 -- \
        python tests/clients/boto3_client.py

The endpoint, the keys and the region come from the environment variables that the simulator sets,
which boto3 reads itself. Every reply is also held against botocore's own model of it: an element
that the model does not know is an error.
"""

import sys
import xml.etree.ElementTree as ElementTree

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from control import control, inject

UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
SOON = {"Delay": 1, "MaxAttempts": 60}


def fault(fault, route, times=1):
    inject("aws", route, fault, times)


def step(text):
    print(f"ok  {text}", flush=True)


def equal(found, expected):
    if found != expected:
        sys.exit(f"expected {expected!r}, found {found!r}")


def refused(code, status, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = (
            error.response["Error"]["Code"],
            error.response["ResponseMetadata"]["HTTPStatusCode"],
        )
        equal(found, (code, status))
        return error.response
    sys.exit(f"expected {code}, but it was accepted")


def attempts(reply):
    return reply["ResponseMetadata"]["RetryAttempts"]


def known(element, shape, path):
    """Complains of elements that botocore has no name for."""
    if shape.type_name == "list":
        for item in element:
            equal((path, item.tag.split("}")[-1]), (path, "item"))
            known(item, shape.member, f"{path}/item")
    elif shape.type_name == "structure":
        names = {
            member.serialization.get("name", name): member for name, member in shape.members.items()
        }
        for child in element:
            name = child.tag.split("}")[-1]
            if name not in names:
                sys.exit(f"{path}/{name} is not in botocore's model")
            known(child, names[name], f"{path}/{name}")
    elif len(element):
        sys.exit(f"{path} should have no elements in it")


replies = set()


def hold_against_the_model(operation_model, response_dict, **_):
    if response_dict["status_code"] >= 300 or operation_model.service_model.service_name != "ec2":
        return
    root = ElementTree.fromstring(response_dict["body"])
    equal(root.tag.split("}")[-1], f"{operation_model.name}Response")
    for element in list(root):
        # Actions that give nothing back tell so with this.
        is_empty = operation_model.output_shape is None and element.tag.endswith("}return")
        if element.tag.endswith("}requestId") or is_empty:
            root.remove(element)
    if operation_model.output_shape is not None:
        members = operation_model.output_shape.members
        if "Return" not in members:
            for element in [child for child in root if child.tag.endswith("}return")]:
                root.remove(element)
        known(root, operation_model.output_shape, operation_model.name)
    replies.add(operation_model.name)


def tags(kind, **values):
    return {
        "ResourceType": kind,
        "Tags": [{"Key": key, "Value": value} for key, value in values.items()],
    }


ec2 = boto3.client("ec2", config=Config(retries={"mode": "standard", "total_max_attempts": 4}))
ec2.meta.events.register("before-parse.ec2.*", hold_against_the_model)
ssm, sts = boto3.client("ssm"), boto3.client("sts")

equal(sts.get_caller_identity()["Account"], "123456789012")
regions = [region["RegionName"] for region in ec2.describe_regions()["Regions"]]
equal(ec2.meta.region_name in regions, True)
step(f"the account, and {len(regions)} regions")

pages = list(
    ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 20})
)
types = [found["InstanceType"] for page in pages for found in page["InstanceTypes"]]
equal((len(pages) >= 3, len(types), "t3.micro" in types), (True, len(set(types)), True))
step(f"{len(types)} types on {len(pages)} pages")

image = ssm.get_parameter(Name=UBUNTU.format("amd64"))["Parameter"]["Value"]
described = ec2.describe_images(ImageIds=[image])["Images"][0]
equal(
    (described["OwnerId"], described["Architecture"], described["State"]),
    ("099720109477", "x86_64", "available"),
)
key = ec2.describe_key_pairs(IncludePublicKey=True)["KeyPairs"][0]["KeyName"]
step(f"the newest Ubuntu is {image}; a key is called {key}")

web = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "KeyName": key}
named = [tags("instance", Name="web", role="a <b> & ü"), tags("volume", role="disk")]
made = ec2.run_instances(**web, TagSpecifications=named, UserData="#cloud-config")["Instances"][0]
equal((made["State"]["Name"], "PublicIpAddress" in made), ("pending", False))
first = made["InstanceId"]
ec2.get_waiter("instance_exists").wait(InstanceIds=[first], WaiterConfig=SOON)
ec2.get_waiter("instance_running").wait(InstanceIds=[first], WaiterConfig=SOON)
ec2.get_waiter("instance_status_ok").wait(InstanceIds=[first], WaiterConfig=SOON)
shown = ec2.describe_instances(InstanceIds=[first])["Reservations"][0]["Instances"][0]
equal({tag["Key"]: tag["Value"] for tag in shown["Tags"]}, {"Name": "web", "role": "a <b> & ü"})
step(f"{first} runs at {shown['PublicIpAddress']}")

more = ec2.run_instances(
    **{**web, "MinCount": 5, "MaxCount": 11}, TagSpecifications=[tags("instance", role="many")]
)
everyone = [first] + [found["InstanceId"] for found in more["Instances"]]
ec2.get_waiter("instance_running").wait(
    Filters=[{"Name": "tag:role", "Values": ["many"]}], WaiterConfig=SOON
)
pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
found = [
    one["InstanceId"]
    for page in pages
    for group in page["Reservations"]
    for one in group["Instances"]
]
equal((sorted(found), len(pages)), (sorted(everyone), 3))
found = ec2.describe_instances(
    Filters=[{"Name": "tag:role", "Values": ["*<b>*"]}, {"Name": "key-name", "Values": [key]}]
)
equal(len(found["Reservations"]), 1)
step(f"{len(everyone)} machines on {len(pages)} pages, and one by its tags")

snapshot = ec2.create_image(
    InstanceId=first, Name="web image", NoReboot=True, TagSpecifications=[tags("image", of="web")]
)
snapshot = snapshot["ImageId"]
ec2.get_waiter("image_exists").wait(ImageIds=[snapshot], WaiterConfig=SOON)
ec2.get_waiter("image_available").wait(ImageIds=[snapshot], WaiterConfig=SOON)
own = ec2.describe_images(Owners=["self"], Filters=[{"Name": "tag:of", "Values": ["web"]}])[
    "Images"
]
copies = [mapping["Ebs"]["SnapshotId"] for mapping in own[0]["BlockDeviceMappings"]]
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=copies, WaiterConfig=SOON)
refused("InvalidAMIName.Duplicate", 400, ec2.create_image, InstanceId=first, Name="web image")
step(f"{snapshot} was taken, and stands on {copies[0]}")

restored = ec2.run_instances(**{**web, "ImageId": snapshot})["Instances"][0]["InstanceId"]
everyone.append(restored)
ec2.get_waiter("instance_running").wait(InstanceIds=[restored], WaiterConfig=SOON)
step(f"{restored} was made from it")

ec2.stop_instances(InstanceIds=[restored])
ec2.get_waiter("instance_stopped").wait(InstanceIds=[restored], WaiterConfig=SOON)
ec2.modify_instance_attribute(InstanceId=restored, InstanceType={"Value": "t3.small"})
ec2.start_instances(InstanceIds=[restored])
ec2.get_waiter("instance_running").wait(InstanceIds=[restored], WaiterConfig=SOON)
ec2.reboot_instances(InstanceIds=[restored])
equal(
    ec2.describe_instance_attribute(InstanceId=restored, Attribute="instanceType")["InstanceType"][
        "Value"
    ],
    "t3.small",
)
ec2.create_tags(Resources=[restored], Tags=[{"Key": "Name", "Value": "renamed"}])
ec2.delete_tags(Resources=[restored], Tags=[{"Key": "role"}])
equal(
    [
        tag["Value"]
        for tag in ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [restored]}])[
            "Tags"
        ]
    ],
    ["renamed"],
)
step("it was stopped, made larger, started, rebooted and renamed")

missing = refused(
    "InvalidInstanceID.NotFound", 400, ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"]
)
equal(missing["Error"]["Message"], "The instance ID 'i-0123456789abcdef0' does not exist")
refused("InvalidAMIID.NotFound", 400, ec2.run_instances, **{**web, "ImageId": "ami-12345678"})
refused("InvalidParameterValue", 400, ec2.run_instances, **{**web, "InstanceType": "t4g.micro"})
refused(
    "TagLimitExceeded",
    400,
    ec2.create_tags,
    Resources=[first],
    Tags=[{"Key": str(n), "Value": ""} for n in range(50)],
)
refused("DryRunOperation", 412, ec2.run_instances, **web, DryRun=True)
step("what is not there is not found, and what cannot be is refused")

before = len(control("GET", "/resources")["instances"])
fault("reply_lost", "create_instance", 2)
lost = ec2.run_instances(**web)
everyone.append(lost["Instances"][0]["InstanceId"])
sent = [
    request
    for request in control("GET", "/requests")["requests"]
    if request["route"] == "create_instance"
][-3:]
tokens = {
    part
    for request in sent
    for part in request["body"].split("&")
    if part.startswith("ClientToken=")
}
equal(
    (attempts(lost), len(tokens), len(control("GET", "/resources")["instances"])),
    (2, 1, before + 1),
)
step(
    "two lost replies of RunInstances: boto3 sends the "
    "same ClientToken again, and one machine was made"
)

fault({"rate_limited": {"retry_after": None, "headers": True}}, "list_instances", 2)
equal(attempts(ec2.describe_instances()), 2)
fault({"rate_limited": {"retry_after": None, "headers": True}}, "list_instances", 9)
refused("RequestLimitExceeded", 503, ec2.describe_instances)
control("DELETE", "/faults")
fault("capacity_out", "create_instance", 9)
equal(
    refused("InsufficientInstanceCapacity", 500, ec2.run_instances, **web)["ResponseMetadata"][
        "RetryAttempts"
    ],
    3,
)
control("DELETE", "/faults")
fault("unauthorized", "ssh_keys")
refused("AuthFailure", 401, ec2.describe_key_pairs)
step(
    "throttled it tries again and then gives up; lack "
    "of capacity it tries three times again, as any 500"
)

fault("action_fails", "create_instance")
failing = ec2.run_instances(**web)["Instances"][0]["InstanceId"]
# The last waiter takes "not found" for a failure, unlike that for running machines, and "pending"
# too.
ec2.get_waiter("instance_exists").wait(InstanceIds=[failing], WaiterConfig=SOON)
while (
    ec2.describe_instances(InstanceIds=[failing])["Reservations"][0]["Instances"][0]["State"][
        "Name"
    ]
    == "pending"
):
    pass
ec2.get_waiter("instance_terminated").wait(InstanceIds=[failing], WaiterConfig=SOON)
gone = ec2.describe_instances(InstanceIds=[failing])["Reservations"][0]["Instances"][0]
equal(gone["StateReason"]["Code"], "Server.InternalError")
step("a launch that fails ends terminated, with the reason")

network = (
    ec2.describe_subnets()["Subnets"],
    ec2.describe_vpcs()["Vpcs"],
    ec2.describe_security_groups()["SecurityGroups"],
)
equal([len(found) for found in network], [4, 1, 2])
ec2.describe_availability_zones()
ec2.describe_instance_type_offerings(LocationType="availability-zone")
ec2.describe_account_attributes()
ec2.describe_addresses()
ec2.describe_instance_credit_specifications(InstanceIds=[first])
ec2.get_console_output(InstanceId=first)
pair = ec2.create_key_pair(KeyName="other", KeyType="ed25519")
material = ec2.describe_key_pairs(KeyNames=["other"], IncludePublicKey=True)["KeyPairs"][0][
    "PublicKey"
]
equal(ec2.delete_key_pair(KeyPairId=pair["KeyPairId"])["Return"], True)
ec2.import_key_pair(KeyName="other", PublicKeyMaterial=material.encode())
ec2.delete_key_pair(KeyName="other")
disk = ec2.describe_volumes(Filters=[{"Name": "tag:role", "Values": ["disk"]}])["Volumes"][0][
    "VolumeId"
]
by_hand = ec2.create_snapshot(VolumeId=disk, Description="by hand")["SnapshotId"]
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[by_hand], WaiterConfig=SOON)
ec2.delete_snapshot(SnapshotId=by_hand)
step("the rest of the catalogue, keys and copies of disks")

kept = [{"DeviceName": described["RootDeviceName"], "Ebs": {"DeleteOnTermination": False}}]
keeper = ec2.run_instances(**web, BlockDeviceMappings=kept)["Instances"][0]["InstanceId"]
everyone.append(keeper)
ec2.get_waiter("instance_running").wait(InstanceIds=[keeper], WaiterConfig=SOON)
disk = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [keeper]}])[
    "Volumes"
][0]["VolumeId"]
refused("VolumeInUse", 400, ec2.delete_volume, VolumeId=disk)

ec2.terminate_instances(InstanceIds=everyone)
ec2.get_waiter("instance_terminated").wait(InstanceIds=everyone, WaiterConfig=SOON)
refused(
    "IdempotentInstanceTerminated",
    400,
    ec2.run_instances,
    **web,
    ClientToken=lost["Instances"][0]["ClientToken"],
)
refused("InvalidSnapshot.InUse", 400, ec2.delete_snapshot, SnapshotId=copies[0])
ec2.deregister_image(ImageId=snapshot)
kinds = sorted(leak["kind"] for leak in control("GET", "/leaks"))
equal(kinds, ["disk", "disk_snapshot"])
step("everything is terminated and deregistered, and still a disk and a copy of one are paid for")

ec2.get_waiter("volume_available").wait(VolumeIds=[disk], WaiterConfig=SOON)
ec2.delete_volume(VolumeId=disk)
while True:
    try:
        ec2.delete_snapshot(SnapshotId=copies[0])
        break
    except ClientError as error:
        equal(error.response["Error"]["Code"], "InvalidSnapshot.InUse")
refused("InvalidSnapshot.NotFound", 400, ec2.delete_snapshot, SnapshotId=copies[0])
equal(control("GET", "/leaks"), [])
step(f"nothing is left; {len(replies)} kinds of replies were what botocore knows")
