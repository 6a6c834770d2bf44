"""Providers written in Python: from both faces, through the same registry, with their own
exceptions.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import threading
import time
import traceback
import weakref
from typing import Any

import pytest

import spuff
from conftest import Face
from fake_provider import MEMORY, AsyncFakeProvider, FakeProvider
from spuff.protocol import ProviderFactory
from spuff.testing import check_provider, checks

REQUEST = spuff.InstanceRequest("web-1", "east", "small")


def connect(factory: Any, face: Face, **options: Any) -> spuff.Provider:
    registry = spuff.ProviderRegistry()
    registry.register("fake", factory)
    return face.over(registry.connect("fake", "token", **options))


@pytest.mark.parametrize("factory", [FakeProvider, AsyncFakeProvider])
def test_the_verbs(factory: ProviderFactory, face: Face) -> None:
    provider = connect(factory, face)
    assert provider.name == "fake"
    machine = provider.create_and_wait(REQUEST)
    assert provider.get_instance(machine.id) == machine
    assert machine.id in [one.id for one in provider.list_instances()]
    assert provider.supports_snapshots() == (factory is FakeProvider)
    if factory is FakeProvider:
        taken = provider.create_snapshot(machine.id, "before")
        assert taken in provider.list_snapshots()
        assert (taken, {"managed-by": "spuff"}) in provider.list_labelled_snapshots()
        provider.delete_snapshot(taken.id)
    else:
        with pytest.raises(spuff.NotSupportedError):
            provider.create_snapshot(machine.id, "before")
    assert provider.get_ssh_keys() == []
    with pytest.raises(spuff.NotSupportedError):
        provider.resolve("key")
    with pytest.raises(spuff.NotSupportedError):
        provider.set_labels(machine.id, {})
    provider.destroy_instance(machine.id)
    assert provider.get_instance(machine.id) is None
    with pytest.raises(spuff.NotFoundError) as gone:
        provider.wait_ready(machine.id)
    assert gone.value.instance_id == machine.id


@pytest.mark.parametrize(
    ("answer", "is_failed"),
    [
        (spuff.ApiError("a filter on the way", status=418), False),
        (RuntimeError("a filter on the way"), False),
        (spuff.ApiError("the disk is broken", status=418, instance_id="m-1"), True),
    ],
    ids=["of the poll", "of the program", "of the instance"],
)
def test_an_error_of_the_poll_destroys_no_instance_through_a_wrapper(
    face: Face, answer: Exception, is_failed: bool
) -> None:
    class Inner(FakeProvider):
        def wait_ready(self, id: str, /) -> spuff.Instance:
            raise answer

    registry = spuff.ProviderRegistry()
    registry.register("inner", Inner)
    inner = registry.connect("inner")
    with pytest.raises(spuff.SpuffError) as told:
        inner.wait_ready("m-1")
    assert told.value.instance_id == "m-1"
    assert told.value.instance_is_subject != is_failed
    assert told.value.is_instance_failure("m-1") == is_failed
    assert not told.value.is_instance_failure("m-2")
    copy = pickle.loads(pickle.dumps(told.value))
    assert copy.is_instance_failure("m-1") == is_failed

    destroyed: list[str] = []

    class Wrapper(FakeProvider):
        def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
            return spuff.Instance("m-1", "192.0.2.1", "new", name=request.name)

        def destroy_instance(self, id: str, /) -> None:
            destroyed.append(id)

        def get_instance(self, id: str, /) -> spuff.Instance | None:
            return None

        def wait_ready(self, id: str, /) -> spuff.Instance:
            return inner.wait_ready(id)

    with pytest.raises(spuff.SpuffError) as left:
        connect(Wrapper, face).create_and_wait(REQUEST)
    assert left.value.instance_exists != is_failed
    assert destroyed == (["m-1"] if is_failed else [])


@pytest.mark.parametrize("factory", [FakeProvider, AsyncFakeProvider])
def test_the_contract(factory: ProviderFactory) -> None:
    timeouts = spuff.ProviderTimeouts(
        instance_ready=20, action_complete=20, poll_interval=0.02, http_request=10
    )
    report = check_provider(
        factory,
        REQUEST,
        "m-none",
        absent_snapshot_id="s-none",
        config=spuff.ProviderConfig("token", timeouts=timeouts),
        settling=5,
    )
    report.assert_passed()
    assert (len(report.outcomes), report.failed) == (len(checks()), [])
    assert sum(outcome.verdict == "passed" for outcome in report.outcomes) >= (
        20 if factory is FakeProvider else 15
    )
    assert "0 failed" in str(report)
    assert MEMORY.machines == {}


def test_a_broken_provider_is_told_what_is_wrong() -> None:
    class Broken(FakeProvider):
        def destroy_instance(self, id: str, /) -> None:
            if id not in MEMORY.machines:
                raise spuff.NotFoundError(resource_type="instance", resource_id=id)
            super().destroy_instance(id)

    timeouts = spuff.ProviderTimeouts(
        instance_ready=10, action_complete=10, poll_interval=0.02, http_request=5
    )
    config = spuff.ProviderConfig(timeouts=timeouts)
    report = check_provider(
        Broken, REQUEST, "m-none", config=config, settling=5, check="destroy_is_idempotent"
    )
    assert not report.is_passed
    [failed] = report.failed
    assert failed.failure is not None
    assert failed.failure.contract
    assert failed.failure.remedy
    with pytest.raises(AssertionError, match="FAILED  destroy_is_idempotent"):
        report.assert_passed()
    with pytest.raises(spuff.InvalidConfigError, match="no_such_check"):
        check_provider(FakeProvider, REQUEST, "m-none", check="no_such_check")
    for machine in list(MEMORY.machines):
        MEMORY.machines.pop(machine)


class Faulty(FakeProvider):
    def list_instances(self) -> list[spuff.Instance]:
        raise ZeroDivisionError("on purpose")

    def get_instance(self, id: str, /) -> spuff.Instance | None:
        raise spuff.CapacityError("nothing is free", code="sold_out")

    def list_snapshots(self) -> list[spuff.Snapshot]:
        return [7]  # type: ignore[list-item]


class AsyncFaulty(AsyncFakeProvider):
    async def list_instances(self) -> list[spuff.Instance]:
        raise ZeroDivisionError("on purpose")

    async def get_instance(self, id: str, /) -> spuff.Instance | None:
        raise spuff.CapacityError("nothing is free", code="sold_out")


@pytest.mark.parametrize("factory", [Faulty, AsyncFaulty])
def test_exceptions_keep_their_traceback(factory: ProviderFactory, face: Face) -> None:
    provider = connect(factory, face)
    with pytest.raises(spuff.OtherError, match="ZeroDivisionError: on purpose") as wrapped:
        provider.list_instances()
    cause = wrapped.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert "in list_instances" in "".join(traceback.format_tb(cause.__traceback__))
    assert wrapped.value.provider == "fake"
    with pytest.raises(spuff.CapacityError) as own:
        provider.get_instance("7")
    assert "in get_instance" in "".join(traceback.format_tb(own.value.__traceback__))
    assert (own.value.code, own.value.provider, own.value.instance_id) == ("sold_out", "fake", "7")


def test_what_is_no_answer_is_an_error(face: Face) -> None:
    with pytest.raises(spuff.OtherError, match=r"spuff\.Snapshot, not 7"):
        connect(Faulty, face).list_snapshots()


def test_a_factory_that_refuses(face: Face) -> None:
    def refuses(config: spuff.ProviderConfig) -> FakeProvider:
        raise spuff.InvalidConfigError("it is too short", field="token")

    with pytest.raises(spuff.InvalidConfigError, match="too short") as refused:
        connect(refuses, face)
    assert refused.value.field == "token"
    assert "in refuses" in "".join(traceback.format_tb(refused.value.__traceback__))


def test_a_factory_is_given_the_configuration(face: Face) -> None:
    given: list[spuff.ProviderConfig] = []

    def factory(config: spuff.ProviderConfig) -> FakeProvider:
        given.append(config)
        return FakeProvider(config)

    timeouts = spuff.ProviderTimeouts(poll_interval=1)
    connect(
        factory,
        face,
        endpoint="https://example.org",
        region="east",
        timeouts=timeouts,
        colour="red",
        level=3,
        left_out=None,
    )
    [config] = given
    assert (config.token, config.endpoint, config.region) == (
        "token",
        "https://example.org",
        "east",
    )
    assert (config.timeouts, config.options, config.ca_file) == (
        timeouts,
        {"colour": "red", "level": "3"},
        None,
    )


def test_the_decorator() -> None:
    @spuff.provider(
        "drawer", summary="machines in a drawer", token_required=False, max_user_data=100
    )
    class Drawer(FakeProvider): ...

    described = spuff.ProviderRegistry.with_defaults().describe("drawer")
    assert (described.summary, described.max_user_data, described.snapshots) == (
        "machines in a drawer",
        100,
        True,
    )
    assert described.options[0].env == ["DRAWER_TOKEN"]
    assert not described.options[0].required
    assert spuff.connect("drawer").name == "drawer"
    assert spuff.aio.connect("drawer").name == "drawer"
    assert "drawer" not in spuff.ProviderRegistry()
    assert Drawer.__name__ == "Drawer"


def test_a_wait_that_nobody_waits_for_is_told() -> None:
    told: list[bool] = []
    begun, over = threading.Event(), threading.Event()

    class Slow(FakeProvider):
        def wait_ready(self, id: str, /) -> spuff.Instance:
            assert not spuff.is_cancelled()
            begun.set()
            for _ in range(200):
                if spuff.is_cancelled():
                    told.append(True)
                    break
                time.sleep(0.02)
            over.set()
            raise spuff.TimeoutError(operation="wait_ready", elapsed=0.0)

    registry = spuff.ProviderRegistry()
    registry.register("slow", Slow)
    with pytest.raises(spuff.TimeoutError):
        registry.connect("slow", "token").wait_ready("7", timeout=0.2)
    assert over.wait(10)
    assert begun.is_set()
    assert told == [True]
    assert not spuff.is_cancelled()


def test_an_async_wait_that_nobody_waits_for_is_cancelled_but_no_create() -> None:
    ended = threading.Event()

    class Slow(AsyncFakeProvider):
        async def wait_ready(self, id: str, /) -> spuff.Instance:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.set()
                raise
            raise AssertionError("it was cancelled")

        async def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
            await asyncio.sleep(0.5)
            return MEMORY.create(request)

    registry = spuff.ProviderRegistry()
    registry.register("slow", Slow)
    provider = registry.connect("slow", "token")
    with pytest.raises(spuff.TimeoutError):
        provider.wait_ready("7", timeout=0.2)
    assert ended.wait(10)
    with pytest.raises(spuff.TimeoutError):
        provider.create_instance(REQUEST, timeout=0.1)
    spuff.settled()
    assert MEMORY.machines == {}, "what was made in spite of that is destroyed"


def test_a_provider_may_use_another(cloud: Any) -> None:
    inner = cloud.connect("hetzner")

    class Outer(FakeProvider):
        def list_instances(self) -> list[spuff.Instance]:
            return list(inner.list_instances())

    registry = spuff.ProviderRegistry()
    registry.register("outer", Outer)
    inner.create_instance("web-1", region="fsn1", size="cx22")
    cloud.advance(60)
    assert [machine.name for machine in registry.connect("outer", "token").list_instances()] == [
        "web-1"
    ]


def test_a_thousand_providers_come_and_go() -> None:
    ended: list[None] = []

    class Counted(FakeProvider):
        def __init__(self, config: spuff.ProviderConfig) -> None:
            super().__init__(config)
            weakref.finalize(self, ended.append, None)

    registry = spuff.ProviderRegistry()
    registry.register("counted", Counted)
    for _ in range(1000):
        provider = registry.connect("counted", "token")
        assert provider.get_instance("m-none") is None
        del provider
    gc.collect()
    assert len(ended) == 1000


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_factory_that_holds_its_registry_is_collected_with_it() -> None:
    ended: list[str] = []

    def registered(name: str) -> spuff.ProviderRegistry:
        class Held(FakeProvider):
            pass

        def make(config: spuff.ProviderConfig) -> Held:
            assert "held" in registry
            return Held(config)

        weakref.finalize(Held, ended.append, name)
        registry = spuff.ProviderRegistry()
        registry.register("held", make)
        return registry

    registry = registered("alone")
    gc.collect()
    assert ended == []
    del registry
    gc.collect()
    assert ended == ["alone"]

    # What a provider was made by is kept as long as the provider: a child of `fork` makes it anew.
    provider = registered("in use").connect("held", "token")
    gc.collect()
    assert (provider.get_instance("m-none"), ended) == (None, ["alone"])
    child = os.fork()
    if child == 0:
        os._exit(0 if provider.get_instance("m-none") is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    del provider
    gc.collect()
    assert ended == ["alone", "in use"]


def test_a_report_speaks_python_and_tells_where_an_exception_came_from() -> None:
    class Forgets(FakeProvider):
        def destroy_instance(self, id: str, /) -> None:
            del MEMORY.machines[id]

    report = check_provider(
        Forgets, spuff.InstanceRequest("", "east", "small"), "m-none", check="destroy_is_idempotent"
    )
    [outcome] = report.failed
    assert outcome.failure is not None
    assert "KeyError: " in outcome.failure.seen
    assert "(test_providers.py, line " in outcome.failure.seen
    assert "`Ok" not in f"{outcome.failure} {report}"
    assert "`None`" in outcome.failure.remedy
