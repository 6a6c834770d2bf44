"""Whose background is waited for: of a provider, by its block; of all, by `settled`."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import spuff
import spuff.aio
from conftest import Face
from spuff.simulator import Cloud

FIELDS: dict[str, Any] = {"region": "fsn1", "size": "cx22"}


def leave_a_create(cloud: Cloud, hetzner: spuff.Provider) -> None:
    """Leaves a create in the background, which has been sent."""
    with hetzner.watch_create_instances(["web-1"], **FIELDS):
        while not cloud.request_count("hetzner", "create_instance"):
            time.sleep(0.01)


def test_a_block_of_a_provider_waits_for_its_own_creates_alone(cloud: Cloud, face: Face) -> None:
    hetzner, digitalocean = cloud.connect("hetzner"), cloud.connect("digitalocean")
    cloud.inject("slow", millis=1500, provider="hetzner", route="create_instance", times=2)
    leave_a_create(cloud, hetzner)
    creating = threading.Thread(target=lambda: hetzner.create_instance("web-2", **FIELDS))
    creating.start()

    async def leave(provider: spuff.AsyncProvider) -> None:
        async with provider:
            pass

    def block(provider: spuff.Provider) -> None:
        if face.name == "blocking":
            with provider:
                pass
        else:
            face.run(lambda: leave(provider.aio))

    block(digitalocean)
    assert cloud.request_count("hetzner", "destroy_instance") == 0, "that is still to come"
    block(hetzner)
    assert cloud.request_count("hetzner", "destroy_instance") == 1
    creating.join()
    assert [one.name for one in cloud.leaks()] == ["web-2"]


def test_settled_does_not_wait_for_creates_whose_callers_do(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    cloud.inject("slow", millis=3000, provider="hetzner", route="create_instance", times=1)
    creating = threading.Thread(target=lambda: hetzner.create_instance("web-1", **FIELDS))
    creating.start()
    while not cloud.request_count("hetzner", "create_instance"):
        time.sleep(0.01)

    async def main() -> None:
        ours = asyncio.ensure_future(hetzner.aio.create_instance("web-2", **FIELDS))
        await asyncio.sleep(0)
        await spuff.aio.settled()
        await ours

    spuff.settled()
    assert creating.is_alive(), "its reply is still to come"
    creating.join()
    asyncio.run(main())
    assert len(cloud.leaks()) == 2


def test_a_simulated_cloud_that_closes_settles_first() -> None:
    with Cloud(speed=60) as cloud:
        hetzner = cloud.connect("hetzner")
        cloud.inject("slow", millis=500, provider="hetzner", route="create_instance", times=1)
        leave_a_create(cloud, hetzner)
    with pytest.raises(RuntimeError, match="closed"):
        cloud.leaks()
