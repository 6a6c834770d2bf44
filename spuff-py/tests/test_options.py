"""What options, times and other values may be given as."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import spuff

OPTIONS: list[tuple[Any, str]] = [
    ("text", "text"),
    (7, "7"),
    (True, "true"),
    (False, "false"),
    (3600.0, "3600"),
    (1.5, "1.5"),
    (Path("/etc/hosts"), "/etc/hosts"),
    (timedelta(hours=1), "3600"),
    (timedelta(milliseconds=1500), "1.5"),
    (["STAGE=test"], "STAGE=test"),
    (("A=1", "B=2"), "A=1\nB=2"),
    ([80, Path("/a")], "80\n/a"),
    ([], ""),
    ({"STAGE": "test", "N": 1, "ON": True}, "STAGE=test\nN=1\nON=true"),
]


@pytest.mark.parametrize(("given", "text"), OPTIONS, ids=repr)
def test_an_option_is_what_python_says_it_with(given: Any, text: str) -> None:
    assert spuff.ProviderConfig(name=given).options == {"name": text}


REFUSED: list[Any] = [
    b"STAGE=test",
    bytearray(b"x"),
    object(),
    {"A"},
    [["A"]],
    [b"A"],
    [None],
    {1: "a"},
    {"a": None},
    1j,
    (part for part in "ab"),
]


@pytest.mark.parametrize("given", REFUSED, ids=[type(one).__name__ for one in REFUSED])
def test_what_is_no_option_is_refused_by_its_name(given: Any) -> None:
    with pytest.raises(TypeError, match=r"environment.* not "):
        spuff.ProviderConfig(environment=given)
    with pytest.raises(TypeError, match="environment"):
        spuff.connect("docker", environment=given)


def test_an_item_of_more_lines_is_refused_and_none_is_nothing() -> None:
    with pytest.raises(ValueError, match="more than one line"):
        spuff.ProviderConfig(environment=["A=1\nB=2"])
    assert spuff.ProviderConfig(environment=None).options == {}
    assert spuff.ProviderConfig(environment="A=1\nB=2").options == {"environment": "A=1\nB=2"}


NOON = datetime(2030, 7, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "zone",
    [timezone.utc, ZoneInfo("UTC"), timezone(timedelta(hours=1)), ZoneInfo("Europe/Berlin")],
    ids=repr,
)
def test_a_time_may_be_in_any_zone(zone: Any) -> None:
    given = NOON.astimezone(zone)
    assert spuff.Instance("1", created_at=given).created_at == NOON
    assert spuff.Snapshot("1", "name", given).created_at == NOON


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a time zone"):
        spuff.Instance("1", created_at=datetime(2030, 1, 1))
    with pytest.raises(TypeError, match="not str"):
        spuff.Instance("1", created_at="2030-01-01")  # type: ignore[arg-type]


def test_user_data_is_text_or_bytes_or_a_file(tmp_path: Path) -> None:
    script = tmp_path / "boot.sh"
    script.write_text("#!/bin/sh\necho ä\n", encoding="utf-8")
    text = "#!/bin/sh\necho ä\n"
    for given in (text, text.encode(), bytearray(text.encode()), script):
        assert spuff.InstanceRequest("web-1", user_data=given).user_data == text
    with pytest.raises(ValueError, match="must be UTF-8"):
        spuff.InstanceRequest("web-1", user_data=b"\xff")
    with pytest.raises(TypeError, match="not int"):
        spuff.InstanceRequest("web-1", user_data=7)  # type: ignore[arg-type]


def test_prices_of_one_currency_have_an_order() -> None:
    cheap, dear = spuff.Price("0.005", "EUR"), spuff.Price("0.006", "EUR")
    assert cheap < dear
    assert dear > cheap
    assert cheap <= cheap
    assert dear >= cheap
    assert sorted([dear, cheap]) == [cheap, dear]
    assert cheap == spuff.Price("0.0050", "EUR")
    assert cheap != dear
    assert hash(cheap) == hash(spuff.Price("0.0050", "EUR"))
    with pytest.raises(TypeError, match="different currencies"):
        _ = cheap < spuff.Price("0.005", "USD")
    with pytest.raises(TypeError):
        _ = cheap < 1  # type: ignore[operator]


def test_the_place_may_come_after_the_name() -> None:
    asked: list[spuff.InstanceRequest] = []

    class Asks:
        def __init__(self, config: spuff.ProviderConfig) -> None: ...

        def create_instance(self, request: spuff.InstanceRequest) -> spuff.Instance:
            asked.append(request)
            return spuff.Instance("m-1", "192.0.2.1", "active", name=request.name)

        def destroy_instance(self, id: str) -> None: ...

        def get_instance(self, id: str) -> spuff.Instance | None:
            return spuff.Instance(id, "192.0.2.1", "active")

        def list_instances(self) -> list[spuff.Instance]:
            return []

    registry = spuff.ProviderRegistry()
    registry.register("asks", Asks, token_required=False)
    provider = registry.connect("asks")
    provider.create_instance("x", "fsn1", "cx22", owner="me")
    provider.create_and_wait("x", "fsn1", size="cx22", owner="me")
    with provider.instance(spuff.InstanceRequest("x", "nbg1", "cx22", owner="me"), "fsn1"):
        pass
    assert asked == [spuff.InstanceRequest("x", "fsn1", "cx22", owner="me")] * 3
    with pytest.raises(TypeError, match="region is given twice"):
        provider.create_instance("x", "fsn1", region="nbg1")
