"""A machine wherever there is room: the order of the places, ceilings, and the log of what was
tried.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import spuff
from conftest import PLACES, Face
from fake_provider import MEMORY, AsyncFakeProvider, FakeProvider
from spuff.simulator import Cloud

AWS = PLACES[2]


class Placing:
    """The two verbs, as the face has them, over candidates of that face."""

    def __init__(self, face: Face, cloud: Cloud) -> None:
        self.asyncio = face.name == "asyncio"
        self.run = face.run
        self.cloud = cloud
        self.module: Any = spuff.aio if self.asyncio else spuff

    def one(self, *given: Any, **options: Any) -> Any:
        return self.run(lambda: self.module.place_instance(*given, **options))

    def many(self, *given: Any, **options: Any) -> Any:
        return self.run(lambda: self.module.place_instances(*given, **options))

    def over(self, provider: spuff.Provider) -> spuff.Provider | spuff.AsyncProvider:
        return provider.aio if self.asyncio else provider

    def candidates(self, **options: Any) -> list[spuff.Candidate]:
        """Each cloud, at a place that it has."""
        return [
            spuff.Candidate(self.over(self.cloud.connect(name)), region, size, **options)
            for name, region, size in PLACES
        ]

    def hetzner(self, *sizes: str) -> list[spuff.Candidate]:
        provider = self.over(self.cloud.connect("hetzner"))
        return [spuff.Candidate(provider, "fsn1", size) for size in sizes]


@pytest.fixture
def placing(face: Face, cloud: Cloud) -> Placing:
    return Placing(face, cloud)


def log(attempts: list[spuff.Attempt]) -> list[tuple[int, str, str, str | None]]:
    return [(one.candidate, one.provider, one.outcome, one.kind) for one in attempts]


def end(cloud: Cloud, candidates: list[spuff.Candidate], *placed: spuff.Placed) -> None:
    """Ends these machines, by the providers that have made them, and sees that there were no
    others.
    """
    for one in placed:
        provider = candidates[one.candidate].provider
        blocking = provider if isinstance(provider, spuff.Provider) else provider.blocking
        blocking.destroy_instance(one.instance.id)
    cloud.assert_no_leaks()


def test_the_first_is_sold_out_and_the_second_takes_it(cloud: Cloud, placing: Placing) -> None:
    cloud.inject("capacity_out", provider="digitalocean", route="create_instance")
    seen: list[spuff.Progress] = []
    candidates = placing.candidates()
    placed = placing.one(candidates, "web-1", labels={"env": "test"}, on_progress=seen.append)
    machine = placed.instance
    assert isinstance(placed, spuff.Placed)
    assert (machine.name, machine.region, machine.size, machine.labels["env"]) == (
        "web-1",
        "fsn1",
        "cx22",
        "test",
    )
    assert candidates[placed.candidate].provider.name == "hetzner"
    assert log(placed.attempts) == [
        (0, "digitalocean", "full", "capacity"),
        (1, "hetzner", "made", None),
    ]
    left, made = placed.attempts
    assert (left.region, left.size, made.region, made.size) == (
        "nyc3",
        "s-1vcpu-1gb",
        "fsn1",
        "cx22",
    )
    assert left.message
    assert (left.price, made.price, made.message) == (None, None, "")
    assert left.elapsed > 0
    assert str(left) == f"digitalocean nyc3 s-1vcpu-1gb: full: {left.message}"
    assert repr(left) == (
        "Attempt(candidate=0, provider='digitalocean', region='nyc3', "
        "size='s-1vcpu-1gb', outcome='full', kind='capacity')"
    )
    told = [one for one in seen if one.operation == "place_instance"]
    assert [(one.state, one.phase) for one in told] == [
        (str(left), "pending"),
        (told[1].state, "accepted"),
    ]
    assert told[1].instance == machine
    for twin in (pickle.loads(pickle.dumps(placed)), copy.deepcopy(placed)):
        assert twin == placed
        assert (hash(twin), repr(twin)) == (hash(placed), repr(placed))
        assert twin.attempts == placed.attempts
        assert [hash(one) for one in twin.attempts] == [hash(one) for one in placed.attempts]
    assert left != made
    assert cloud.request_count("aws") == 0
    end(cloud, candidates, placed)


def test_all_are_full(cloud: Cloud, placing: Placing) -> None:
    cloud.inject("quota_reached", provider="digitalocean", route="create_instance")
    cloud.inject("capacity_out", route="create_instance")
    with pytest.raises(spuff.CapacityError) as full:
        placing.one(placing.candidates(), spuff.InstanceRequest("web-1"))
    error = full.value
    assert [(one.provider, one.outcome) for one in error.attempts] == [
        (name, "full") for name, _, _ in PLACES
    ]
    assert error.attempts[1].kind == "capacity"
    assert (error.instance_id, error.provider) == (None, "aws"), "the last of those that tell most"
    assert all(f"{name} {region} {size}: full" in str(error) for name, region, size in PLACES)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(twin), str(twin)) == (spuff.CapacityError, str(error))
        assert twin.attempts == error.attempts
        assert vars(twin) == vars(error)
    assert [cloud.request_count(name, "create_instance") for name, _, _ in PLACES] == [1, 1, 1]
    cloud.assert_no_leaks()


def test_another_error_ends_it(cloud: Cloud, placing: Placing) -> None:
    cloud.inject("unauthorized", provider="digitalocean", route="create_instance")
    with pytest.raises(spuff.AuthenticationError) as refused:
        placing.one(placing.candidates(), "web-1")
    assert log(refused.value.attempts) == [(0, "digitalocean", "failed", "authentication")]
    assert cloud.request_count("hetzner") == 0
    cloud.assert_no_leaks()


def test_what_an_hour_costs(cloud: Cloud, face: Face) -> None:
    hetzner = face.over(cloud.connect("hetzner"))
    price = hetzner.hourly_price("fsn1", "cx22")
    assert (str(price), price.amount, price.source) == ("0.006 EUR", Decimal("0.006"), "catalogue")
    assert price == hetzner.hourly_price(region="fsn1", size="cx22", timeout=30)
    assert (
        str(face.over(cloud.connect("digitalocean")).hourly_price("nyc3", "s-1vcpu-1gb"))
        == "0.00893 USD"
    )
    with pytest.raises(spuff.InvalidConfigError) as wrong:
        hetzner.hourly_price("fsn1", "huge")
    assert (wrong.value.field, wrong.value.provider) == ("size", "hetzner")
    with pytest.raises(spuff.NotSupportedError, match="give the price yourself"):
        face.over(cloud.connect("aws")).hourly_price("us-east-1", "t3.micro")


def test_a_ceiling(cloud: Cloud, placing: Placing) -> None:
    for name, ceiling in (
        ("web-1", "0.0056 EUR"),
        ("web-2", spuff.Price(Decimal("0.0056"), "EUR")),
    ):
        candidates = placing.hetzner("cx22", "cx23")
        placed = placing.one(candidates, name, max_price=ceiling)
        assert (placed.candidate, placed.instance.size) == (1, "cx23")
        assert log(placed.attempts) == [
            (0, "hetzner", "too_dear", None),
            (1, "hetzner", "made", None),
        ]
        assert [str(one.price) for one in placed.attempts] == ["0.006 EUR", "0.0056 EUR"]
        assert (
            placed.attempts[0].message == "0.006 EUR an hour is more than the ceiling, 0.0056 EUR"
        )
        assert pickle.loads(pickle.dumps(placed)) == placed
        end(cloud, candidates, placed)
    before = cloud.request_count("hetzner", "create_instance")
    with pytest.raises(spuff.InvalidConfigError) as dear:
        placing.one(placing.hetzner("cx22", "cx23"), "web-3", max_price="0.005 EUR")
    assert dear.value.field == "max_price"
    assert [one.outcome for one in dear.value.attempts] == ["too_dear"] * 2
    assert cloud.request_count("hetzner", "create_instance") == before


def test_a_price_that_nobody_knows(cloud: Cloud, placing: Placing) -> None:
    provider = placing.over(cloud.connect("aws"))
    [unknown, known] = [
        spuff.Candidate(provider, AWS.region, AWS.size, price=price)
        for price in (None, "0.0104 USD")
    ]
    with pytest.raises(spuff.InvalidConfigError) as refused:
        placing.one([unknown], "web-1", max_price="0.02 USD")
    assert log(refused.value.attempts) == [(0, "aws", "price_unknown", None)]
    allowed = placing.one([unknown], "web-1", max_price="0.02 USD", allow_unknown_price=True)
    assert allowed.attempts[0].price is None
    placed = placing.one([unknown, known], "web-2", max_price="0.02 USD")
    assert placed.candidate == 1
    assert placed.attempts[1].price == spuff.Price("0.0104", "USD") == known.price
    end(cloud, [unknown, known], allowed, placed)


def test_many_find_their_places(cloud: Cloud, placing: Placing) -> None:
    cloud.inject("capacity_out", provider="hetzner", route="create_instance", skip=2)
    [_, *candidates] = placing.candidates()
    seen: list[spuff.Progress] = []
    outcomes = placing.many(candidates, [f"web-{n}" for n in range(6)], concurrency=1)
    assert [one.instance.name for one in outcomes] == [f"web-{n}" for n in range(6)]
    assert [one.candidate for one in outcomes] == [0, 0, 1, 1, 1, 1]
    assert [one.attempts[0].outcome for one in outcomes] == [
        "made",
        "made",
        "full",
        "known_full",
        "known_full",
        "known_full",
    ]
    assert cloud.request_count("hetzner", "create_instance") == 3
    more = placing.many(
        candidates,
        [spuff.InstanceRequest("more")],
        wait_ready=True,
        on_failure="keep",
        on_progress=seen.append,
        owner="ci",
    )
    assert more[0].instance.is_ready
    assert more[0].instance.owner == "ci"
    assert {one.phase for one in seen if one.index == 0} >= {"accepted", "ready"}
    end(cloud, candidates, *outcomes, *more)


def test_one_of_many_that_finds_none_is_given_not_raised(cloud: Cloud, placing: Placing) -> None:
    cloud.inject("capacity_out", route="create_instance")
    outcomes = placing.many(placing.candidates(), ["a", "b"], on_failure="destroy_failed")
    assert [type(one) for one in outcomes] == [spuff.CapacityError] * 2
    assert all([attempt.candidate for attempt in one.attempts] == [0, 1, 2] for one in outcomes)
    assert placing.many(placing.candidates(), []) == []
    cloud.assert_no_leaks()


def test_candidates_of_both_faces_do(cloud: Cloud, placing: Placing) -> None:
    hetzner = cloud.connect("hetzner")
    cloud.inject("capacity_out", provider="hetzner", route="create_instance", times=1)
    candidates = [
        spuff.Candidate(hetzner, "fsn1", "cx22"),
        spuff.Candidate(hetzner.aio, "nbg1", "cx22"),
    ]
    placed = placing.one(candidates, "web-1")
    assert (placed.candidate, placed.instance.region) == (1, "nbg1")
    end(cloud, candidates, placed)


def test_an_image_of_its_own(cloud: Cloud, placing: Placing) -> None:
    cloud.inject("capacity_out", provider="hetzner", route="create_instance", times=1)
    given = [
        spuff.Candidate(one.provider, one.region, one.size, image="debian:12")
        for one in placing.hetzner("cx22", "cx23")
    ]
    placed = placing.one(given, "web-1", image="no-such-image")
    assert given[0].image == spuff.ImageSpec("debian:12")
    with pytest.raises(spuff.SpuffError, match="no-such-image"):
        placing.one(placing.hetzner("cx22"), "web-2", image="no-such-image")
    end(cloud, given, placed)


def test_what_it_makes_late_is_ended(cloud: Cloud, placing: Placing) -> None:
    cloud.inject("slow", millis=600, provider="hetzner", route="create_instance")
    with pytest.raises(spuff.TimeoutError) as late:
        placing.one(placing.hetzner("cx22", "cx23"), "web-1", timeout=0.2)
    assert late.value.operation is not None
    assert late.value.operation.startswith("place_instance")
    spuff.settled()
    assert cloud.request_count("hetzner", "create_instance") == 1
    cloud.assert_no_leaks()


def test_what_asyncio_cancels_leaves_nothing(cloud: Cloud, hetzner: spuff.Provider) -> None:
    async def main() -> None:
        cloud.inject("slow", millis=600, provider="hetzner", route="create_instance")
        places = [spuff.Candidate(hetzner.aio, "fsn1", "cx22")]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(
                spuff.aio.place_instances(places, [f"web-{n}" for n in range(8)], concurrency=2),
                0.3,
            )
        await spuff.aio.settled()
        cloud.assert_no_leaks()
        assert cloud.request_count("hetzner", "create_instance") == 2

    asyncio.run(main())


class Priced(FakeProvider):
    """It tells what an hour costs, and has room for nothing."""

    def hourly_price(self, region: str, size: str, /) -> spuff.Price:
        return spuff.Price("0.01" if size == "small" else "0.02", "EUR", "catalogue")

    def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
        raise spuff.CapacityError("nothing is free", code="sold_out")


class AsyncPriced(AsyncFakeProvider):
    async def hourly_price(self, region: str, size: str, /) -> spuff.Price:
        return spuff.Price("0.01", "EUR", "catalogue")


@pytest.mark.parametrize("second", [FakeProvider, AsyncFakeProvider, AsyncPriced])
def test_providers_written_in_python(placing: Placing, second: Any) -> None:
    registry = spuff.ProviderRegistry()
    registry.register("priced", Priced)
    registry.register("second", second)
    first, then = (placing.over(registry.connect(name, "token")) for name in ("priced", "second"))
    candidates = [spuff.Candidate(first, "east", "large"), spuff.Candidate(first, "east", "small")]
    with pytest.raises(spuff.CapacityError) as full:
        placing.one(candidates, "web-1", max_price="0.01 EUR")
    assert log(full.value.attempts) == [
        (0, "priced", "too_dear", None),
        (1, "priced", "full", "capacity"),
    ]
    assert (full.value.code, full.value.provider) == ("sold_out", "priced")
    assert isinstance(full.value.__cause__, spuff.CapacityError)

    price = None if second is AsyncPriced else "0.005 EUR"
    candidates.append(spuff.Candidate(then, "east", "small", price=price))
    placed = placing.one(candidates, "web-1", max_price="0.01 EUR")
    assert [one.outcome for one in placed.attempts] == ["too_dear", "full", "made"]
    assert MEMORY.machines.pop(placed.instance.id) == placed.instance


def test_a_price_that_is_none(face: Face) -> None:
    class Wrong(FakeProvider):
        def hourly_price(self, region: str, size: str, /) -> Any:
            return 0.01

    registry = spuff.ProviderRegistry()
    registry.register("wrong", Wrong)
    registry.register("fake", FakeProvider)
    with pytest.raises(spuff.OtherError, match=r"spuff\.Price, not 0\.01"):
        face.over(registry.connect("wrong", "token")).hourly_price("east", "small")
    with pytest.raises(spuff.NotSupportedError, match="hourly_price"):
        face.over(registry.connect("fake", "token")).hourly_price("east", "small")


def test_what_cannot_be_used_is_told_before_anything_is_sent(
    cloud: Cloud, placing: Placing
) -> None:
    places = placing.hetzner("cx22")
    refused: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (
            lambda: placing.one(places[0], "web-1"),
            TypeError,
            "candidates must be a list or another iterable.*give a list of one",
        ),
        (
            lambda: placing.one([7], "web-1"),
            TypeError,
            r"candidates\[0\] must be a Candidate, not .*int",
        ),
        (
            lambda: placing.one([], "web-1"),
            ValueError,
            "candidates: must not be empty; give at least one",
        ),
        (lambda: placing.one(places), TypeError, "name"),
        (
            lambda: placing.one(places, "web-1", max_price=0.01),
            TypeError,
            'a price must be a Price, or a string such as "0.0056 EUR"',
        ),
        (
            lambda: placing.one(places, "web-1", max_price="cheap"),
            ValueError,
            '"cheap": must be a decimal',
        ),
        (
            lambda: placing.many(places, ["a"], concurrency=0),
            ValueError,
            "concurrency must be at least 1, not 0",
        ),
        (lambda: placing.many(places, "web-1"), TypeError, "requests must be a list"),
        (
            lambda: placing.one(places * 2, "web-1", idempotency_key="k"),
            ValueError,
            "idempotency_key",
        ),
        (
            lambda: spuff.Candidate("hetzner", "fsn1", "cx22"),  # type: ignore[arg-type]
            TypeError,
            "provider",
        ),
        (
            lambda: spuff.Candidate(places[0].provider, price=1),  # type: ignore[arg-type]
            TypeError,
            "a price must be a Price",
        ),
    ]
    for call, error, words in refused:
        with pytest.raises(error, match=words):
            call()
    dollars = [spuff.Candidate(places[0].provider, "fsn1", "cx22", price="0.01 USD")]
    with pytest.raises(spuff.InvalidConfigError) as currency:
        placing.one(dollars, "web-1", max_price="0.01 EUR")
    assert (currency.value.field, currency.value.provider, currency.value.attempts) == (
        "max_price",
        None,
        [],
    )
    assert cloud.request_count("hetzner") == 0


def test_a_candidate_is_what_it_holds(cloud: Cloud) -> None:
    hetzner = cloud.connect("hetzner")
    candidate = spuff.Candidate(hetzner, "fsn1", "cx22", price="0.006 EUR", image="debian:12")
    twin = spuff.Candidate(
        hetzner, region="fsn1", size="cx22", price=spuff.Price("0.006", "EUR"), image="debian:12"
    )
    assert candidate == twin
    assert hash(candidate) == hash(twin)
    assert candidate != spuff.Candidate(
        cloud.connect("hetzner"), "fsn1", "cx22", price="0.006 EUR", image="debian:12"
    )
    assert candidate != spuff.Candidate(
        hetzner, "fsn1", "cx22", price="0.007 EUR", image="debian:12"
    )
    assert candidate.provider is hetzner
    assert repr(candidate) == (
        "Candidate(<spuff.Provider hetzner>, region='fsn1', "
        "size='cx22', price='0.006 EUR', image='debian:12')"
    )
    with pytest.raises(AttributeError):
        candidate.region = "nbg1"  # type: ignore[misc]
