r"""Apache Libcloud's DigitalOcean driver against the simulator.

    cargo run -p spuff-examples --example simulator -- --speed 60 -- \
        python tests/clients/libcloud_digitalocean.py

The driver cannot be given an address: any keyword argument ends in a `TypeError` of its `__new__`,
and its `__init__` throws `host`, `port` and `secure` away. So the address of its connection is set
from outside, which is all that is changed.
"""

import os
import urllib.parse

from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

from control import asked, inject, no_leaks, step, until

address = urllib.parse.urlsplit(os.environ["DIGITALOCEAN_API_URL"])
driver = get_driver(Provider.DIGITAL_OCEAN)(os.environ["DIGITALOCEAN_TOKEN"])
driver.connection.host, driver.connection.port, driver.connection.secure = (
    address.hostname,
    address.port,
    False,
)
driver.connection.connect()
# Pages of two, so that few droplets fill several.
driver.ex_per_page = 2


def refused(call, *args, **kwargs):
    """What an error says."""
    try:
        call(*args, **kwargs)
    except Exception as error:
        return str(error)
    return None


def make(name, image, **fields):
    return driver.create_node(name, size, image, location, **fields)


def wait(node):
    """The node once it runs and nothing holds it."""

    def ready():
        # A new droplet is not there for a while.
        if refused(driver.ex_get_node_details, node.id):
            return None
        it = driver.ex_get_node_details(node.id)
        return it if it.state == NodeState.RUNNING and not it.extra["locked"] else None

    return until(ready)


def all_free():
    """Every node, once nothing holds any."""
    found = driver.list_nodes()
    return None if any(it.extra["locked"] for it in found) else found


size = next(size for size in driver.list_sizes() if size.name == "s-1vcpu-1gb")
step("a size has its price", size.price == 0.00893 and size.ram == 1024, size)
location = next(location for location in driver.list_locations() if location.id == "nyc3")
image = next(image for image in driver.list_images() if image.extra["slug"] == "ubuntu-24-04-x64")
step("an image has its distribution", image.extra["distribution"] == "Ubuntu", image)
keys = driver.list_key_pairs()
step("there are two SSH keys", len(keys) == 2, keys)

made = make(
    "web-1",
    image,
    ex_create_attr={"tags": ["web"], "ipv6": True, "ssh_keys": [keys[0].fingerprint]},
)
step("a create is accepted", made.state == NodeState.PENDING and made.public_ips == [], made)
node = wait(made)
step("the node runs, at an address", len(node.public_ips) == len(node.private_ips) == 1, node)
step("it has its tags", node.extra["tags"] == ["web"], node.extra)
others = [make(f"other-{n}", image) for n in range(4)]
step("four more are made", len({other.id for other in others}) == 4)
until(lambda: len(driver.list_nodes()) == 5)
before = asked("digitalocean", "list_instances")
nodes = driver.list_nodes()
step(
    "they are listed on three pages",
    len(nodes) == 5 and asked("digitalocean", "list_instances") == before + 3,
    nodes,
)

step("a node shuts down", driver.ex_shutdown_node(node))
until(lambda: driver.ex_get_node_details(node.id).state == NodeState.STOPPED)
step("and starts", driver.ex_power_on_node(node) and wait(node).state == NodeState.RUNNING)
step("and is renamed", driver.ex_rename_node(node, "web-2") and wait(node).name == "web-2")

step("a snapshot is begun", driver.create_image(node, "nightly"))
step("meanwhile the node is busy", "pending event" in refused(driver.reboot_node, node))
snapshot = until(
    lambda: next((image for image in driver.list_images() if image.name == "nightly"), None)
)
step(
    "it is listed",
    snapshot.extra["public"] is False and snapshot.extra["min_disk_size"] == 25,
    snapshot.extra,
)
restored = wait(make("web-3", driver.get_image(snapshot.id)))
made_of = restored.extra["image"]
step("a node is made of it, whose id is sent as a text", str(made_of["id"]) == snapshot.id, made_of)

step(
    "what is not there is an error", "could not be found" in refused(driver.ex_get_node_details, 42)
)
step("a bad name is refused", "Only valid hostname characters" in refused(make, "a_b", image))
step(
    "a key that is none is refused",
    "Key invalid" in refused(driver.create_key_pair, "bad", "LaLaLa"),
)

inject("digitalocean", "get_instance", {"rate_limited": {"retry_after": 1, "headers": True}})
before = asked("digitalocean", "get_instance")
said = refused(driver.ex_get_node_details, node.id)
again = asked("digitalocean", "get_instance") - before
step(
    "a 429 ends the call: libcloud does not ask again",
    said is not None and again == 1,
    (said, again),
)
inject("digitalocean", "create_instance", "reply_lost")
step(
    "a lost reply ends the call, and leaves a droplet",
    refused(make, "lost", image) is not None
    and until(lambda: [it for it in driver.list_nodes() if it.name == "lost"]),
)

step("the snapshot is deleted", driver.delete_image(snapshot))
step("all nodes are destroyed", all(driver.destroy_node(node) for node in until(all_free)))
step("and go", until(lambda: driver.list_nodes() == []))
no_leaks()
