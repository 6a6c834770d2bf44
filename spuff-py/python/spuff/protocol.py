"""The types of providers written in Python.

What a factory is given, and which methods its provider has.

A provider needs the first four methods. A `wait_ready` raises `TimeoutError`, `NotFoundError`,
`CapacityError`, `QuotaExceededError`, a `ConflictError` that does not pass, or `ApiError` with the
instance's `instance_id` where the instance itself has failed: for these alone it may be destroyed.
Any other exception says that it could not be looked at.

Without `wait_ready`, spuff polls `get_instance` until the instance is ready; without the snapshot
methods it supports no snapshots; without any other, that operation is not supported. Each of these
has a type of its own here (`WithBlockingPrices` and so on): a provider that names it as a base
class is checked against it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeAlias

from ._placement import Price
from ._spuff import Instance, InstanceRequest, ProviderConfig, Snapshot

__all__ = [
    "AsyncioProvider",
    "BlockingProvider",
    "ProviderFactory",
    "WithAsyncioLabels",
    "WithAsyncioPrices",
    "WithAsyncioResolve",
    "WithAsyncioSnapshotLabels",
    "WithAsyncioSnapshots",
    "WithAsyncioSshKeys",
    "WithAsyncioWait",
    "WithBlockingLabels",
    "WithBlockingPrices",
    "WithBlockingResolve",
    "WithBlockingSnapshotLabels",
    "WithBlockingSnapshots",
    "WithBlockingSshKeys",
    "WithBlockingWait",
]


class BlockingProvider(Protocol):
    """A provider with plain methods. Each runs in a thread of its own, where it may block."""

    def create_instance(self, request: InstanceRequest, /) -> Instance:
        """Creates an instance, which carries the request's labels and `managed-by=spuff`.

        One that the request's `idempotency_key` had made before is given back with `adopted=True`:
        no roll-back ends it.
        """
        ...

    def destroy_instance(self, id: str, /) -> None:
        """Destroys an instance. One that is already gone is no error."""
        ...

    def get_instance(self, id: str, /) -> Instance | None:
        """Returns one instance, or `None` if it does not exist."""
        ...

    def list_instances(self) -> Iterable[Instance]:
        """Returns every instance that spuff manages."""
        ...


class AsyncioProvider(Protocol):
    """A provider with `async def` methods.

    They run on an event loop of spuff's own, in another thread.
    """

    def create_instance(self, request: InstanceRequest, /) -> Awaitable[Instance]:
        """Creates an instance, which carries the request's labels and `managed-by=spuff`.

        One that the request's `idempotency_key` had made before is given back with `adopted=True`:
        no roll-back ends it.
        """
        ...

    def destroy_instance(self, id: str, /) -> Awaitable[None]:
        """Destroys an instance. One that is already gone is no error."""
        ...

    def get_instance(self, id: str, /) -> Awaitable[Instance | None]:
        """Returns one instance, or `None` if it does not exist."""
        ...

    def list_instances(self) -> Awaitable[Iterable[Instance]]:
        """Returns every instance that spuff manages."""
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


class WithBlockingWait(BlockingProvider, Protocol):
    """A provider with plain methods that has a way of its own to wait."""

    def wait_ready(self, id: str, /) -> Instance:
        """Waits until an instance is active and can be reached."""
        ...


class WithBlockingSnapshotLabels(BlockingProvider, Protocol):
    """A provider with plain methods that tells its snapshots' labels."""

    def list_labelled_snapshots(self) -> Iterable[tuple[Snapshot, dict[str, str]]]:
        """Gives every snapshot that spuff manages, each with its labels."""
        ...


class WithBlockingResolve(BlockingProvider, Protocol):
    """A provider with plain methods that finds what was made under a key."""

    def resolve(self, key: str, /) -> Instance | None:
        """Finds the instance that was made under a key.

        `None` when it is certain that there is none.
        """
        ...

    def resolve_snapshot(self, key: str, /) -> Snapshot | None:
        """Finds the snapshot that was made under a key.

        `None` when it is certain that there is none.
        """
        ...


class WithBlockingLabels(BlockingProvider, Protocol):
    """A provider with plain methods that can change labels."""

    def set_labels(self, id: str, labels: dict[str, str], /) -> None:
        """Adds labels to an instance, or replaces their values; other labels stay."""
        ...


class WithBlockingSshKeys(BlockingProvider, Protocol):
    """A provider with plain methods whose account has SSH keys."""

    def get_ssh_keys(self) -> Iterable[str]:
        """Gives the keys as values for `InstanceRequest.ssh_keys`."""
        ...


class WithBlockingPrices(BlockingProvider, Protocol):
    """A provider with plain methods that knows what instances cost."""

    def hourly_price(self, region: str, size: str, /) -> Price:
        """Returns the hourly price of an instance of that size in that region.

        Empty is the default.
        """
        ...


class WithAsyncioWait(AsyncioProvider, Protocol):
    """A provider with `async def` methods that has a way of its own to wait."""

    def wait_ready(self, id: str, /) -> Awaitable[Instance]:
        """Waits until an instance is active and can be reached."""
        ...


class WithAsyncioSnapshotLabels(AsyncioProvider, Protocol):
    """A provider with `async def` methods that tells its snapshots' labels."""

    def list_labelled_snapshots(self) -> Awaitable[Iterable[tuple[Snapshot, dict[str, str]]]]:
        """Gives every snapshot that spuff manages, each with its labels."""
        ...


class WithAsyncioResolve(AsyncioProvider, Protocol):
    """A provider with `async def` methods that finds what was made under a key."""

    def resolve(self, key: str, /) -> Awaitable[Instance | None]:
        """Finds the instance that was made under a key.

        `None` when it is certain that there is none.
        """
        ...

    def resolve_snapshot(self, key: str, /) -> Awaitable[Snapshot | None]:
        """Finds the snapshot that was made under a key.

        `None` when it is certain that there is none.
        """
        ...


class WithAsyncioLabels(AsyncioProvider, Protocol):
    """A provider with `async def` methods that can change labels."""

    def set_labels(self, id: str, labels: dict[str, str], /) -> Awaitable[None]:
        """Adds labels to an instance, or replaces their values; other labels stay."""
        ...


class WithAsyncioSshKeys(AsyncioProvider, Protocol):
    """A provider with `async def` methods whose account has SSH keys."""

    def get_ssh_keys(self) -> Awaitable[Iterable[str]]:
        """Gives the keys as values for `InstanceRequest.ssh_keys`."""
        ...


class WithAsyncioPrices(AsyncioProvider, Protocol):
    """A provider with `async def` methods that knows what instances cost."""

    def hourly_price(self, region: str, size: str, /) -> Awaitable[Price]:
        """Returns the hourly price of an instance of that size in that region.

        Empty is the default.
        """
        ...


ProviderFactory: TypeAlias = (
    Callable[[ProviderConfig], BlockingProvider] | Callable[[ProviderConfig], AsyncioProvider]
)
"""What makes a provider: a class, or a function."""
