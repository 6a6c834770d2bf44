"""What becomes of a machine when the reply to its create is lost, late or spoilt: one machine each
time, and it is known.
"""

from __future__ import annotations

from typing import Any

import pytest

import spuff
from conftest import Face, Place
from fake_provider import FakeProvider
from spuff.simulator import Cloud

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("reply lost", "reply_lost", {}),
    ("reply late", "slow", {"millis": 2500}),
    *[
        (f"{status}, carried out", "server_error", {"status": status, "committed": True})
        for status in (500, 502, 503, 504)
    ],
    *[
        (f"{status}, not carried out", "server_error", {"status": status, "committed": False})
        for status in (500, 502, 503, 504)
    ],
    ("truncated body", "truncated", {}),
    ("HTML body", "html", {"status": 200}),
    ("oversized body", "oversized", {"bytes": 40 << 20}),
    ("closed before commit", "connection_closed", {}),
    ("429 first", "rate_limited", {"retry_after": 0, "headers": True}),
]


@pytest.mark.parametrize(
    ("fault", "fields"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_one_machine_and_it_is_known(
    place: Place, face: Face, fault: str, fields: dict[str, Any]
) -> None:
    with Cloud(speed=50) as cloud:
        struck = cloud.inject(
            fault, provider=place.name, route="create_instance", times=1, **fields
        )
        timeouts = spuff.ProviderTimeouts(http_request=2, poll_interval=0.04)
        provider = face.over(cloud.connect(place.name, timeouts=timeouts))
        try:
            known = provider.create_instance(place.request()).id
        except spuff.UnknownOutcomeError as unknown:
            assert unknown.key
            resolved = provider.resolve(unknown.key)
            known = resolved.id if resolved else "none"
        assert [machine.id for machine in cloud.instances()] == [known]
        assert cloud.hits(struck) == 1


def test_what_could_not_be_found_out_has_a_key(face: Face) -> None:
    with Cloud(speed=50) as cloud:
        cloud.inject("reply_lost", provider="hetzner", route="create_instance", times=1)
        for route in ("create_instance", "get_instance", "list_instances"):
            cloud.inject("connection_closed", provider="hetzner", route=route)
        timeouts = spuff.ProviderTimeouts(instance_ready=2, http_request=1, poll_interval=0.04)
        provider = face.over(cloud.connect("hetzner", timeouts=timeouts))
        with pytest.raises(spuff.UnknownOutcomeError) as unknown:
            provider.create_instance("web-1", region="fsn1", size="cx22")
        cloud.clear_faults()
        assert unknown.value.key
        assert unknown.value.operation == "create_instance"
        found = provider.resolve(unknown.value.key)
        assert found is not None
        assert [machine.id for machine in cloud.instances()] == [found.id]


def test_what_was_found_by_its_key_is_told_and_left(place: Place, face: Face) -> None:
    with Cloud(speed=50) as cloud:
        timeouts = spuff.ProviderTimeouts(http_request=10, poll_interval=0.04)
        serving = place.request("web-1", idempotency_key="web-1")
        first = face.over(cloud.connect(place.name, timeouts=timeouts)).create_instance(serving)
        cloud.advance(60)
        other = cloud.connect(place.name, timeouts=timeouts)
        again = face.over(other).create_instance(serving)
        assert (first.adopted, again.adopted, again.id) == (False, True, first.id)

        cloud.inject("quota_reached", provider=place.name, route="create_instance", times=1)
        one_more = place.request("web-2", idempotency_key="web-2")
        outcomes = face.over(other).create_instances(
            [serving, one_more], on_failure="destroy_all", wait_ready=True
        )
        assert isinstance(outcomes[1], spuff.QuotaExceededError)
        with other.instance(serving) as machine:
            assert (machine.id, machine.adopted, machine.is_ready) == (first.id, True, True)
        spuff.settled()
        assert [machine.id for machine in cloud.instances()] == [first.id]


def test_a_provider_of_ones_own_tells_what_it_has_found() -> None:
    class Attic(FakeProvider):
        def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
            return spuff.Instance("m-1", "192.0.2.1", "active", name=request.name, adopted=True)

        def get_instance(self, id: str, /) -> spuff.Instance | None:
            return spuff.Instance(id, "192.0.2.1", "active") if id == "m-1" and is_there else None

        def wait_ready(self, id: str, /) -> spuff.Instance:
            raise spuff.CapacityError("it has failed")

        def destroy_instance(self, id: str, /) -> None:
            pytest.fail("it was there before")

    registry = spuff.ProviderRegistry()
    registry.register("attic", Attic)
    attic = registry.connect("attic", "token")
    assert attic.create_instance(
        "web-1", region="east", size="small", idempotency_key="order-7"
    ).adopted
    for is_there in (True, False):
        with pytest.raises(spuff.CapacityError) as failed:
            attic.create_and_wait("web-1", region="east", size="small", idempotency_key="order-7")
        assert (failed.value.instance_id, failed.value.instance_exists) == ("m-1", is_there)
