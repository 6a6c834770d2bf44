"""The types of providers written in Python: what a factory is given, and which methods its provider has.

A provider needs the first four methods. A `wait_ready` raises `TimeoutError`, `NotFoundError`, `CapacityError`,
`QuotaExceededError`, a `ConflictError` that does not pass, or `ApiError` with the machine's `instance_id` where the machine
itself has failed: for these alone it may be destroyed. Any other exception says that it could not be looked at.

Without `wait_ready`, spuff looks at `get_instance` until the machine is ready; without
the snapshot methods it supports no snapshots; without any other, that verb is not supported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeAlias

from ._spuff import Instance, InstanceRequest, ProviderConfig, Snapshot

__all__ = ["AsyncioProvider", "BlockingProvider", "ProviderFactory", "WithAsyncioSnapshots", "WithBlockingSnapshots"]


class BlockingProvider(Protocol):
    """A provider with plain methods. Each runs in a thread of its own, where it may block."""

    def create_instance(self, request: InstanceRequest, /) -> Instance:
        """Starts a machine, which carries the request's labels and `managed-by=spuff`.

        One that the request's `idempotency_key` had made before is given back with `adopted=True`: no roll-back ends it.
        """
        ...

    def destroy_instance(self, id: str, /) -> None:
        """Ends a machine. One that is already gone is no error."""
        ...

    def get_instance(self, id: str, /) -> Instance | None:
        """Reads one machine; `None` when it does not exist."""
        ...

    def list_instances(self) -> Iterable[Instance]:
        """Gives every machine that spuff manages."""
        ...


class AsyncioProvider(Protocol):
    """A provider with `async def` methods. They run on an event loop of spuff's own, in another thread."""

    def create_instance(self, request: InstanceRequest, /) -> Awaitable[Instance]:
        """Starts a machine, which carries the request's labels and `managed-by=spuff`.

        One that the request's `idempotency_key` had made before is given back with `adopted=True`: no roll-back ends it.
        """
        ...

    def destroy_instance(self, id: str, /) -> Awaitable[None]:
        """Ends a machine. One that is already gone is no error."""
        ...

    def get_instance(self, id: str, /) -> Awaitable[Instance | None]:
        """Reads one machine; `None` when it does not exist."""
        ...

    def list_instances(self) -> Awaitable[Iterable[Instance]]:
        """Gives every machine that spuff manages."""
        ...


class WithBlockingSnapshots(BlockingProvider, Protocol):
    """A provider with plain methods that has snapshots."""

    def create_snapshot(self, instance_id: str, name: str, /) -> Snapshot:
        """Makes a snapshot and waits until it can be used."""
        ...

    def list_snapshots(self) -> Iterable[Snapshot]:
        """Gives every snapshot that spuff manages."""
        ...

    def delete_snapshot(self, id: str, /) -> None:
        """Deletes a snapshot. One that is already gone is no error."""
        ...


class WithAsyncioSnapshots(AsyncioProvider, Protocol):
    """A provider with `async def` methods that has snapshots."""

    def create_snapshot(self, instance_id: str, name: str, /) -> Awaitable[Snapshot]:
        """Makes a snapshot and waits until it can be used."""
        ...

    def list_snapshots(self) -> Awaitable[Iterable[Snapshot]]:
        """Gives every snapshot that spuff manages."""
        ...

    def delete_snapshot(self, id: str, /) -> Awaitable[None]:
        """Deletes a snapshot. One that is already gone is no error."""
        ...


ProviderFactory: TypeAlias = Callable[[ProviderConfig], BlockingProvider] | Callable[[ProviderConfig], AsyncioProvider]
"""What makes a provider: a class, or a function."""
