"""What the compiled part needs of asyncio.

The coroutine of an operation, and an event loop for providers written in Python.
"""

from __future__ import annotations

import asyncio
import contextvars
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
    """Runs an operation while it is awaited.

    Drops it when that is cancelled, or when its callback raises.
    """
    loop = asyncio.get_running_loop()
    there: asyncio.Future[None] = loop.create_future()
    running = pending.begin(loop, there, on_progress and _telling(on_progress, there))
    try:
        await there
        return running.take()
    finally:
        running.abort()


def _telling(
    on_progress: Callable[[Progress], object], there: asyncio.Future[None]
) -> Callable[[Progress], None]:
    """Gives a callback in the context of the awaiting task.

    What it raises ends the operation, and is raised there.
    """
    context = contextvars.copy_context()

    def tell(seen: Progress) -> None:
        if there.done():
            return
        try:
            context.run(on_progress, seen)
        except BaseException as raised:
            # A future takes no StopIteration.
            there.set_exception(
                RuntimeError("on_progress has raised StopIteration")
                if isinstance(raised, StopIteration)
                else raised
            )
            if not isinstance(raised, Exception):
                raise

    return tell


async def each(listing: Awaitable[Iterable[T]]) -> AsyncIterator[T]:
    """Gives what a list holds."""
    for item in await listing:
        yield item


async def itself(provider: AsyncProvider) -> AsyncProvider:
    """Begins an `async with` over a provider."""
    return provider


class Watch(Generic[T]):
    """A call, to be iterated: each item is a progress.

    It begins with the first turn, and goes on between two. Until its outcome is taken, by the last
    turn or `result`, it ends, with what it has made, when it is closed, when a task is cancelled
    that waits for it, when its last owner drops it, or with Python.
    """

    _there: asyncio.Future[None]

    def __init__(self, pending: Pending) -> None:
        self._seen: asyncio.Queue[Progress | None] = asyncio.Queue()
        self._pending = pending
        self._running: Running | None = None
        self._outcome: tuple[T] | BaseException | None = None

    def _begin(self) -> Running:
        if self._running is None:
            loop, seen = asyncio.get_running_loop(), self._seen
            self._there = loop.create_future()
            self._there.add_done_callback(lambda _: seen.put_nowait(None))
            self._running = self._pending.begin(loop, self._there, seen.put_nowait)
        return self._running

    def _take(self) -> T:
        if self._outcome is None:
            try:
                self._outcome = (self._begin().take(),)
            except Exception as failed:
                self._outcome = failed
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome[0]

    def _end(self) -> None:
        if self._outcome is None:
            self._outcome = self._pending.cancelled()
        if self._running is not None:
            self._running.abort()
            if not (self._there.done() or self._there.get_loop().is_closed()):
                self._there.set_result(None)

    def __aiter__(self) -> AsyncIterator[Progress]:
        return self

    async def __anext__(self) -> Progress:
        if self._outcome is None:
            self._begin()
            try:
                seen = await self._seen.get()
            except BaseException:
                self._end()
                raise
            if seen is not None and self._outcome is None:
                return seen
            # For any other loop over it.
            self._seen.put_nowait(None)
        self._take()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Ends the operation, and what it has made, if its outcome was not taken yet."""
        self._end()

    async def __aenter__(self) -> Watch[T]:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()

    async def result(self) -> T:
        """Gives the outcome of the operation, as soon as there is one.

        An instance, or one outcome for each of many.
        """
        if self._outcome is None:
            self._begin()
            try:
                await asyncio.shield(self._there)
            except BaseException:
                self._end()
                raise
        return self._take()


class _Loop:
    """An event loop in a thread of its own, for one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        try:
            threading.Thread(target=self._run, name="spuff-asyncio", daemon=True).start()
        except RuntimeError:
            self.loop.close()
            raise

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


async def _watched(answer: Awaitable[T], may_cancel: bool) -> T:
    task = asyncio.ensure_future(answer)
    while not (await asyncio.wait([task], timeout=TICK))[0]:
        if may_cancel and is_cancelled():
            task.cancel()
    return task.result()


def wait_for_answer(answer: Awaitable[T], may_cancel: bool) -> T:
    """Waits for what an `async def` method of a provider gives.

    Cancels it when the operation's caller has left.
    """
    try:
        loop = _running_loop()
    except RuntimeError:
        # Python ends, and begins no thread any more: the loop is run here. Nothing has used another
        # one before.
        return asyncio.run(_watched(answer, may_cancel))
    future = asyncio.run_coroutine_threadsafe(_awaited(answer), loop)
    while not futures.wait([future], TICK).done:
        if may_cancel and is_cancelled():
            future.cancel()
    return future.result()
