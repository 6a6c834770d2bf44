"""What the compiled part needs of asyncio: the coroutine of a verb, and an event loop for providers written in Python."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Iterable
from concurrent import futures
from typing import Any, TypeVar

from ._spuff import AsyncProvider, Instance, Pending, Progress, is_cancelled

T = TypeVar("T")

TICK = 0.05
"""Seconds between two looks whether anybody still waits for an answer."""


async def verb(pending: Pending) -> Any:
    """Runs a verb while it is awaited, and drops it when that is cancelled."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    running = pending.begin(loop, future)
    try:
        return await future
    finally:
        running.abort()


async def each(listing: Awaitable[Iterable[T]]) -> AsyncIterator[T]:
    """Gives what a list holds."""
    for item in await listing:
        yield item


async def itself(provider: AsyncProvider) -> AsyncProvider:
    """Begins an `async with` over a provider."""
    return provider


class Watch:
    """A wait for a machine, to be looped over."""

    def __init__(self, provider: AsyncProvider, instance_id: str, timeout: float | None) -> None:
        self._seen: asyncio.Queue[Progress | None] = asyncio.Queue()
        self._begin = (provider, instance_id, timeout)
        self._task: asyncio.Task[Instance] | None = None

    def _running(self) -> asyncio.Task[Instance]:
        if self._task is None:
            provider, instance_id, timeout = self._begin
            wait = provider.wait_ready(instance_id, timeout=timeout, on_progress=self._seen.put_nowait)
            self._task = asyncio.ensure_future(wait)
            self._task.add_done_callback(lambda _: self._seen.put_nowait(None))
        return self._task

    async def __aiter__(self) -> AsyncIterator[Progress]:
        task = self._running()
        try:
            while (seen := await self._seen.get()) is not None:
                yield seen
        finally:
            task.cancel()
        task.result()

    async def result(self) -> Instance:
        """Gives the machine, as soon as it is ready."""
        return await self._running()


class _Loop:
    """An event loop in a thread of its own, for one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="spuff-asyncio", daemon=True).start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


_lock = threading.Lock()
_loop: _Loop | None = None


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None or _loop.process != os.getpid():
            _loop = _Loop()
        return _loop.loop


def _unlock_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_unlock_in_child)


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def wait_for_answer(answer: Awaitable[T], may_cancel: bool) -> T:
    """Waits for what an `async def` method of a provider gives, and cancels it when nobody waits for the verb any more."""
    future = asyncio.run_coroutine_threadsafe(_awaited(answer), _running_loop())
    while True:
        try:
            return future.result(TICK)
        except futures.TimeoutError:
            if future.done():
                raise
        if may_cancel and is_cancelled():
            future.cancel()
