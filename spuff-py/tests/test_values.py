"""Values show themselves, are equal by what they hold, cannot be changed, and survive a pickle."""

from __future__ import annotations

import copy
import ipaddress
import json
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

import spuff
from spuff._tables import Instances, Snapshots

WHEN = datetime(2026, 11, 1, 12, 30, 15, 250000, tzinfo=timezone.utc)

VALUES: list[Any] = [
    spuff.InstanceStatus.ACTIVE,
    spuff.InstanceStatus("migrating"),
    spuff.ImageSpec(),
    spuff.ImageSpec.custom("ubuntu:24.04"),
    spuff.ImageSpec.snapshot("42"),
    spuff.Address("192.0.2.1"),
    spuff.Address("2001:db8::1", public=False),
    spuff.Snapshot("s-1", "before", WHEN),
    spuff.Snapshot("s-1"),
    spuff.Instance("7"),
    spuff.Instance(
        "42",
        "192.0.2.7",
        "active",
        WHEN,
        name="web-1",
        region="east",
        size="small",
        labels={"managed-by": "spuff", "spuff-owner": "ci", "spuff-expires": "1800000000"},
        addresses=[spuff.Address("192.0.2.7"), spuff.Address("10.0.0.7", public=False)],
        adopted=True,
    ),
    spuff.InstanceRequest("web-1"),
    spuff.InstanceRequest(
        "web-1",
        "east",
        "small",
        image="debian:12",
        user_data="#cloud-config",
        labels={"env": "test"},
        ssh_keys=["laptop"],
        idempotency_key="order-7",
        owner="ci",
        ttl=timedelta(hours=1),
        on_cancel="keep",
    ),
    spuff.ProviderTimeouts(),
    spuff.ProviderTimeouts(instance_ready=timedelta(minutes=2), poll_interval=0.5),
    spuff.Price("0.0056", "EUR"),
    spuff.Price("0.0056", "EUR", "catalogue"),
    spuff.Price.from_micros(1, "points"),
]


def test_a_snapshot_is_the_json_of_every_language() -> None:
    taken = spuff.Snapshot("s-1", "before", WHEN)
    assert json.loads(taken.to_json()) == {
        "id": "s-1",
        "name": "before",
        "created_at": "2026-11-01T12:30:15.250Z",
    }
    of_c = '{"id": "s-1", "name": "before", "created_at": null, "labels": {"k": "v"}}'
    assert spuff.Snapshot.from_json(of_c) == spuff.Snapshot("s-1", "before")
    for text, said in [
        ('{"name": "x"}', "id"),
        ('{"id": 7, "name": "x"}', "a string"),
        ("", "EOF"),
    ]:
        with pytest.raises(ValueError, match=said):
            spuff.Snapshot.from_json(text)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_what_it_holds(value: Any) -> None:
    for twin in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert twin == value
        assert hash(twin) == hash(value)
        assert repr(twin) == repr(value)
    assert value != object()
    assert repr(value).startswith(type(value).__name__)
    assert [other for other in VALUES if other == value] == [value]
    with pytest.raises(AttributeError):
        value.id = value.name = value.kind = "changed"


def test_a_repr_says_what_one_wants_to_know() -> None:
    told = (
        "Instance('42', name='web-1', status='active', "
        "ip='192.0.2.7', region='east', size='small', adopted=True)"
    )
    assert repr(VALUES[10]) == told
    assert repr(spuff.ImageSpec("debian:12")) == "ImageSpec.debian('12')"
    assert repr(spuff.InstanceRequest("a'b", user_data="secret")) == (
        """InstanceRequest("a'b", image='ubuntu:24.04', user_data=<6 bytes>)"""
    )
    assert repr(spuff.ProviderTimeouts(poll_interval=1)).count("=") == 6


def test_a_status_is_a_word() -> None:
    status = spuff.InstanceStatus("running")
    assert status is not spuff.InstanceStatus.ACTIVE
    assert status == spuff.InstanceStatus.ACTIVE == "active"
    assert str(status) == "active"
    assert status != "off"
    assert {"active": 1}[status] == 1  # type: ignore[index]
    assert spuff.InstanceStatus.NEW.is_known
    assert not spuff.InstanceStatus("migrating").is_known


def test_an_image_has_a_string_form() -> None:
    for text, kind, value in [
        ("ubuntu:24.04", "ubuntu", "24.04"),
        ("debian:12", "debian", "12"),
        ("snapshot:9", "snapshot", "9"),
        ("ami-0abc", "custom", "ami-0abc"),
    ]:
        image = spuff.ImageSpec(text)
        assert (image.kind, image.value, str(image)) == (kind, value, text)
        assert spuff.InstanceRequest("x", image=text).image == image
    assert spuff.InstanceRequest("x", image=spuff.Snapshot("9")).image == spuff.ImageSpec.snapshot(
        "9"
    )
    with pytest.raises(TypeError, match="image must be"):
        spuff.InstanceRequest("x", image=7)  # type: ignore[arg-type]


def test_a_machine_knows_its_lease_and_addresses() -> None:
    machine = VALUES[10]
    assert (machine.owner, machine.expires_at) == (
        "ci",
        datetime.fromtimestamp(1_800_000_000, timezone.utc),
    )
    assert machine.is_ready
    assert machine.is_managed
    assert machine.created_at == WHEN
    assert machine.addresses[1].ip == ipaddress.ip_address("10.0.0.7")
    bare = VALUES[9]
    assert (machine.adopted, bare.adopted) == (True, False)
    assert ("adopted" in repr(machine), "adopted" in repr(bare)) == (True, False)
    assert (bare.ip.is_unspecified, bare.is_ready, bare.is_managed, bare.owner) == (
        True,
        False,
        False,
        None,
    )
    public = spuff.Instance(
        "1", addresses=[spuff.Address("10.0.0.7", public=False), spuff.Address("192.0.2.9")]
    )
    assert str(public.ip) == "192.0.2.9"
    machine.labels["env"] = "changed"
    assert "env" not in machine.labels
    with pytest.raises(ValueError, match="not an IP address"):
        spuff.Instance("1", "nowhere")


def test_a_request_can_be_changed_into_another() -> None:
    request = VALUES[12]
    assert request.replace(name="web-2").name == "web-2"
    assert (
        request.replace(name="web-2", image="debian:13").replace(name="web-1", image="debian:12")
        == request
    )
    assert request.__replace__(size="large").size == "large"
    assert (request.ttl, request.on_cancel, request.user_data) == (3600.0, "keep", "#cloud-config")
    with pytest.raises(TypeError):
        request.replace(colour="red")
    with pytest.raises(ValueError, match="on_cancel"):
        request.replace(on_cancel="sell")


def test_a_price_is_exact() -> None:
    exact: list[tuple[Decimal | int | str, int, str]] = [
        ("0.0056", 5600, "0.0056 EUR"),
        (Decimal("23.920000"), 23_920_000, "23.92 EUR"),
        (3, 3_000_000, "3 EUR"),
        ("0", 0, "0 EUR"),
    ]
    for amount, micros, text in exact:
        price = spuff.Price(amount, "EUR")
        assert (price.micros, price.currency, price.source, str(price)) == (
            micros,
            "EUR",
            "given",
            text,
        )
        assert price.amount == Decimal(micros) / 1_000_000
        assert price == spuff.Price.from_micros(micros, "EUR") != spuff.Price(amount, "USD")
    assert (
        repr(spuff.Price("0.0056", "EUR", source="catalogue"))
        == "Price('0.0056', 'EUR', source='catalogue')"
    )
    for amount in ("0.0000001", "1e-3", -1, Decimal("NaN")):
        with pytest.raises(
            spuff.InvalidConfigError, match="up to 6 digits after the point"
        ) as wrong:
            spuff.Price(amount, "EUR")
        assert wrong.value.field == "price"
    with pytest.raises(ValueError, match=r"and a currency: 0\.0056 EUR"):
        spuff.Price("1", "euro")
    with pytest.raises(TypeError, match="a float would not be exact"):
        spuff.Price(0.0056, "EUR")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='source must be "given" or "catalogue", not "me"'):
        spuff.Price("1", "EUR", "me")  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        spuff.Price.from_micros(-1, "EUR")


def test_times_are_seconds_or_timedeltas() -> None:
    timeouts = spuff.ProviderTimeouts(
        instance_ready=timedelta(minutes=2), poll_interval=0.5, http_request=10
    )
    assert (timeouts.instance_ready, timeouts.poll_interval, timeouts.http_request) == (
        120.0,
        0.5,
        10.0,
    )
    assert (timeouts.action_complete, timeouts.ssh_connect, timeouts.cloud_init) == (
        600.0,
        300.0,
        600.0,
    )
    assert (timeouts.instance_ready_attempts, timeouts.action_complete_attempts) == (240, 1200)
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be at least 0"):
            spuff.ProviderTimeouts(wrong)
    with pytest.raises(TypeError, match="seconds"):
        spuff.ProviderTimeouts("soon")  # type: ignore[arg-type]


def test_lists_are_tables_in_notebooks() -> None:
    machines = Instances([spuff.Instance("7", name="<b>", created_at=WHEN)])
    assert machines == [spuff.Instance("7", name="<b>", created_at=WHEN)]
    table = machines._repr_html_()
    assert "<th>status</th>" in table
    assert "<td>&lt;b&gt;</td>" in table
    assert Snapshots([spuff.Snapshot("s-1", "before")])._repr_html_().count("<td>") == 3
