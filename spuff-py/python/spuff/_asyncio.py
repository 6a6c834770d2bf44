"""What the compiled part needs of asyncio: the coroutine of a verb, and an event loop for providers written in Python."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent import futures
from typing import Any, Generic, TypeVar

from ._spuff import AsyncProvider, Pending, Progress, Running, is_cancelled

T = TypeVar("T")

TICK = 0.05
"""Seconds between two looks whether anybody still waits for an answer."""


async def verb(pending: Pending, on_progress: Callable[[Progress], object] | None = None) -> Any:
    """Runs a verb while it is awaited, and drops it when that is cancelled."""
    loop = asyncio.get_running_loop()
    there: asyncio.Future[None] = loop.create_future()
    running = pending.begin(loop, there, on_progress)
    try:
        await there
        return running.take()
    finally:
        running.abort()


async def each(listing: Awaitable[Iterable[T]]) -> AsyncIterator[T]:
    """Gives what a list holds."""
    for item in await listing:
        yield item


async def itself(provider: AsyncProvider) -> AsyncProvider:
    """Begins an `async with` over a provider."""
    return provider


class Watch(Generic[T]):
    """A verb, to be looped over: each turn is something that was seen. It begins with the loop, and ends with it."""

    _there: asyncio.Future[None]
    _outcome: asyncio.Future[T]

    def __init__(self, pending: Pending) -> None:
        self._seen: asyncio.Queue[Progress | None] = asyncio.Queue()
        self._pending = pending
        self._running: Running | None = None

    def _begin(self) -> Running:
        if self._running is None:
            loop, seen = asyncio.get_running_loop(), self._seen
            self._there, self._outcome = loop.create_future(), loop.create_future()
            self._there.add_done_callback(lambda _: seen.put_nowait(None))
            self._running = self._pending.begin(loop, self._there, seen.put_nowait)
        return self._running

    def _take(self) -> T:
        if not self._outcome.done():
            try:
                self._outcome.set_result(self._begin().take())
            except Exception as failed:
                self._outcome.set_exception(failed)
        return self._outcome.result()

    def _end(self) -> None:
        if self._running is not None:
            self._running.abort()
            self._there.cancel()
            self._outcome.cancel()

    async def __aiter__(self) -> AsyncIterator[Progress]:
        self._begin()
        try:
            while (seen := await self._seen.get()) is not None:
                yield seen
            self._seen.put_nowait(None)
            self._take()
        finally:
            self._end()

    async def aclose(self) -> None:
        """Ends the verb, and what it has made, if its outcome was not taken yet."""
        self._end()

    async def __aenter__(self) -> Watch[T]:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()

    async def result(self) -> T:
        """Gives the outcome of the verb, as soon as there is one: a machine, or one outcome for each of many."""
        self._begin()
        try:
            await self._there
            return self._take()
        finally:
            self._end()


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
