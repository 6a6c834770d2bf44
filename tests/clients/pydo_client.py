r"""pydo, DigitalOcean's own Python client, against the simulator.

    cargo run -p spuff-examples --example simulator -- --speed 60 -- \
        python tests/clients/pydo_client.py

Only its endpoint is changed. It refuses to send a bearer token over plain HTTP, which
`enforce_https` of the library below it (azure-core) allows for each call.
"""

import os

from azure.core.exceptions import HttpResponseError, ServiceResponseError
from pydo import Client

from control import asked, inject, no_leaks, step, until

client = Client(
    os.environ["DIGITALOCEAN_TOKEN"],
    endpoint=os.environ["DIGITALOCEAN_API_URL"],
    retry_backoff_factor=0.01,
)


def call(operation, *args, **kwargs):
    """An operation, over plain HTTP."""
    return operation(*args, enforce_https=False, **kwargs)


def create(**fields):
    body = {
        "name": "web-1",
        "region": "nyc3",
        "size": "s-1vcpu-1gb",
        "image": "ubuntu-24-04-x64",
        **fields,
    }
    return call(client.droplets.create, body=body)


def get(droplet):
    # A 404 is no exception for pydo: its body is returned as if it were the droplet's.
    return call(client.droplets.get, droplet).get("droplet")


def wait(action):
    """How an action ends."""

    def ended():
        status = call(client.actions.get, action)["action"]["status"]
        return status if status != "in-progress" else None

    return until(ended)


def act(droplet, **body):
    return wait(call(client.droplet_actions.post, droplet, body=body)["action"]["id"])


def refused(operation, *args, **kwargs):
    """The status, the cloud's word and what it says."""
    try:
        operation(*args, **kwargs)
    except HttpResponseError as error:
        body = error.response.json()
        return error.status_code, body["id"], body["message"]
    return None


def pages(operation, key, per_page, **kwargs):
    """Every item, and how many pages they came on, by the links of each page."""
    items, page = [], 1
    while True:
        reply = call(operation, page=page, per_page=per_page, **kwargs)
        items += reply[key]
        if "next" not in reply["links"].get("pages", {}):
            return items, page, reply["meta"]["total"]
        page += 1


def all_free():
    """Every droplet, once nothing holds any."""
    found = call(client.droplets.list, per_page=200)["droplets"]
    return None if any(it["locked"] for it in found) else found


account = call(client.account.get)["account"]
step("the account is active", account["status"] == "active", account)
keys = call(client.ssh_keys.list)["ssh_keys"]
step("there are two SSH keys", len(keys) == 2 and keys[0]["fingerprint"].count(":") == 15, keys)
sizes, _, _ = pages(client.sizes.list, "sizes", 50)
small = next(size for size in sizes if size["slug"] == "s-1vcpu-1gb")
step(
    "a size has its price and its regions",
    small["price_monthly"] == 6 and "nyc3" in small["regions"],
    small,
)
regions = call(client.regions.list, per_page=200)["regions"]
step(
    "regions list their sizes", any("s-1vcpu-1gb" in region["sizes"] for region in regions), regions
)
images = call(client.images.list, type="distribution", per_page=200)["images"]
step(
    "Ubuntu and Debian are there",
    {"ubuntu-24-04-x64", "debian-12-x64"} <= {image["slug"] for image in images},
    images,
)

made = create(
    ssh_keys=[keys[0]["id"], keys[1]["fingerprint"]],
    tags=["web", "env:prod"],
    ipv6=True,
    user_data="#cloud-config\n",
)
droplet = made["droplet"]["id"]
is_new = made["droplet"]["status"] == "new" and made["droplet"]["networks"]["v4"] == []
step("a create is accepted, without an address", is_new, made)
step("its action completes", wait(made["links"]["actions"][0]["id"]) == "completed")
shown = get(droplet)
step("the droplet is active", shown["status"] == "active" and not shown["locked"], shown)
kinds = [network["type"] for network in shown["networks"]["v4"]]
addressed = kinds == ["private", "public"] and len(shown["networks"]["v6"]) == 1
step("it has a private and a public address", addressed, shown["networks"])
step("it has its tags", sorted(shown["tags"]) == ["env:prod", "web"], shown["tags"])

several = create(names=[f"worker-{n}" for n in range(6)], name=None, tags=["worker"])
step(
    "six are made at once",
    len(several["droplets"]) == 6 and len(several["links"]["actions"]) == 6,
    several,
)
workers = [worker["id"] for worker in several["droplets"]]
step(
    "all of them come up",
    {wait(action["id"]) for action in several["links"]["actions"]} == {"completed"},
)
listed, count, total = pages(client.droplets.list, "droplets", 2)
step("a list has four pages", (len(listed), count, total) == (7, 4, 7), (len(listed), count, total))
tagged, count, _ = pages(client.droplets.list, "droplets", 2, tag_name="worker")
step("a tag's list has three", ({it["id"] for it in tagged}, count) == (set(workers), 3), tagged)
named = call(client.droplets.list, name="WEB-1")["droplets"]
step("a name is found whatever its case", [it["id"] for it in named] == [droplet], named)

step(
    "a shutdown completes",
    act(droplet, type="shutdown") == "completed" and get(droplet)["status"] == "off",
)
step(
    "a second one is refused",
    refused(call, client.droplet_actions.post, droplet, body={"type": "power_off"})
    == (422, "unprocessable_entity", "Droplet is already powered off"),
)
step(
    "a start completes",
    act(droplet, type="power_on") == "completed" and get(droplet)["status"] == "active",
)
step(
    "a rename completes",
    act(droplet, type="rename", name="web-2") == "completed" and get(droplet)["name"] == "web-2",
)

step("a snapshot completes", act(droplet, type="snapshot", name="nightly") == "completed")
snapshot = until(lambda: call(client.droplets.list_snapshots, droplet)["snapshots"])[0]
step(
    "it is listed with its size and region",
    snapshot["name"] == "nightly" and snapshot["regions"] == ["nyc3"],
    snapshot,
)
call(client.tags.create, body={"name": "backup"})
resources = {"resources": [{"resource_id": str(snapshot["id"]), "resource_type": "image"}]}
call(client.tags.assign_resources, "backup", body=resources)
found = until(lambda: call(client.images.list, tag_name="backup")["images"])
step("a tag finds it", [image["id"] for image in found] == [snapshot["id"]], found)
listed = call(client.snapshots.list, resource_type="droplet")["snapshots"]
step(
    "its id is a text among all snapshots",
    [it["id"] for it in listed] == [str(snapshot["id"])],
    listed,
)
restored = create(name="web-3", image=snapshot["id"])
step("a droplet is made of it", wait(restored["links"]["actions"][0]["id"]) == "completed")
step(
    "in another region it is refused",
    refused(create, region="fra1", image=snapshot["id"])[0] == 422,
)

step("what is not there is no error to pydo", call(client.droplets.get, 42)["id"] == "not_found")
step(
    "a bad name is refused",
    refused(create, name="a_b")
    == (
        422,
        "unprocessable_entity",
        "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)",
    ),
)
step(
    "a bad image is refused",
    refused(create, image="beos-5")
    == (422, "unprocessable_entity", "You specified an invalid image for Droplet creation."),
)

before = asked("digitalocean", "get_instance")
inject("digitalocean", "get_instance", {"rate_limited": {"retry_after": 1, "headers": True}})
step(
    "after a 429 pydo waits as it is told, and asks again",
    get(droplet) is not None and asked("digitalocean", "get_instance") == before + 2,
)
inject("digitalocean", "create_instance", "reply_lost")
try:
    create(name="lost")
    outcome = "created"
except ServiceResponseError:
    outcome = "an error"
step("after a lost reply pydo does not create again", outcome == "an error", outcome)
inject("digitalocean", "create_instance", {"server_error": {"status": 503, "committed": True}})
twice = create(name="twice")["droplet"]
step(
    "after a 503 it does, and there are two",
    until(lambda: len(call(client.droplets.list, name="twice")["droplets"]) == 2)
    and twice["name"] == "twice",
)

call(client.snapshots.delete, str(snapshot["id"]))
step("the snapshot is gone", call(client.snapshots.get, str(snapshot["id"]))["id"] == "not_found")
for it in until(all_free):
    call(client.droplets.destroy, it["id"])
step("all droplets go", until(lambda: call(client.droplets.list)["meta"]["total"] == 0))
step(
    "their tags stay",
    {"web", "worker", "backup"} <= {tag["name"] for tag in call(client.tags.list)["tags"]},
)
no_leaks()
