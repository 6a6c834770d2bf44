"""Every verb, on both faces, at every cloud."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone

import pytest

import spuff
from conftest import HETZNER, Face, Place
from spuff.simulator import Cloud


def test_the_whole_life_of_a_machine(cloud: Cloud, provider: spuff.Provider, place: Place) -> None:
    assert provider.name == place.name
    assert provider.supports_snapshots()
    made = provider.create_instance(place.request(labels={"env": "test"}))
    ready = provider.wait_ready(made.id)
    assert (ready.id, ready.name, ready.status) == (made.id, "web-1", spuff.InstanceStatus.ACTIVE)
    assert ready.is_ready
    assert ready.is_managed
    assert ready.labels["env"] == "test"
    assert isinstance(ready.ip, ipaddress.IPv4Address)
    assert ready.ip in [address.ip for address in ready.addresses if address.public]
    assert datetime.now(timezone.utc) - ready.created_at < timedelta(days=1)
    found = provider.get_instance(made.id)
    assert found is not None
    assert found.name == "web-1"

    provider.set_labels(made.id, {"env": "prod", "more": "1"})
    snapshot = provider.create_snapshot(made.id, "before")
    assert snapshot.name == "before"
    restored = provider.create_and_wait(place.request("web-2", image=snapshot))
    cloud.advance(60)
    labels = {machine.id: machine.labels for machine in provider.list_instances()}
    assert set(labels) == {made.id, restored.id}
    assert (labels[made.id]["env"], labels[made.id]["more"]) == ("prod", "1")
    assert [one.id for one in provider.list_snapshots()] == [snapshot.id]
    [(labelled, tags)] = provider.list_labelled_snapshots()
    assert (labelled, tags["managed-by"]) == (snapshot, "spuff")

    for machine in (made, restored):
        provider.destroy_instance(machine.id)
        provider.destroy_instance(machine.id)
    provider.delete_snapshot(snapshot.id)
    provider.delete_snapshot(snapshot.id)
    cloud.assert_no_leaks()
    cloud.advance(600)
    assert provider.list_snapshots() == []
    with pytest.raises(spuff.NotFoundError) as gone:
        provider.wait_ready(made.id)
    assert gone.value.instance_id == made.id


def test_a_create_takes_a_request_with_changes_or_keywords(cloud: Cloud, face: Face) -> None:
    provider = face.over(cloud.connect("hetzner"))
    request = HETZNER.request("one", labels={"a": "1"})
    assert provider.create_instance(request).name == "one"
    assert provider.create_instance(request, name="two").name == "two"
    assert (
        provider.create_instance("three", region="fsn1", size="cx22", image="debian:12").name
        == "three"
    )
    assert (
        provider.create_instance(
            name="four", region="fsn1", size="cx22", image=spuff.ImageSpec.debian("12")
        ).name
        == "four"
    )
    cloud.advance(60)
    assert {machine.name: machine.labels.get("a") for machine in provider.list_instances()} == {
        "one": "1",
        "two": "1",
        "three": None,
        "four": None,
    }
    sent = [request.body for request in cloud.requests() if request.route == "create_instance"]
    assert len(sent) == 4


def test_the_same_key_is_the_same_machine(
    provider: spuff.Provider, place: Place, cloud: Cloud
) -> None:
    request = place.request(idempotency_key="order-7")
    made = provider.create_instance(request)
    cloud.advance(60)
    assert provider.create_instance(request).id == made.id
    found = provider.resolve("order-7")
    assert found is not None
    assert found.id == made.id
    assert provider.resolve("order-8") is None
    with pytest.raises(spuff.ConflictError):
        provider.create_instance(place.request("another", idempotency_key="order-7"))
    assert len(cloud.instances()) == 1


def test_a_snapshot_under_an_unknown_key(cloud: Cloud, face: Face) -> None:
    assert face.over(cloud.connect("hetzner")).resolve_snapshot("no-such-key") is None
    with pytest.raises(spuff.InvalidConfigError, match="key"):
        face.over(cloud.connect("digitalocean")).resolve_snapshot("no-such-key")


def test_leases(cloud: Cloud, face: Face) -> None:
    provider = face.over(cloud.connect("hetzner"))
    ours = provider.create_instance(HETZNER.request("ours", owner="ci-7", ttl=timedelta(hours=1)))
    provider.create_instance(HETZNER.request("theirs", owner="dev", ttl=3600))
    cloud.advance(30)
    [owned] = provider.list_owned("ci-7")
    assert (owned.id, owned.owner) == (ours.id, "ci-7")
    assert owned.expires_at is not None
    renewed = provider.renew(ours.id, 7200)
    assert renewed - owned.expires_at > timedelta(minutes=50)

    [planned] = provider.reap(owner="ci-7", dry_run=True)
    assert (planned.id, planned.kind, planned.ended, planned.error) == (
        ours.id,
        "instance",
        False,
        None,
    )
    assert provider.reap(owner="ci-7", expired=True) == []
    [reaped] = provider.reap(owner="ci-7")
    assert (reaped.id, reaped.ended, reaped.owner, reaped.name) == (ours.id, True, "ci-7", "ours")
    assert "gone" in str(reaped)
    assert [machine.name for machine in cloud.instances()] == ["theirs"]
    with pytest.raises(
        spuff.InvalidConfigError, match="no filter: set `expired`, `older_than` or `owner`"
    ):
        provider.reap()


def test_ssh_keys(provider: spuff.Provider) -> None:
    keys = provider.get_ssh_keys()
    assert keys
    assert all(isinstance(key, str) for key in keys)


def test_a_timeout_of_the_callers_own(cloud: Cloud, face: Face) -> None:
    provider = face.over(cloud.connect("hetzner"))
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    machine = provider.create_instance(HETZNER.request())
    with pytest.raises(spuff.TimeoutError) as late:
        provider.wait_ready(machine.id, timeout=0.2)
    assert late.value.instance_id == machine.id
    with pytest.raises(TimeoutError):
        provider.wait_ready(machine.id, timeout=timedelta(milliseconds=100))
    with pytest.raises(ValueError, match="must be at least 0"):
        provider.wait_ready(machine.id, timeout=-1)


def test_iteration_over_the_machines(cloud: Cloud, hetzner: spuff.Provider, face: Face) -> None:
    hetzner.create_instance(HETZNER.request("one"))
    hetzner.create_instance(HETZNER.request("two"))
    cloud.advance(60)

    async def names() -> list[str]:
        return [machine.name async for machine in hetzner.aio]

    found = [machine.name for machine in hetzner] if face.name == "blocking" else face.run(names)
    assert sorted(found) == ["one", "two"]


def test_the_faces_share_one_provider(hetzner: spuff.Provider) -> None:
    assert (hetzner.aio.name, hetzner.aio.blocking.name) == ("hetzner", "hetzner")
    assert (repr(hetzner), repr(hetzner.aio)) == (
        "<spuff.Provider hetzner>",
        "<spuff.AsyncProvider hetzner>",
    )
