"""What a verb has made is ended when nobody takes its outcome, as when the verb is dropped in the
middle.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sized
from typing import Any

import pytest

import spuff
from fake_provider import MEMORY, AsyncFakeProvider, FakeProvider
from spuff.simulator import Cloud
from test_processes import in_child

NAMES = ["web-0", "web-1", "web-2"]
FIELDS: dict[str, Any] = {"region": "fsn1", "size": "cx22"}


def made(machines: Callable[[], Sized], count: int) -> None:
    """Blocks until there are so many, and their outcomes have come."""
    while len(machines()) < count:
        time.sleep(0.01)
    time.sleep(0.5)


def closes(watch: Any) -> None:
    watch.close()


def raises(watch: Any) -> None:
    with pytest.raises(ZeroDivisionError), watch:
        raise ZeroDivisionError


def interrupts(watch: Any) -> None:
    with pytest.raises(KeyboardInterrupt), watch:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)


def forgets(watch: Any) -> None:
    pass


LEAVES = [closes, raises, interrupts, forgets]


@pytest.mark.parametrize("leave", LEAVES)
def test_a_loop_that_is_left_after_the_last_was_made(
    cloud: Cloud, hetzner: spuff.Provider, leave: Callable[[Any], None]
) -> None:
    watch = hetzner.watch_create_instances(NAMES, **FIELDS)
    assert next(iter(watch)).phase == "accepted"
    made(cloud.instances, 3)
    leave(watch)
    del watch
    gc.collect()
    spuff.settled()
    cloud.assert_no_leaks()


def test_what_is_to_be_kept_is_kept_and_a_loop_to_its_end_takes_it(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    with hetzner.watch_create_instances(["kept"], on_cancel="keep", **FIELDS) as watch:
        made(cloud.instances, 1)
    with hetzner.watch_create_instances(NAMES, **FIELDS) as watch:
        assert [seen.phase for seen in watch] == ["accepted"] * 3
    assert len(watch.result()) == 3
    del watch
    spuff.settled()
    assert sorted(one.name for one in cloud.instances()) == ["kept", *NAMES]


def test_those_that_have_failed_and_were_left_are_ended_with_the_others(cloud: Cloud) -> None:
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance", skip=1, times=1)
    hetzner = cloud.connect(
        "hetzner", timeouts=spuff.ProviderTimeouts(poll_interval=0.02, instance_ready=1)
    )
    with hetzner.watch_create_instances(
        NAMES, wait_ready=True, on_failure="keep", **FIELDS
    ) as watch:
        assert sum(1 for _ in zip(watch, range(3), strict=False)) == 3
        time.sleep(2)
    spuff.settled()
    cloud.assert_no_leaks()


PROGRAM = """
import asyncio, sys, time
import spuff, spuff.aio

async def main():
    global create
    create = asyncio.ensure_future(hetzner.aio.create_instance("task", region="fsn1", size="cx22"))
    await asyncio.sleep(0)

hetzner = spuff.connect("hetzner")
watch = hetzner.watch_create_instances(["a", "b"], region="fsn1", size="cx22")
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
time.sleep(1)
print(len(hetzner.list_instances()))
"""


def test_what_still_waits_for_its_reader_when_python_ends(cloud: Cloud) -> None:
    environment = {**os.environ, **cloud.environment()}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "3\n"
    cloud.assert_no_leaks()


def test_a_child_leaves_what_its_parent_has_not_taken(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    watch = hetzner.watch_create_instances(NAMES, **FIELDS)
    made(cloud.instances, 3)

    def leave() -> bool:
        watch.close()
        spuff.settled()
        return True

    assert in_child(leave)
    assert len(watch.result()) == len(cloud.instances()) == 3


def refuse(seen: spuff.Progress) -> None:
    raise ZeroDivisionError


def press(seen: spuff.Progress) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)


TOLD: list[Callable[[spuff.Provider, Any], Any]] = [
    lambda hetzner, told: spuff.place_instance(
        [spuff.Candidate(hetzner, "fsn1", "cx22")], "web-1", on_progress=told
    ),
    lambda hetzner, told: spuff.place_instances(
        [spuff.Candidate(hetzner, "fsn1", "cx22")], ["web-1"], on_progress=told
    ),
    lambda hetzner, told: hetzner.create_instances(["web-1"], on_progress=told, **FIELDS),
    lambda hetzner, told: hetzner.create_and_wait("web-1", on_progress=told, **FIELDS),
]


@pytest.mark.parametrize(
    ("listener", "raised"), [(refuse, ZeroDivisionError), (press, KeyboardInterrupt)]
)
@pytest.mark.parametrize(
    "verb", TOLD, ids=["place_instance", "place_instances", "create_instances", "create_and_wait"]
)
def test_a_callback_that_raises_at_the_last_it_hears(
    cloud: Cloud, hetzner: spuff.Provider, verb: Any, listener: Any, raised: type[BaseException]
) -> None:
    with pytest.raises(raised):
        verb(hetzner, listener)
    spuff.settled()
    cloud.assert_no_leaks()


def test_a_callback_that_raises_at_the_last_of_a_fleet(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    def refuse_last(seen: spuff.Progress) -> None:
        if seen.index == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hetzner.create_instances(NAMES, concurrency=1, on_progress=refuse_last, **FIELDS)
    spuff.settled()
    cloud.assert_no_leaks()


Verb = Callable[[spuff.AsyncProvider], Coroutine[Any, Any, Any]]


async def enter(hetzner: spuff.AsyncProvider) -> None:
    scope = hetzner.instance("web-1", **FIELDS)
    SCOPES.append(scope)
    await scope.__aenter__()


SCOPES: list[Any] = []

AWAITED: dict[str, Verb] = {
    "create_instance": lambda hetzner: hetzner.create_instance("web-1", **FIELDS),
    "create_and_wait": lambda hetzner: hetzner.create_and_wait("web-1", **FIELDS),
    "create_instances": lambda hetzner: hetzner.create_instances(["web-1"], **FIELDS),
    "place_instance": lambda hetzner: spuff.aio.place_instance(
        [spuff.Candidate(hetzner, "fsn1", "cx22")], "web-1"
    ),
    "watch": lambda hetzner: hetzner.watch_create_instances(["web-1"], **FIELDS).result(),
    "instance": enter,
}


@pytest.mark.parametrize(
    "settled", [False, True], ids=["before the loop hears of it", "before the task goes on"]
)
@pytest.mark.parametrize("verb", AWAITED.values(), ids=AWAITED.keys())
def test_a_task_that_is_cancelled_when_its_outcome_has_come(
    cloud: Cloud, hetzner: spuff.Provider, verb: Verb, settled: bool
) -> None:
    async def main() -> None:
        # So that the outcome comes while the loop is held up below, and not while the verb begins.
        cloud.inject("slow", millis=300, provider="hetzner", route="create_instance")
        task = asyncio.ensure_future(verb(hetzner.aio))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        made(cloud.instances, 1)
        if settled:
            asyncio.get_running_loop().call_soon(task.cancel)
        else:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await spuff.aio.settled()
        cloud.assert_no_leaks()

    asyncio.run(main())
    SCOPES.clear()


@pytest.mark.parametrize("fake", [FakeProvider, AsyncFakeProvider])
def test_a_provider_written_in_python(fake: Any) -> None:
    registry = spuff.ProviderRegistry()
    registry.register("fake", fake)
    provider = registry.connect("fake", "token").aio

    async def create(on_cancel: Any, left: int) -> None:
        create = provider.create_instance("box-1", region="east", size="small", on_cancel=on_cancel)
        task = asyncio.ensure_future(create)
        await asyncio.sleep(0)
        made(lambda: MEMORY.machines, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await spuff.aio.settled()
        assert len(MEMORY.machines) == left

    asyncio.run(create("destroy", 0))
    asyncio.run(create("keep", 1))
    MEMORY.machines.clear()


@pytest.mark.parametrize("taken", [False, True])
def test_a_loop_of_asyncio(cloud: Cloud, hetzner: spuff.Provider, taken: bool) -> None:
    async def main() -> None:
        async with hetzner.aio.watch_create_instances(NAMES, **FIELDS) as watch:
            async for seen in watch:
                assert seen.phase == "accepted"
                made(cloud.instances, 3)
                await asyncio.sleep(0.1)
                if not taken:
                    break
        if taken:
            assert len(await watch.result()) == 3
        await spuff.aio.settled()
        assert len(cloud.leaks()) == 3 * taken

    asyncio.run(main())
