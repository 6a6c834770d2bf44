"""What becomes of a machine when the reply to its create is lost, late or spoilt: one machine each time, and it is known."""

from __future__ import annotations

from typing import Any

import pytest

import spuff
from conftest import Face, Place
from spuff.simulator import Cloud

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("reply lost", "reply_lost", {}),
    ("reply late", "slow", {"millis": 2500}),
    *[(f"{status}, carried out", "server_error", {"status": status, "committed": True}) for status in (500, 502, 503, 504)],
    *[(f"{status}, not carried out", "server_error", {"status": status, "committed": False}) for status in (500, 502, 503, 504)],
    ("truncated body", "truncated", {}),
    ("HTML body", "html", {"status": 200}),
    ("oversized body", "oversized", {"bytes": 40 << 20}),
    ("closed before commit", "connection_closed", {}),
    ("429 first", "rate_limited", {"retry_after": 0, "headers": True}),
]


@pytest.mark.parametrize(("fault", "fields"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_one_machine_and_it_is_known(place: Place, face: Face, fault: str, fields: dict[str, Any]) -> None:
    with Cloud(speed=50) as cloud:
        struck = cloud.inject(fault, provider=place.name, route="create_instance", times=1, **fields)
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
