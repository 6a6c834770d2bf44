r"""Drives Hetzner's own Python client, unmodified, against the simulator: the whole life of servers
and snapshots.

    cargo run -p spuff-examples --example simulator -- --speed 60 -- \
        python tests/clients/hcloud_client.py

Prints a line for each step, and ends with 1 at the first thing that is wrong.
"""

import json
import os
import sys
import urllib.request

import requests
from hcloud import APIException, Client
from hcloud.actions import ActionFailedException
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import ServerCreatePublicNetwork
from hcloud.ssh_keys import SSHKey

CONTROL = os.environ["SPUFF_SIMULATOR"]
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL3KbmHdnpAkEwfDn0hsvRmuJ9N+v2i0JlHrKZCxh0bq"

client = Client(
    token=os.environ["HCLOUD_TOKEN"],
    api_endpoint=os.environ["HCLOUD_ENDPOINT"],
    poll_interval=0.05,
    poll_max_retries=1200,
)


def step(text):
    print(f"ok  {text}", flush=True)


def check(condition, what):
    if not condition:
        print(f"WRONG: {what}", flush=True)
        sys.exit(1)


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{CONTROL}/{path}", data=data, method=method)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def inject(fault, route, times=1):
    rule = {"fault": fault, "provider": "hetzner", "route": route, "times": times}
    return control("POST", "faults", rule)


def hits(fault):
    return control("GET", "faults")[fault]["hits"]


def refused(call, code):
    try:
        call()
    except APIException as error:
        check(error.code == code, f"{error.code} instead of {code}: {error.message}")
        check(error.correlation_id, "a refusal without a correlation id")
        return error
    check(False, f"not refused with {code}")


def create(name, image="ubuntu-24.04", **options):
    options.setdefault("server_type", ServerType(name="cx23"))
    options.setdefault("location", Location(name="fsn1"))
    options.setdefault("labels", {"made-by": "check"})
    return client.servers.create(
        name=name, image=image if isinstance(image, Image) else Image(name=image), **options
    )


def finish(created):
    created.action.wait_until_finished()
    for action in created.next_actions:
        action.wait_until_finished()
    created.server.reload()
    return created.server


def delete(server):
    client.servers.get_by_id(server.id).delete().wait_until_finished()
    refused(lambda: client.servers.get_by_id(server.id), "not_found")


def catalogue():
    locations = client.locations.get_all()
    check(
        [location.name for location in locations] == ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"],
        "locations",
    )
    types = client.server_types.get_all()
    cx23 = client.server_types.get_by_name("cx23")
    check(len(types) > 25 and cx23.cores == 2 and cx23.architecture == "x86", "server types")
    check(
        float(cx23.prices[0]["price_hourly"]["net"]) > 0 and cx23.locations[0].available,
        "prices and locations",
    )
    names = {(image.name, image.architecture) for image in client.images.get_all(type=["system"])}
    for name in ["ubuntu-22.04", "ubuntu-24.04", "debian-11", "debian-12", "debian-13"]:
        check({(name, "x86"), (name, "arm")} <= names, name)
    check(
        client.images.get_by_name_and_architecture("ubuntu-20.04", "x86") is None,
        "a deprecated image is shown",
    )
    hidden = client.images.get_by_name_and_architecture(
        "ubuntu-20.04", "x86", include_deprecated=True
    )
    check(hidden.deprecation is not None, "a deprecated image is not found")
    check(client.isos.get_all() == [] and client.volumes.get_all() == [], "what there is none of")
    step(f"catalogue: {len(locations)} locations, {len(types)} server types, {len(names)} images")


def keys():
    first = client.ssh_keys.get_all()
    check(len(first) == 2, "keys of a new project")
    key = client.ssh_keys.create(name="check", public_key=PUBLIC_KEY, labels={"made-by": "check"})
    check(client.ssh_keys.get_by_fingerprint(key.fingerprint).id == key.id, "key by fingerprint")
    check(client.ssh_keys.get_by_name("check").labels == {"made-by": "check"}, "key by name")
    refused(lambda: client.ssh_keys.create(name="again", public_key=PUBLIC_KEY), "uniqueness_error")
    refused(lambda: client.ssh_keys.create(name="bad", public_key="no key"), "invalid_input")
    key = key.update(name="renamed")
    check(key.name == "renamed", "rename of a key")
    check(key.delete() and len(client.ssh_keys.get_all()) == 2, "delete of a key")
    step("keys: made, found, refused, renamed, deleted")


def life():
    created = create("life", ssh_keys=[SSHKey(name="laptop")], user_data="#cloud-config\n")
    check(created.root_password is None and created.server.status == "initializing", "create")
    refused(created.server.delete, "locked")
    server = finish(created)
    check(server.status == "running" and not server.locked, f"ready, but {server.status}")
    check(server.public_net.ipv4.ip and server.public_net.ipv6.ip.endswith("/64"), "addresses")
    check(server.public_net.primary_ipv4.auto_delete, "primary IP")
    check(
        server.image.name == "ubuntu-24.04" and server.server_type.name == "cx23", "image and type"
    )
    check(server.created.utcoffset().total_seconds() == 0, "created")
    step(f"created {server.id} at {server.public_net.ipv4.ip}, and waited for it")

    check(client.servers.get_by_name("life").id == server.id, "by name")
    server = server.update(name="renamed", labels={"made-by": "check", "tier": "a"})
    check(client.servers.get_by_name("life") is None and server.labels["tier"] == "a", "rename")
    for action, status in [
        (server.shutdown, "off"),
        (server.power_on, "running"),
        (server.reboot, "running"),
        (server.reset, "running"),
        (server.power_off, "off"),
    ]:
        action().wait_until_finished()
        while client.servers.get_by_id(server.id).status in ("stopping", "starting"):
            pass
        server.reload()
        check(server.status == status, f"{action.__name__}: {server.status}")
    check(
        [action.command for action in server.get_actions(sort=["id"])][:2]
        == ["create_server", "start_server"],
        "actions",
    )
    step("renamed, and put through every state of power")

    server.change_type(ServerType(name="cx33"), upgrade_disk=False).wait_until_finished()
    server.reload()
    check((server.server_type.name, server.primary_disk_size) == ("cx33", 40), "change of type")
    server.change_protection(delete=True, rebuild=True).wait_until_finished()
    refused(server.delete, "protected")
    server.change_protection(delete=False, rebuild=False).wait_until_finished()
    rescue = server.enable_rescue()
    check(rescue.root_password and client.servers.get_by_id(server.id).rescue_enabled, "rescue")
    server.disable_rescue().wait_until_finished()
    check(server.request_console().wss_url.startswith("wss://"), "console")
    server.rebuild(Image(name="debian-12")).action.wait_until_finished()
    server.reload()
    check(server.image.name == "debian-12", "rebuild")
    step("type changed, protected, rescued, rebuilt")
    return server


def pages():
    servers = [create(f"page-{number}", labels={"group": "pages"}).server for number in range(5)]
    client.servers.max_per_page = 2
    before = control("GET", "requests")["requests"][-1]["number"]
    listed = client.servers.get_all(label_selector="group==pages")
    requests_made = control("GET", "requests")["requests"][-1]["number"] - before
    check(
        [server.name for server in listed] == [f"page-{number}" for number in range(5)],
        "list over pages",
    )
    check(requests_made == 3, f"{requests_made} pages")
    check(client.servers.get_all(label_selector="group in (other)") == [], "selector")
    check(
        client.servers.get_list(label_selector="group", per_page=4).meta.pagination.total_entries
        == 5,
        "total",
    )
    inject("shifting_pages", "list_instances", times=3)
    shifted = [server.id for server in client.servers.get_all(label_selector="group")]
    check(len(shifted) > len(set(shifted)) == 5, f"pages that shift: {shifted}")
    step(
        f"listed 5 servers on {requests_made} pages; when "
        "pages shift, the client returns one more than once"
    )
    for server in servers:
        while True:
            try:
                delete(server)
                break
            except APIException as error:
                check(error.code == "locked", error.code)
    step("deleted what was listed, each as soon as it was no longer locked")


def snapshots(server):
    snapshot = server.create_image(
        description="before the change", type="snapshot", labels={"made-by": "check"}
    )
    check(snapshot.image.status == "creating" and snapshot.image.name is None, "a new snapshot")
    refused(lambda: create("too-early", snapshot.image), "invalid_input")
    snapshot.action.wait_until_finished()
    image = client.images.get_by_id(snapshot.image.id)
    check(
        image.status == "available" and image.image_size > 0 and image.disk_size == 40,
        "a finished snapshot",
    )
    check(
        [it.id for it in client.images.get_all(type=["snapshot"], label_selector="made-by")]
        == [image.id],
        "list",
    )
    image = image.update(description="after all", labels={})
    check((image.description, image.labels) == ("after all", {}), "change of a snapshot")
    refused(lambda: create("arm", image, server_type=ServerType(name="cax11")), "invalid_input")
    refused(
        lambda: create(
            "small", image, server_type=ServerType(name="cpx11"), location=Location(name="mars")
        ),
        "invalid_input",
    )
    restored = finish(
        create("restored", image, public_net=ServerCreatePublicNetwork(enable_ipv4=False))
    )
    check(restored.image.id == image.id and restored.public_net.ipv4 is None, "restored server")
    check(image.delete(), "delete of a snapshot")
    refused(lambda: client.images.get_by_id(image.id), "not_found")
    delete(restored)
    step("snapshot made, refused while it is made and where it does not fit, restored, deleted")


def refusals(server):
    error = refused(lambda: create("under_score"), "invalid_input")
    check(error.details["fields"][0]["name"] == "name", error.details)
    refused(lambda: create(server.name), "uniqueness_error")
    refused(lambda: create("labels", labels={"a": "b c"}), "invalid_input")
    refused(lambda: create("data", user_data="x" * (32 * 1024 + 1)), "invalid_input")
    refused(lambda: create("old", server_type=ServerType(name="cx11")), "invalid_input")
    refused(lambda: create("far", location=Location(name="sin")), "invalid_input")
    refused(lambda: client.servers.get_by_id(1), "not_found")
    step(
        "refused: a bad name, a taken one, bad labels, "
        "long user data, an old type, an unknown server"
    )
    inject("capacity_out", "create_instance")
    refused(lambda: create("sold-out"), "resource_unavailable")
    inject("quota_reached", "create_instance")
    refused(lambda: create("too-many"), "resource_limit_exceeded")
    step("refused: sold out, too many")


def faults(server):
    fault = inject({"rate_limited": {"retry_after": None, "headers": True}}, "get_instance")
    check(client.servers.get_by_id(server.id).id == server.id and hits(fault) == 1, "after 429")
    step("429 on a read: the client waits, and asks again")

    fault = inject("reply_lost", "create_instance")
    try:
        create("lost")
        check(False, "a lost reply was not told")
    except requests.exceptions.ConnectionError:
        pass
    check(hits(fault) == 1, "reply lost")
    lost = client.servers.get_by_name("lost")
    check(lost is not None, "the server of a lost reply")
    while lost.locked:
        lost.reload()
    delete(lost)
    step("reply of a create lost: the client raises, and a server is left that only its name finds")

    inject({"server_error": {"status": 504, "committed": True}}, "create_instance")
    refused(lambda: create("twice"), "uniqueness_error")
    twice = client.servers.get_by_name("twice")
    while twice.locked:
        twice.reload()
    delete(twice)
    step(
        "504 on a create that was carried out: the client "
        "sends it again, and is told that the name is taken"
    )

    inject("action_fails", "create_instance")
    created = create("failing")
    try:
        finish(created)
        check(False, "a failed action was not told")
    except ActionFailedException as error:
        check(error.action.error["code"] == "action_failed", error.action.error)
    while client.servers.get_by_name("failing"):
        pass
    step("create that fails: the client raises, and the server goes")


def main():
    catalogue()
    keys()
    server = life()
    pages()
    snapshots(server)
    refusals(server)
    faults(server)
    delete(server)
    check(
        client.servers.get_all() == [] and client.primary_ips.get_all() == [],
        "servers and addresses at the end",
    )
    leaks = control("GET", "leaks")
    check(leaks == [], f"left behind: {leaks}")
    step(f"nothing is left; the bill has {len(control('GET', 'bill')['lines'])} lines")


main()
