"""What the tests share: the two faces as one, clouds, and requests that fit them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple, cast

import pytest

import spuff
from spuff.simulator import Cloud

# These have an engine: tests/docker/with starts one, and tests/docker/languages runs them.
collect_ignore = [] if "SPUFF_TEST_ENGINE_DIR" in os.environ else ["docker"]

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


class OverAsyncio:
    """An `AsyncProvider` as if it blocked: each verb is awaited on the loop of the test."""

    def __init__(self, provider: spuff.AsyncProvider, loop: asyncio.AbstractEventLoop) -> None:
        self._provider = provider
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._provider, name)
        if not callable(verb):
            return verb

        def run(*args: Any, **keywords: Any) -> Any:
            answer = verb(*args, **keywords)
            return self._loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

        return run


class Face(NamedTuple):
    """One of the two faces."""

    name: str
    over: Callable[[spuff.Provider], spuff.Provider]
    run: Callable[[Callable[[], Any]], Any]


@pytest.fixture(params=["blocking", "asyncio"])
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    if request.param == "blocking":
        yield Face("blocking", lambda provider: provider, lambda work: work())
        return
    loop = asyncio.new_event_loop()

    def run(work: Callable[[], Any]) -> Any:
        answer = work()
        return loop.run_until_complete(cast(Coroutine[Any, Any, Any], answer))

    yield Face(
        "asyncio", lambda provider: cast(spuff.Provider, OverAsyncio(provider.aio, loop)), run
    )
    loop.close()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(speed=200) as cloud:
        yield cloud
        # What goes on in the background is ended before the next test of this process waits for it.
        with contextlib.suppress(RuntimeError):  # A test may have closed it.
            cloud.clear_faults()
        spuff.settled()


class Place(NamedTuple):
    """A cloud, and a region and size that it has."""

    name: str
    region: str
    size: str

    def request(self, name: str = "web-1", **fields: Any) -> spuff.InstanceRequest:
        return spuff.InstanceRequest(name, self.region, self.size, **fields)


PLACES = [
    Place("digitalocean", "nyc3", "s-1vcpu-1gb"),
    Place("hetzner", "fsn1", "cx22"),
    Place("aws", "us-east-1", "t3.micro"),
]
HETZNER = PLACES[1]


@pytest.fixture(params=PLACES, ids=lambda place: place.name)
def place(request: pytest.FixtureRequest) -> Place:
    return cast(Place, request.param)


@pytest.fixture
def provider(cloud: Cloud, place: Place, face: Face) -> spuff.Provider:
    return face.over(cloud.connect(place.name))


@pytest.fixture
def hetzner(cloud: Cloud) -> spuff.Provider:
    return cloud.connect("hetzner")


def quiet(cloud: Cloud) -> bool:
    """Whether no request comes any more, after the look that was on its way."""
    time.sleep(0.1)
    before = cloud.request_count("hetzner")
    time.sleep(0.5)
    return cloud.request_count("hetzner") == before
