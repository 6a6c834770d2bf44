"""Start a moto server stocked with what the EC2 room looks up.

stdout gets the server's address as soon as it accepts requests and, with
--auth, a second line ACCESS_KEY_ID:SECRET. Everything else goes to stderr.
SIGTERM and SIGINT end it.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from datetime import datetime
from typing import NamedTuple

from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID, enable_iam_authentication
from moto.ec2.exceptions import InvalidAMIIdError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import filter_dict_attribute_mapping, random_ami_id
from moto.iam.models import AccessKey, iam_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.ssm.models import Parameter, ssm_backends
from werkzeug.serving import make_server

DEFAULT_REGIONS = ["us-east-1", "eu-central-1"]
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}

# EC2 promises no order of images, so the newest is neither the first nor the last.
RELEASES = ["20240801", "20250601", "20250101"]
NEWEST = max(RELEASES)


class Family(NamedTuple):
    owner: str
    name: str
    root_device: str
    parameter: str


FAMILIES = [
    Family(
        "099720109477",
        "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{arch}-server-{release}",
        "/dev/sda1",
        "/aws/service/canonical/ubuntu/server/22.04/stable/current/{arch}/hvm/ebs-gp2/ami-id",
    ),
    Family(
        "099720109477",
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-{release}",
        "/dev/sda1",
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/{arch}/hvm/ebs-gp3/ami-id",
    ),
    Family(
        "136693071363",
        "debian-12-{arch}-{release}-1234",
        "/dev/xvda",
        "/aws/service/debian/release/12/latest/{arch}",
    ),
]


def make_stricter() -> None:
    """Refuse unknown key pairs and instance types, as EC2 does."""
    settings.ENABLE_KEYPAIR_VALIDATION = True
    settings.EC2_ENABLE_INSTANCE_TYPE_VALIDATION = True


def fill_gaps() -> None:
    # moto stores the token of an instance but cannot filter by it.
    filter_dict_attribute_mapping["client-token"] = "client_token"

    create_image = AmiBackend.create_image

    def create_image_with_snapshot_tags(self, instance_id, name, description, tag_specifications):
        # moto raises NotImplementedError on tags for the snapshot and calls the
        # root device an instance store at /dev/sda1, whatever the instance has.
        others = [s for s in tag_specifications if s["ResourceType"] != "snapshot"]
        image = create_image(self, instance_id, name, description, others)
        image.root_device_type = "ebs"
        image.root_device_name = image.instance.root_device_name
        for specification in tag_specifications:
            if specification["ResourceType"] == "snapshot":
                for tag in specification["Tags"]:
                    image.ebs_snapshot.add_tag(tag["Key"], tag["Value"])
        return image

    AmiBackend.create_image = create_image_with_snapshot_tags

    run_instances = InstanceResponse.run_instances

    def run_instances_with_image(self):
        image_id = self._get_param("ImageId")
        image = self.ec2_backend.amis.get(image_id)
        if image is None:
            raise InvalidAMIIdError([image_id])
        # moto wants a size or a snapshot for every device, EC2 not for the root
        # device: there it takes the image's.
        for device in self._get_param("BlockDeviceMappings", []):
            if device["DeviceName"] == image.root_device_name:
                device["Ebs"].setdefault("SnapshotId", image.ebs_snapshot.id)
        return run_instances(self)

    InstanceResponse.run_instances = run_instances_with_image


def seed(region: str, with_parameters: bool) -> None:
    ec2 = ec2_backends[DEFAULT_ACCOUNT_ID][region]
    for family in FAMILIES:
        for arch, architecture in ARCHITECTURES.items():
            for release in RELEASES:
                image = Ami(
                    ec2,
                    random_ami_id(),
                    name=family.name.format(arch=arch, release=release),
                    owner_id=family.owner,
                    public=True,
                    virtualization_type="hvm",
                    hypervisor="xen",
                    architecture=architecture,
                    creation_date=datetime.strptime(release, "%Y%m%d"),
                    root_device_type="ebs",
                    root_device_name=family.root_device,
                )
                ec2.amis[image.id] = image
                if with_parameters and release == NEWEST:
                    add_parameter(region, family.parameter.format(arch=arch), image)


def add_parameter(region: str, name: str, image: Ami) -> None:
    # Stored directly: put_parameter rightly refuses names under /aws.
    ssm_backends[DEFAULT_ACCOUNT_ID][region]._parameters[name].append(
        Parameter(
            account_id=DEFAULT_ACCOUNT_ID,
            name=name,
            value=image.id,
            parameter_type="String",
            description=None,
            allowed_pattern=None,
            keyid=None,
            last_modified_date=image.creation_date,
            version=1,
            data_type="aws:ec2:image",
        )
    )


def create_user() -> AccessKey:
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": ["ec2:*", "ssm:GetParameter"],
            "Resource": "*",
        },
    }
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", "spuff")
    iam.put_user_policy("spuff", "spuff", json.dumps(policy))
    return iam.create_access_key("spuff")


def end_at_eof() -> None:
    # Not sys.stdin: a thread holding its lock aborts the interpreter's shutdown.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--region",
        action="append",
        dest="regions",
        help=f"region to stock, repeatable; default: {' and '.join(DEFAULT_REGIONS)}",
    )
    parser.add_argument("--no-ssm", action="store_true", help="leave out the SSM parameters")
    parser.add_argument("--auth", action="store_true", help="check signatures and permissions")
    parser.add_argument(
        "--until-eof",
        action="store_true",
        help="end when stdin is closed, so when the parent dies",
    )
    return parser.parse_args()


def main() -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: sys.exit(0))
    args = parse_arguments()

    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    make_stricter()
    fill_gaps()
    for region in args.regions or DEFAULT_REGIONS:
        seed(region, with_parameters=not args.no_ssm)

    server = make_server(
        "127.0.0.1",
        args.port,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    print(f"http://127.0.0.1:{server.port}", flush=True)

    with contextlib.ExitStack() as stack:
        if args.auth:
            key = create_user()
            print(f"{key.access_key_id}:{key.secret_access_key}", flush=True)
            stack.enter_context(enable_iam_authentication())
        # Callers may read stdout to its end, so nothing of moto's may add to it.
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        if args.until_eof:
            threading.Thread(target=end_at_eof, daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main()
