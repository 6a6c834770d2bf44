r"""apache-libcloud's EC2 driver, as it is, through a machine's whole life on the simulated EC2.

    cargo run -p spuff-examples --example simulator -- --speed 60 -- \
        python tests/clients/libcloud_ec2.py

Only the host and port are given to it. In us-east-1 the driver signs in the old way (version 2, in
the address); the other driver here signs in the new one.
"""

import os
import sys
import time
import urllib.parse

from libcloud.common.types import InvalidCredsError
from libcloud.compute.base import NodeImage
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

from control import control, inject

CANONICAL = "099720109477"


def fault(fault, route, times=1):
    inject("aws", route, fault, times)


def step(text):
    print(f"ok  {text}", flush=True)


def equal(found, expected):
    if found != expected:
        sys.exit(f"expected {expected!r}, found {found!r}")


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except Exception as error:
        if code not in str(error):
            sys.exit(f"expected {code}, found {error!r}")
        return error
    sys.exit(f"expected {code}, but it was accepted")


def until(what, ready, seconds=60):
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            sys.exit(f"waited too long for {what}")
        time.sleep(0.1)


def driver(region):
    url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    return get_driver(Provider.EC2)(
        key, secret, region=region, secure=False, host=url.hostname, port=url.port
    )


ec2, ohio = driver("us-east-1"), driver("us-east-2")
equal((ec2.signature_version, ohio.signature_version), ("2", "4"))
zones = ec2.list_locations()
equal([zone.availability_zone.name for zone in zones], ["us-east-1a", "us-east-1b", "us-east-1c"])
equal(ohio.list_locations()[0].availability_zone.name, "us-east-2a")
step("two regions, with a signature of either kind")

size = next(size for size in ec2.list_sizes() if size.id == "t3.micro")
filters = {"name": "ubuntu/images/hvm-ssd*/ubuntu-*-24.04-amd64-server-*", "architecture": "x86_64"}
images = ec2.list_images(ex_owner=CANONICAL, ex_filters=filters)
image = max(images, key=lambda image: image.extra["creation_date"])
equal(
    (len(images), image.extra["owner_id"], image.extra["root_device_type"]), (2, CANONICAL, "ebs")
)
pair = ec2.create_key_pair("libcloud")
equal(sorted(found.name for found in ec2.list_key_pairs()), ["ci", "laptop", "libcloud"])
equal(ec2.get_key_pair("libcloud").fingerprint, pair.fingerprint)
step(f"the newest Ubuntu is {image.id}; a key was made")

web = {"size": size, "image": image, "ex_keyname": "libcloud", "ex_userdata": "#cloud-config"}
node = ec2.create_node(name="web", location=zones[1], ex_metadata={"role": "a <b>"}, **web)
equal((node.state, node.public_ips), (NodeState.PENDING, []))
[(node, addresses)] = ec2.wait_until_running([node], wait_period=0.5, timeout=60)
until("the tags", lambda: ec2.list_nodes(ex_filters={"tag:Name": "web"}))
[found] = ec2.list_nodes(ex_node_ids=[node.id])
equal(
    (found.name, found.extra["availability"], found.extra["tags"]["role"]),
    ("web", "us-east-1b", "a <b>"),
)
equal(
    (found.state, found.extra["key_name"], found.public_ips),
    (NodeState.RUNNING, "libcloud", addresses),
)
step(f"{node.id} runs at {addresses[0]}")

# The driver reads no further than the first reply, so nothing is asked of pages.
many = ec2.create_node(name="many", ex_mincount=7, ex_maxcount=7, **web)
until("all machines", lambda: len(ec2.list_nodes()) == 8)
equal(len({found.id for found in ec2.list_nodes()}), 8)
step("eight machines in one list: the driver does not page, and EC2 then gives all at once")

ec2.ex_stop_node(node)
until("the stop", lambda: ec2.list_nodes(ex_node_ids=[node.id])[0].state == NodeState.STOPPED)
ec2.ex_start_node(node)
until("the start", lambda: ec2.list_nodes(ex_node_ids=[node.id])[0].state == NodeState.RUNNING)
equal(ec2.reboot_node(node), True)
equal(ec2.ex_create_tags(node, {"Name": "renamed", "more": "x"}), True)
equal(ec2.ex_describe_tags(node)["Name"], "renamed")
equal(ec2.ex_delete_tags(node, {"more": None}), True)
equal("more" in ec2.ex_describe_tags(node), False)
step("it was stopped, started, rebooted and renamed")

taken = ec2.create_image(node, "web image", description="by libcloud")
until(
    "the image",
    lambda: [own for own in ec2.list_images(ex_owner="self") if own.extra["state"] == "available"],
)
[own] = ec2.list_images(ex_owner="self")
equal((own.id, own.name), (taken.id, "web image"))
restored = ec2.create_node(name="restored", size=size, image=own)
until(
    "the machine from it",
    lambda: (
        restored.id in {found.id for found in ec2.list_nodes() if found.state == NodeState.RUNNING}
    ),
)
step(f"{taken.id} was taken, and {restored.id} made from it")

[disk] = ec2.list_volumes(node)
copy = ec2.create_volume_snapshot(disk, name="by hand")
until("the copy", lambda: ec2.list_snapshots(snapshot=copy)[0].extra["state"] == "completed")
equal(ec2.list_snapshots(snapshot=copy)[0].name, "by hand")
equal(ec2.destroy_volume_snapshot(copy), True)
step("a disk was copied, and the copy deleted")

refused("InvalidInstanceID.NotFound", ec2.list_nodes, ex_node_ids=["i-0123456789abcdef0"])
refused(
    "InvalidAMIID.NotFound",
    ec2.create_node,
    name="x",
    size=size,
    image=NodeImage("ami-12345678", "", ec2),
)
refused("IncorrectInstanceState", lambda: (ec2.ex_stop_node(restored), ec2.ex_start_node(restored)))
refused("InvalidAMIName.Duplicate", ec2.create_image, node, "web image")
step("what is not there is not found, and what cannot be is refused")

fault("unauthorized", "ssh_keys")
equal(type(refused("AuthFailure", ec2.list_key_pairs)), InvalidCredsError)
fault({"rate_limited": {"retry_after": None, "headers": True}}, "list_instances")
refused("RequestLimitExceeded", ec2.list_nodes)
before = len(control("GET", "/resources")["instances"])
token = "an order"
fault("reply_lost", "create_instance")
refused("", ec2.create_node, name="lost", ex_clienttoken=token, **web)
lost = ec2.create_node(name="lost", ex_clienttoken=token, **web)
equal(len(control("GET", "/resources")["instances"]), before + 1)
step(
    "it does not try again by itself; with the client "
    "token, the same request again makes no second machine"
)

until("the last one", lambda: lost.id in {found.id for found in ec2.list_nodes()})
for found in [node, restored, lost, *many]:
    equal(ec2.destroy_node(found), True)
equal(ec2.delete_image(own), True)
equal([leak["kind"] for leak in control("GET", "/leaks")], ["disk_snapshot"])
[left] = [copy for copy in ec2.list_snapshots(owner="self")]


def deleted():
    try:
        return ec2.destroy_volume_snapshot(left)
    except Exception as error:
        equal("InvalidSnapshot.InUse" in str(error), True)
        return False


until("the copy of the disk", deleted)
equal(ec2.delete_key_pair(pair), True)
equal(control("GET", "/leaks"), [])
step("nothing is left")
