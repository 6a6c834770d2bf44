"""Many machines as one call: an outcome for each, what is seen on the way, and what is left when
one fails.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import spuff
from conftest import HETZNER, Face, Place
from fake_provider import MEMORY, AsyncFakeProvider, FakeProvider
from spuff.simulator import Cloud

ORDER = ["accepted", "booting", "ready"]


def requests(place: Place, count: int) -> list[spuff.InstanceRequest]:
    return [place.request(f"web-{number}") for number in range(count)]


def apart(place: Place, count: int) -> list[spuff.InstanceRequest]:
    """Requests that are not alike, each of which is a create of its own on every cloud."""
    return [
        request.replace(labels={"number": str(number)})
        for number, request in enumerate(requests(place, count))
    ]


def errors(outcomes: list[spuff.Instance | spuff.SpuffError]) -> list[str | None]:
    return [outcome.kind if isinstance(outcome, spuff.SpuffError) else None for outcome in outcomes]


def made(outcomes: list[spuff.Instance | spuff.SpuffError]) -> list[spuff.Instance]:
    return [outcome for outcome in outcomes if isinstance(outcome, spuff.Instance)]


def within(
    face: Face,
    provider: spuff.Provider,
    use: Callable[[list[spuff.Instance]], None],
    *given: Any,
    **options: Any,
) -> None:
    """Uses a fleet in a block of the face."""

    def blocking() -> None:
        with provider.fleet(*given, **options) as machines:
            use(machines)

    def in_asyncio() -> Coroutine[Any, Any, None]:
        async def main() -> None:
            async with provider.aio.fleet(*given, **options) as machines:
                use(machines)

        return main()

    face.run(blocking if face.name == "blocking" else in_asyncio)


def looped(
    face: Face, provider: spuff.Provider, watch: Callable[[Any], Any]
) -> tuple[list[spuff.Progress], Any]:
    """What a loop sees, and the outcome afterwards."""

    def blocking() -> tuple[list[spuff.Progress], Any]:
        watched = watch(provider)
        return list(watched), watched.result()

    def in_asyncio() -> Coroutine[Any, Any, tuple[list[spuff.Progress], Any]]:
        async def main() -> tuple[list[spuff.Progress], Any]:
            watched = watch(provider.aio)
            return [seen async for seen in watched], await watched.result()

        return main()

    answer: tuple[list[spuff.Progress], Any] = face.run(
        blocking if face.name == "blocking" else in_asyncio
    )
    return answer


def test_each_has_its_outcome_in_order_and_tells_how_far_it_is(
    cloud: Cloud, place: Place, provider: spuff.Provider
) -> None:
    seen: list[spuff.Progress] = []
    outcomes = provider.create_instances(
        requests(place, 6), concurrency=3, wait_ready=True, on_progress=seen.append
    )
    machines = made(outcomes)
    assert [machine.name for machine in machines] == [f"web-{number}" for number in range(6)]
    assert all(machine.is_ready for machine in machines)
    for index, machine in enumerate(machines):
        own = [one for one in seen if one.index == index]
        phases = [one.phase for one in own]
        assert (phases[0], phases[-1]) == ("accepted", "ready")
        assert phases == sorted(phases, key=ORDER.index)
        assert {(one.id, one.name) for one in own} == {(machine.id, machine.name)}
        assert own[0].instance is not None
        assert not own[0].instance.is_ready
        assert own[-1].instance == machine
        assert str(own[0]).startswith(f"create_instances {machine.name} {machine.id}: accepted (")
        assert f"phase='accepted', index={index}, name='{machine.name}'" in repr(own[0])

    ids = [machine.id for machine in machines]
    assert provider.wait_ready_many(reversed(ids)) == machines[::-1]
    ended: list[spuff.Progress] = []
    assert (
        provider.destroy_instances((id for id in ids), concurrency=2, on_progress=ended.append)
        == [None] * 6
    )
    assert sorted((one.index or 0, one.id, one.phase) for one in ended) == [
        (n, id, "destroyed") for n, id in enumerate(ids)
    ]
    assert provider.destroy_instances(ids) == [None] * 6
    cloud.assert_no_leaks()


def test_names_share_their_fields(cloud: Cloud, hetzner: spuff.Provider, face: Face) -> None:
    provider = face.over(hetzner)
    outcomes = provider.create_instances(
        {"a": 1, "b": 2}, region="fsn1", size="cx22", labels={"env": "test"}
    )
    assert [(machine.name, machine.labels["env"]) for machine in made(outcomes)] == [
        ("a", "test"),
        ("b", "test"),
    ]
    assert (
        provider.create_instances([])
        == provider.wait_ready_many([])
        == provider.destroy_instances([])
        == []
    )
    provider.destroy_instances([machine.id for machine in made(outcomes)])
    cloud.assert_no_leaks()


@pytest.mark.parametrize("on_failure", ["keep", "destroy_failed", "destroy_all"])
def test_one_that_is_not_made(
    cloud: Cloud, place: Place, provider: spuff.Provider, on_failure: Any
) -> None:
    cloud.inject("quota_reached", provider=place.name, route="create_instance", skip=2, times=1)
    seen: list[spuff.Progress] = []
    outcomes = provider.create_instances(
        apart(place, 5), concurrency=1, on_failure=on_failure, on_progress=seen.append
    )
    failed = outcomes[2]
    assert isinstance(failed, spuff.QuotaExceededError)
    assert (failed.provider, failed.instance_id) == (place.name, None)
    assert next((one.index, one.id) for one in seen if one.phase == "failed") == (2, "")
    if on_failure == "destroy_all":
        assert errors(outcomes) == [
            "cancelled",
            "cancelled",
            "quota_exceeded",
            "cancelled",
            "cancelled",
        ]
        assert [getattr(one, "instance_exists", None) for one in outcomes] == [
            False,
            False,
            None,
            None,
            None,
        ]
        assert cloud.request_count(place.name, "create_instance") == 3
    else:
        assert errors(outcomes) == [None, None, "quota_exceeded", None, None]
        assert sorted(left.id for left in cloud.leaks() if left.kind == "instance") == sorted(
            one.id for one in made(outcomes)
        )
        provider.destroy_instances([machine.id for machine in made(outcomes)])
    cloud.assert_no_leaks()


@pytest.mark.parametrize("on_failure", ["keep", "destroy_failed", "destroy_all"])
def test_one_that_does_not_become_ready(
    cloud: Cloud, place: Place, face: Face, on_failure: Any
) -> None:
    cloud.inject("stuck_creating", provider=place.name, route="create_instance", skip=1, times=1)
    timeouts = spuff.ProviderTimeouts(poll_interval=0.02, instance_ready=2)
    provider = face.over(cloud.connect(place.name, timeouts=timeouts))
    outcomes = provider.create_instances(
        apart(place, 4), concurrency=1, on_failure=on_failure, wait_ready=True
    )
    failed = outcomes[1]
    assert isinstance(failed, spuff.TimeoutError)
    assert failed.instance_id
    assert failed.instance_exists is (on_failure == "keep")
    if on_failure == "destroy_all":
        assert errors(outcomes) == ["cancelled", "timeout", "cancelled", "cancelled"]
    else:
        assert errors(outcomes) == [None, "timeout", None, None]
        left = [machine.id for machine in made(outcomes)] + [failed.instance_id] * (
            on_failure == "keep"
        )
        assert sorted(one.id for one in cloud.leaks() if one.kind == "instance") == sorted(left)
        provider.destroy_instances(left)
    cloud.assert_no_leaks()


def test_waits_and_destroys_that_fail_name_their_machine(cloud: Cloud, face: Face) -> None:
    timeouts = spuff.ProviderTimeouts(poll_interval=0.04, action_complete=0.4)
    provider = face.over(cloud.connect("hetzner", timeouts=timeouts))
    [machine] = made(provider.create_instances([HETZNER.request()]))
    absent, ready = provider.wait_ready_many(["999999", machine.id])
    assert isinstance(absent, spuff.NotFoundError)
    assert (absent.instance_id, absent.provider) == ("999999", "hetzner")
    assert isinstance(ready, spuff.Instance)
    cloud.inject("locked", provider="hetzner", route="destroy_instance")
    gone, failed = provider.destroy_instances(["999999", machine.id], concurrency=1)
    assert gone is None
    assert isinstance(failed, spuff.SpuffError)
    assert (failed.instance_id, failed.provider) == (machine.id, "hetzner")
    cloud.clear_faults()
    assert provider.destroy_instances([machine.id]) == [None]
    cloud.assert_no_leaks()


def test_a_loop_sees_it_and_has_the_outcomes_afterwards(
    cloud: Cloud, hetzner: spuff.Provider, face: Face
) -> None:
    seen, outcomes = looped(
        face, hetzner, lambda one: one.watch_create_instances(requests(HETZNER, 3), wait_ready=True)
    )
    machines = made(outcomes)
    assert [machine.name for machine in machines] == ["web-0", "web-1", "web-2"]
    assert {one.index for one in seen if one.phase == "ready"} == {0, 1, 2}

    ids = [machine.id for machine in machines]
    seen, outcomes = looped(face, hetzner, lambda one: one.watch([*ids, "999999"]))
    assert outcomes[:3] == machines
    assert errors(outcomes) == [None, None, None, "not_found"]
    assert sorted((one.index, one.phase) for one in seen if one.phase != "booting") == [
        (0, "ready"),
        (1, "ready"),
        (2, "ready"),
        (3, "failed"),
    ]
    seen, machine = looped(face, hetzner, lambda one: one.watch(ids[0]))
    assert (machine, {one.index for one in seen}) == (machines[0], {None} if seen else set())
    hetzner.destroy_instances(ids)


def test_a_block_around_a_loop_ends_the_fleet_when_it_is_left(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        hetzner.watch_create_instances(requests(HETZNER, 40), concurrency=2) as watch,
    ):
        for seen in watch:
            assert seen.phase == "accepted"
            raise ZeroDivisionError
    with pytest.raises(spuff.CancelledError) as ended:
        watch.result()
    assert (ended.value.provider, ended.value.operation) == ("hetzner", "create_instances")
    spuff.settled()
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "create_instance") < 40

    with hetzner.watch_create_instances(["a", "b"], region="fsn1", size="cx22") as watch:
        [machine, other] = made(watch.result())
    assert made(watch.result()) == [machine, other]
    hetzner.destroy_instances([machine.id, other.id])


def test_the_same_in_asyncio(cloud: Cloud, hetzner: spuff.Provider) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with hetzner.aio.watch_create_instances(
                requests(HETZNER, 40), concurrency=2
            ) as watch:
                async for seen in watch:
                    assert seen.phase == "accepted"
                    raise ZeroDivisionError
        await spuff.aio.settled()
        cloud.assert_no_leaks()
        assert cloud.request_count("hetzner", "create_instance") < 40
        before = cloud.request_count("hetzner")
        async with hetzner.aio.watch_create_instances(requests(HETZNER, 2)):
            pass
        assert cloud.request_count("hetzner") == before

    asyncio.run(main())


def test_a_loop_that_nobody_holds_ends(cloud: Cloud, hetzner: spuff.Provider) -> None:
    for seen in hetzner.watch_create_instances(requests(HETZNER, 40), concurrency=2):
        assert seen.phase == "accepted"
        break
    gc.collect()
    spuff.settled()
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "create_instance") < 40


def test_a_timeout_raises_and_leaves_nothing(cloud: Cloud, face: Face) -> None:
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    provider = face.over(
        cloud.connect("hetzner", timeouts=spuff.ProviderTimeouts(poll_interval=0.02))
    )
    with pytest.raises(spuff.TimeoutError) as late:
        provider.create_instances(requests(HETZNER, 5), wait_ready=True, timeout=0.5)
    assert late.value.operation is not None
    assert late.value.operation.startswith("create_instances")
    spuff.settled()
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "create_instance") == 5


def test_what_asyncio_cancels_leaves_nothing(cloud: Cloud, hetzner: spuff.Provider) -> None:
    async def main() -> None:
        cloud.inject("slow", millis=300, provider="hetzner", route="create_instance")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(
                hetzner.aio.create_instances(
                    requests(HETZNER, 20), concurrency=4, on_failure="keep"
                ),
                0.5,
            )
        await spuff.aio.settled()
        cloud.assert_no_leaks()
        assert 4 <= cloud.request_count("hetzner", "create_instance") < 20

    asyncio.run(main())


def test_a_block_has_all_machines_and_ends_them(cloud: Cloud, place: Place, face: Face) -> None:
    provider, seen = cloud.connect(place.name), list[spuff.Progress]()

    def use(machines: list[spuff.Instance]) -> None:
        assert [machine.name for machine in machines] == ["web-0", "web-1", "web-2"]
        assert all(machine.is_ready for machine in machines)
        assert len(cloud.instances()) == 3

    within(face, provider, use, requests(place, 3), on_progress=seen.append)
    cloud.assert_no_leaks()
    assert sum(one.phase == "ready" for one in seen) == 3

    def fail(machines: list[spuff.Instance]) -> None:
        raise ZeroDivisionError(len(machines))

    with pytest.raises(ZeroDivisionError, match="2"):
        within(face, provider, fail, ["a", "b"], region=place.region, size=place.size)
    cloud.assert_no_leaks()


def test_a_block_does_not_begin_with_less_than_all(cloud: Cloud, place: Place, face: Face) -> None:
    cloud.inject("capacity_out", provider=place.name, route="create_instance", skip=1, times=1)
    with pytest.raises(spuff.CapacityError) as short:
        within(
            face,
            cloud.connect(place.name),
            lambda _: pytest.fail("one is missing"),
            apart(place, 3),
            concurrency=1,
        )
    outcomes = short.value.outcomes
    assert errors(outcomes) == ["cancelled", "capacity", "cancelled"]
    assert outcomes[1] is short.value
    cloud.assert_no_leaks()
    for again in (pickle.loads(pickle.dumps(short.value)), copy.deepcopy(short.value)):
        assert errors(again.outcomes) == errors(outcomes)
        assert again.outcomes[1] is again


def test_a_block_whose_machines_cannot_be_ended_tells_which(cloud: Cloud, face: Face) -> None:
    timeouts = spuff.ProviderTimeouts(poll_interval=0.04, action_complete=0.4)
    provider = cloud.connect("hetzner", timeouts=timeouts)

    def lock(_: list[spuff.Instance]) -> None:
        cloud.inject("locked", provider="hetzner", route="destroy_instance")

    with pytest.raises(spuff.SpuffError) as stay:
        within(face, provider, lock, requests(HETZNER, 2))
    left = [one.id for one in cloud.leaks()]
    assert [getattr(one, "instance_id", None) for one in stay.value.outcomes] == left
    assert stay.value.instance_exists
    cloud.clear_faults()
    # With patience: what the block could not end is tried again in the background, and may be gone
    # before it was ever listed.
    assert cloud.connect("hetzner").destroy_instances(left) == [None, None]
    cloud.assert_no_leaks()


def test_a_block_that_is_lost_ends_its_machines(cloud: Cloud, hetzner: spuff.Provider) -> None:
    scope = hetzner.fleet(requests(HETZNER, 3))
    assert len(scope.__enter__()) == 3
    del scope
    gc.collect()
    spuff.settled()
    cloud.assert_no_leaks()


@pytest.mark.parametrize("fake", [FakeProvider, AsyncFakeProvider])
def test_a_provider_written_in_python_has_fleets(face: Face, fake: Any) -> None:
    registry = spuff.ProviderRegistry()
    registry.register("fake", fake)
    provider = face.over(registry.connect("fake", "token"))
    given = [
        spuff.InstanceRequest(f"box-{n}", "west" if n == 3 else "east", "small") for n in range(40)
    ]
    outcomes = provider.create_instances(given, wait_ready=True)
    assert [n for n, kind in enumerate(errors(outcomes)) if kind] == [3]
    refused = outcomes[3]
    assert isinstance(refused, spuff.InvalidConfigError)
    assert (refused.field, refused.provider) == ("region", "fake")
    assert provider.destroy_instances([machine.id for machine in made(outcomes)]) == [None] * 39
    rolled_back = provider.create_instances(given, on_failure="destroy_all")
    assert set(errors(rolled_back)) == {"cancelled", "invalid_config"}
    assert MEMORY.machines == {}


class Locked(FakeProvider):
    """Nothing can be done with its machines, and its errors do not say with which."""

    def destroy_instance(self, id: str, /) -> None:
        raise spuff.ConflictError("locked")

    def wait_ready(self, id: str, /) -> spuff.Instance:
        raise spuff.CapacityError("nothing is free")


def test_errors_that_name_no_machine_are_given_the_one_that_was_asked_about(face: Face) -> None:
    registry = spuff.ProviderRegistry()
    registry.register("locked", Locked)
    provider = face.over(registry.connect("locked", "token"))
    for outcomes in (provider.wait_ready_many(["a", "b"]), provider.destroy_instances(["a", "b"])):
        assert [getattr(error, "instance_id", None) for error in outcomes] == ["a", "b"]


def test_what_cannot_be_used_is_told_before_anything_is_sent(
    cloud: Cloud, hetzner: spuff.Provider, face: Face
) -> None:
    provider: Any = face.over(hetzner)
    machine = spuff.Instance("7")
    refused: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (
            lambda: provider.create_instances("web-1"),
            TypeError,
            "requests must be a list or another iterable.*give a list of one",
        ),
        (
            lambda: provider.create_instances(HETZNER.request()),
            TypeError,
            "requests must be a list",
        ),
        (
            lambda: provider.create_instances(["a", 7]),
            TypeError,
            r"requests\[1\] must be an InstanceRequest or a name, not .*int",
        ),
        (
            lambda: provider.create_instances([], on_failure="destroy"),
            ValueError,
            'on_failure must be "keep", "destroy_failed" or',
        ),
        (
            lambda: provider.create_instances(["a"], concurrency=0),
            ValueError,
            "concurrency must be at least 1, not 0",
        ),
        (
            lambda: provider.destroy_instances(["a"], concurrency=-2),
            ValueError,
            "concurrency must be at least 1, not -2",
        ),
        (lambda: provider.destroy_instances("1234"), TypeError, "ids must be a list"),
        (
            lambda: provider.destroy_instances([machine]),
            TypeError,
            r"ids\[0\] must be the id of an instance, as text, not .*Instance",
        ),
        (lambda: provider.wait_ready_many(7), TypeError, "ids must be a list"),
        (lambda: provider.watch(7), TypeError, "ids must be a list"),
        (
            lambda: provider.watch_create_instances([], on_failure="no"),
            ValueError,
            "on_failure must be",
        ),
        (lambda: provider.fleet([], concurrency=0), ValueError, "concurrency must be at least 1"),
    ]
    for call, error, words in refused:
        with pytest.raises(error, match=words):
            call()

    def broken() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        provider.create_instances(broken())
    assert cloud.request_count("hetzner") == 0


def test_outcomes_show_themselves_as_a_table(cloud: Cloud, hetzner: spuff.Provider) -> None:
    cloud.inject("capacity_out", provider="hetzner", route="create_instance", skip=1, times=1)
    outcomes = hetzner.create_instances(requests(HETZNER, 2), concurrency=1)
    table = str(outcomes._repr_html_())
    assert table.count("<tr>") == 3
    [machine] = made(outcomes)
    assert f"<td>0</td><td>{machine.id}</td><td>web-0</td>" in table
    assert "capacity" in table.split("<tr>")[3]
    hetzner.destroy_instances([machine.id])
