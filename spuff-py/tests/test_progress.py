"""What long waits tell: to a callback, or to a loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import spuff
import spuff.aio
from conftest import HETZNER, Face
from spuff.simulator import Cloud


def test_a_callback_sees_what_the_wait_sees(
    cloud: Cloud, hetzner: spuff.Provider, face: Face
) -> None:
    provider = face.over(hetzner)
    seen: list[spuff.Progress] = []
    machine = provider.create_and_wait(HETZNER.request(owner="ci"), on_progress=seen.append)
    assert seen[0].state == "accepted"
    assert [one.operation for one in seen[:2]] == ["create_instance", "wait_ready"]
    assert all(one.id == machine.id and one.elapsed >= 0 for one in seen)
    assert str(seen[0]).startswith(f"create_instance {machine.id}: accepted (")
    assert repr(seen[0]).startswith("Progress(operation='create_instance'")
    taken: list[spuff.Progress] = []
    provider.create_snapshot(machine.id, "before", on_progress=taken.append)
    assert taken
    ended: list[spuff.Progress] = []
    cloud.advance(60)
    provider.reap(owner="ci", on_progress=ended.append)
    assert {one.operation for one in ended} >= {"reap"}


def test_a_callback_may_call_the_provider(hetzner: spuff.Provider) -> None:
    machine = hetzner.create_instance(HETZNER.request())
    listed: list[int] = []
    hetzner.wait_ready(
        machine.id, on_progress=lambda _: listed.append(len(hetzner.list_instances()))
    )
    assert listed
    assert set(listed) == {1}


def test_a_loop_sees_the_same(cloud: Cloud, hetzner: spuff.Provider) -> None:
    machine = hetzner.create_instance(HETZNER.request())
    watch = hetzner.watch(machine.id)
    states = [seen.state for seen in watch]
    assert "new" in states
    assert watch.result().is_ready
    assert list(watch) == []
    assert hetzner.watch(machine.id).result().id == machine.id

    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    stuck = hetzner.create_instance(HETZNER.request("stuck"))
    watch = hetzner.watch(stuck.id, timeout=0.3)
    with pytest.raises(spuff.TimeoutError) as late:
        for seen in watch:
            assert seen.id == stuck.id
    assert late.value.instance_id == stuck.id
    with pytest.raises(spuff.TimeoutError):
        watch.result()


def test_a_watch_that_nobody_holds_ends(cloud: Cloud, hetzner: spuff.Provider) -> None:
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    stuck = hetzner.create_instance(HETZNER.request())
    for _ in hetzner.watch(stuck.id):
        break
    # A look that is on its way is finished, and takes a request for the machines and one for the
    # actions.
    before = cloud.request_count("hetzner")
    threading.Event().wait(0.4)
    assert cloud.request_count("hetzner") <= before + 2


def test_a_callback_of_asyncio_ends_its_verb_by_raising_and_knows_its_context(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="nobody")
    seen: list[str] = []
    unhandled: list[object] = []

    def refuse(progress: spuff.Progress) -> None:
        seen.append(whose.get())
        raise ZeroDivisionError(progress.state)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: unhandled.append(context)
        )
        whose.set("ours")
        with pytest.raises(ZeroDivisionError, match="accepted"):
            await hetzner.aio.create_and_wait("web-1", "fsn1", "cx22", on_progress=refuse)
        await spuff.aio.settled()

    asyncio.run(main())
    assert (seen, unhandled) == (["ours"], [])
    cloud.assert_no_leaks()


def test_a_loop_of_asyncio_that_is_left_goes_on_and_has_its_outcome(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    async def main() -> None:
        machine = await hetzner.aio.create_instance("web-1", "fsn1", "cx22")
        watch = hetzner.aio.watch(machine.id)
        async for _ in watch:
            break
        assert (await asyncio.wait_for(watch.result(), 60)).is_ready
        assert [seen async for seen in watch] == []

        cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
        stuck = await hetzner.aio.create_instance("web-2", "fsn1", "cx22")
        watch = hetzner.aio.watch(stuck.id)
        asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(watch.aclose()))
        with pytest.raises(spuff.CancelledError) as closed:
            async for _ in watch:
                pass
        assert closed.value.instance_id == stuck.id
        with pytest.raises(spuff.CancelledError):
            await watch.result()

        waiting = asyncio.ensure_future(hetzner.aio.watch(stuck.id).result())
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await hetzner.aio.destroy_instance(stuck.id)

    asyncio.run(main())
