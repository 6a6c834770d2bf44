"""asyncio's ways: tasks, timeouts, cancellation, many at once."""

from __future__ import annotations

import asyncio
import time
import warnings

import pytest

import spuff
from conftest import HETZNER, quiet
from spuff.simulator import Cloud


@pytest.fixture
def stuck(cloud: Cloud) -> spuff.AsyncProvider:
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    return cloud.connect("hetzner", timeouts=spuff.ProviderTimeouts(poll_interval=0.02)).aio


def test_a_timeout_of_asyncio_stops_the_work(cloud: Cloud, stuck: spuff.AsyncProvider) -> None:
    async def main() -> None:
        machine = await stuck.create_instance(HETZNER.request())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stuck.wait_ready(machine.id), 0.3)
        assert await asyncio.to_thread(quiet, cloud)
        assert cloud.request_count("hetzner", "get_instance") > 1
        await stuck.destroy_instance(machine.id)

    asyncio.run(main())


def test_cancelling_a_task_stops_the_work(cloud: Cloud, stuck: spuff.AsyncProvider) -> None:
    async def main() -> None:
        machine = await stuck.create_instance(HETZNER.request())
        task = asyncio.create_task(stuck.wait_ready(machine.id))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(quiet, cloud)
        await stuck.destroy_instance(machine.id)

    asyncio.run(main())


def test_a_cancelled_create_is_brought_to_an_end(cloud: Cloud, hetzner: spuff.Provider) -> None:
    async def main() -> None:
        cloud.inject("slow", millis=800, provider="hetzner", route="create_instance", times=1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(hetzner.aio.create_instance(HETZNER.request()), 0.3)
        await spuff.aio.settled()
        cloud.assert_no_leaks()
        assert cloud.request_count("hetzner", "destroy_instance") == 1

    asyncio.run(main())


def test_many_at_once(cloud: Cloud, hetzner: spuff.Provider) -> None:
    async def life(name: str) -> bool:
        async with hetzner.aio.instance(HETZNER.request(name)) as machine:
            return machine.is_ready

    async def main() -> None:
        assert await asyncio.gather(*(life(f"web-{number}") for number in range(50))) == [True] * 50

    asyncio.run(main())
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "create_instance") == 50


def test_the_loop_goes_on_while_a_verb_waits(stuck: spuff.AsyncProvider) -> None:
    async def main() -> int:
        machine = await stuck.create_instance(HETZNER.request())
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counter = asyncio.create_task(count())
        with pytest.raises(spuff.TimeoutError):
            await stuck.wait_ready(machine.id, timeout=0.3)
        counter.cancel()
        return turns

    assert asyncio.run(main()) > 100


def test_a_block_that_is_cancelled_ends_its_machine(
    cloud: Cloud, stuck: spuff.AsyncProvider
) -> None:
    async def use(begun: asyncio.Event, name: str) -> None:
        async with stuck.instance(HETZNER.request(name)):
            begun.set()
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(use(asyncio.Event(), "never"))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await spuff.aio.settled()
        cloud.assert_no_leaks()

        cloud.clear_faults()
        begun = asyncio.Event()
        task = asyncio.create_task(use(begun, "used"))
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        cloud.assert_no_leaks()

    asyncio.run(main())
    assert cloud.request_count("hetzner", "create_instance") == 2


def test_a_loop_that_ends_in_the_middle_disturbs_nothing(
    cloud: Cloud, stuck: spuff.AsyncProvider
) -> None:
    async def main() -> str:
        machine = await stuck.create_instance(HETZNER.request())
        waiting = asyncio.ensure_future(stuck.wait_ready(machine.id))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        return machine.id

    machine = asyncio.run(main())
    # A look that is on its way is finished, and takes a request for the machines and one for the
    # actions.
    before = cloud.request_count("hetzner")
    time.sleep(0.3)
    assert cloud.request_count("hetzner") <= before + 2
    asyncio.run(asyncio.wait_for(stuck.destroy_instance(machine), 10))
    cloud.assert_no_leaks()


def test_a_verb_that_is_not_awaited_does_nothing(cloud: Cloud, hetzner: spuff.Provider) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        create = hetzner.aio.create_instance(HETZNER.request())
        create.close()
        del create
    assert cloud.request_count("hetzner") == 0


def test_progress_and_watch(cloud: Cloud, hetzner: spuff.Provider) -> None:
    async def main() -> None:
        provider = hetzner.aio
        seen: list[spuff.Progress] = []
        machine = await provider.create_and_wait(HETZNER.request(), on_progress=seen.append)
        assert [one.operation for one in seen][:2] == ["create_instance", "wait_ready"]
        assert {one.id for one in seen} == {machine.id}
        slow = await provider.create_instance(HETZNER.request("slow"))
        watch = provider.watch(slow.id)
        states = [one.state async for one in watch]
        assert "new" in states
        assert (await watch.result()).is_ready
        with pytest.raises(spuff.NotFoundError):
            [one async for one in provider.watch("999")]
        async with provider as same:
            assert same is provider

    asyncio.run(main())
