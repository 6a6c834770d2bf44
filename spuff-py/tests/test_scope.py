"""Machines for the time of a `with`, on both faces."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import spuff
from conftest import HETZNER, Face
from spuff.simulator import Cloud

Use = Callable[[spuff.Instance], None]


def within(face: Face, provider: spuff.Provider, use: Use, **options: Any) -> None:
    """Uses a machine in a block of the face."""

    def blocking() -> None:
        with provider.instance(HETZNER.request(), **options) as machine:
            use(machine)

    def in_asyncio() -> Coroutine[Any, Any, None]:
        async def main() -> None:
            async with provider.aio.instance(HETZNER.request(), **options) as machine:
                use(machine)

        return main()

    face.run(blocking if face.name == "blocking" else in_asyncio)


def test_the_machine_is_ready_and_ends(cloud: Cloud, hetzner: spuff.Provider, face: Face) -> None:
    seen: list[spuff.Progress] = []

    def use(machine: spuff.Instance) -> None:
        assert machine.is_ready
        assert [left.id for left in cloud.leaks()] == [machine.id]

    within(face, hetzner, use, on_progress=seen.append)
    cloud.assert_no_leaks()
    assert [one.operation for one in seen][:2] == ["create_instance", "wait_ready"]


def test_it_ends_also_when_the_block_raises(
    cloud: Cloud, hetzner: spuff.Provider, face: Face
) -> None:
    def use(machine: spuff.Instance) -> None:
        raise ZeroDivisionError(machine.id)

    with pytest.raises(ZeroDivisionError):
        within(face, hetzner, use)
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "create_instance") == 1


def test_one_that_does_not_become_ready_ends_too(
    cloud: Cloud, hetzner: spuff.Provider, face: Face
) -> None:
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    with pytest.raises(spuff.TimeoutError):
        within(face, hetzner, lambda _: pytest.fail("it is not ready"), timeout=0.3)
    spuff.settled()
    cloud.assert_no_leaks()


def test_one_that_cannot_be_ended_is_told_of(
    cloud: Cloud, face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    timeouts = spuff.ProviderTimeouts(poll_interval=0.04, action_complete=0.4)
    provider = cloud.connect("hetzner", timeouts=timeouts)

    def lock(_: spuff.Instance) -> None:
        cloud.inject("locked", provider="hetzner", route="destroy_instance")

    with pytest.raises(spuff.SpuffError) as stays:
        within(face, provider, lock)
    [machine] = cloud.leaks()
    assert (stays.value.instance_id, stays.value.instance_exists) == (machine.id, True)
    cloud.clear_faults()
    # With patience: it is tried again in the background, and may be gone before it was ever listed.
    cloud.connect("hetzner").destroy_instance(machine.id)
    cloud.advance(60)

    def lock_and_raise(machine: spuff.Instance) -> None:
        lock(machine)
        raise ZeroDivisionError

    with caplog.at_level(logging.WARNING, "spuff"), pytest.raises(ZeroDivisionError):
        within(face, provider, lock_and_raise)
    [machine] = cloud.leaks()
    assert any(
        machine.id in record.message and "costs money" in record.message
        for record in caplog.records
    )


def test_a_block_that_its_own_callback_holds_is_collected(
    hetzner: spuff.Provider, face: Face
) -> None:
    class Bar:
        scope: object = None

        def show(self, seen: spuff.Progress) -> None: ...

    bar = Bar()
    provider = hetzner if face.name == "blocking" else hetzner.aio
    bar.scope = provider.instance(HETZNER.request(), on_progress=bar.show)
    gone = weakref.ref(bar)
    del bar
    gc.collect()
    assert gone() is None


def test_a_provider_is_a_block_that_waits_for_the_background(cloud: Cloud) -> None:
    with cloud.connect("hetzner") as provider:
        scope = provider.instance(HETZNER.request())
        scope.__enter__()
        # Whoever loses the block without its end does not lose the machine.
        del scope
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "destroy_instance") >= 1
