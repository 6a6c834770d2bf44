"""Providers written in Python, over clouds that are dictionaries: one with plain methods, one with
`async def`.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from datetime import datetime, timezone

import spuff


class Memory:
    """What exists. Machines boot for a moment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.machines: dict[str, spuff.Instance] = {}
        self.snapshots: dict[str, spuff.Snapshot] = {}

    def create(self, request: spuff.InstanceRequest) -> spuff.Instance:
        for field, value in (
            ("name", request.name),
            ("region", request.region),
            ("size", request.size),
        ):
            if not value:
                raise spuff.InvalidConfigError("must not be empty", field=field)
        if request.region != "east":
            raise spuff.InvalidConfigError("there is only east", field="region")
        if request.size != "small":
            raise spuff.InvalidConfigError("there is only small", field="size")
        with self.lock:
            if request.image.kind == "snapshot" and request.image.value not in self.snapshots:
                raise spuff.NotFoundError(resource_type="image", resource_id=request.image.value)
            machine = spuff.Instance(
                f"m-{uuid.uuid4().hex[:12]}",
                "192.0.2.1",
                "active",
                datetime.now(timezone.utc),
                name=request.name,
                region=request.region,
                size=request.size,
                labels={**request.labels, "managed-by": "spuff"},
            )
            self.machines[machine.id] = machine
        return machine

    def snapshot(self, instance_id: str, name: str) -> spuff.Snapshot:
        if not name:
            raise spuff.InvalidConfigError("must not be empty", field="name")
        with self.lock:
            if instance_id not in self.machines:
                raise spuff.NotFoundError(resource_type="instance", resource_id=instance_id)
            taken = spuff.Snapshot(f"s-{uuid.uuid4().hex[:12]}", name, datetime.now(timezone.utc))
            self.snapshots[taken.id] = taken
        return taken


MEMORY = Memory()


class FakeProvider:
    """Plain methods."""

    def __init__(self, config: spuff.ProviderConfig) -> None:
        self.config = config

    def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
        return MEMORY.create(request)

    def destroy_instance(self, id: str, /) -> None:
        MEMORY.machines.pop(id, None)

    def get_instance(self, id: str, /) -> spuff.Instance | None:
        return MEMORY.machines.get(id)

    def list_instances(self) -> list[spuff.Instance]:
        return list(MEMORY.machines.values())

    def create_snapshot(self, instance_id: str, name: str, /) -> spuff.Snapshot:
        return MEMORY.snapshot(instance_id, name)

    def list_snapshots(self) -> list[spuff.Snapshot]:
        return list(MEMORY.snapshots.values())

    def delete_snapshot(self, id: str, /) -> None:
        MEMORY.snapshots.pop(id, None)


class AsyncFakeProvider:
    """`async def` methods, without snapshots, and with a wait of its own."""

    def __init__(self, config: spuff.ProviderConfig) -> None:
        self.config = config

    async def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
        await asyncio.sleep(0)
        return MEMORY.create(request)

    async def destroy_instance(self, id: str, /) -> None:
        MEMORY.machines.pop(id, None)

    async def get_instance(self, id: str, /) -> spuff.Instance | None:
        await asyncio.sleep(0)
        return MEMORY.machines.get(id)

    async def list_instances(self) -> list[spuff.Instance]:
        return list(MEMORY.machines.values())

    async def wait_ready(self, id: str, /) -> spuff.Instance:
        machine = await self.get_instance(id)
        if machine is None:
            raise spuff.NotFoundError(resource_type="instance", resource_id=id)
        return machine
