from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar, final, overload

from typing_extensions import Unpack, disjoint_base

from . import _asyncio
from ._placement import Price
from ._tables import Instances, Outcomes, Snapshots
from ._values import Instance, InstanceRequest, Progress, Reaped, Snapshot, _Fields, _Seconds
from .errors import SpuffError

__all__ = ["AsyncProvider", "AsyncScope", "Provider", "Scope", "Verbs", "Watch"]

_OnProgress: TypeAlias = Callable[[Progress], object]
_OnFailure: TypeAlias = Literal["keep", "destroy_failed", "destroy_all"]

_T = TypeVar("_T")
_Verb: TypeAlias = Coroutine[Any, Any, _T]

@disjoint_base
class Verbs:
    """The operations of a provider. `Provider` and `AsyncProvider` have them."""

    @property
    def name(self) -> str:
        """The provider's name."""

    def supports_snapshots(self) -> bool:
        """Whether the snapshot operations work."""

@final
class Provider(Verbs):
    """A provider whose operations block.

    It may be used from many threads. As a context manager it waits, at the end, for what goes on in
    the background.
    """

    def create_instance(
        self,
        request: InstanceRequest | str | None = None,
        region_: str | None = None,
        size_: str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        **fields: Unpack[_Fields],
    ) -> Instance:
        """Creates an instance and returns it as soon as the cloud has accepted it: it may still be
        booting.

        Takes an `InstanceRequest`, or the name, the region and the size, and by keyword the other
        fields of one.
        """

    def create_and_wait(
        self,
        request: InstanceRequest | str | None = None,
        region_: str | None = None,
        size_: str | None = None,
        /,
        *,
        on_failure: Literal["destroy", "keep"] = "destroy",
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> Instance:
        """Creates an instance and waits until it is ready.

        One that does not become ready is destroyed, or with `on_failure="keep"` left as it is.

        One that was there before, as its `adopted` reports, is left, and so is one that could not
        be polled; the exception tells its id.
        """

    def destroy_instance(self, id: str, *, timeout: _Seconds | None = None) -> None:
        """Destroys an instance. One that is already gone is no error."""

    def get_instance(self, id: str, *, timeout: _Seconds | None = None) -> Instance | None:
        """Returns one instance, or `None` if it does not exist."""

    def list_instances(self, *, timeout: _Seconds | None = None) -> Instances:
        """Returns every instance that spuff manages, from all pages."""

    def wait_ready(
        self, id: str, *, timeout: _Seconds | None = None, on_progress: _OnProgress | None = None
    ) -> Instance:
        """Waits until the instance is active and has a public address.

        That does not mean that SSH or cloud-init is ready.
        """

    def create_snapshot(
        self,
        instance_id: str,
        name: str,
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> Snapshot:
        """Makes a snapshot and waits until it can be used."""

    def list_snapshots(self, *, timeout: _Seconds | None = None) -> Snapshots:
        """Gives every snapshot that spuff manages, from all pages."""

    def list_labelled_snapshots(
        self, *, timeout: _Seconds | None = None
    ) -> list[tuple[Snapshot, dict[str, str]]]:
        """Gives every snapshot that spuff manages, each with its labels."""

    def delete_snapshot(self, id: str, *, timeout: _Seconds | None = None) -> None:
        """Deletes a snapshot with all that it stores. One that is already gone is no error."""

    def resolve(self, key: str, *, timeout: _Seconds | None = None) -> Instance | None:
        """Returns the instance that was made under a key: that of an `UnknownOutcomeError`, or an
        `idempotency_key`.

        `None` when it is certain that there is none; where lists lag, that takes until they must
        have caught up.
        """

    def resolve_snapshot(self, key: str, *, timeout: _Seconds | None = None) -> Snapshot | None:
        """Gives the snapshot that was made under the key of an `UnknownOutcomeError`."""

    def set_labels(
        self, id: str, labels: dict[str, str], *, timeout: _Seconds | None = None
    ) -> None:
        """Adds labels to an instance, or replaces their values; other labels stay."""

    def get_ssh_keys(self, *, timeout: _Seconds | None = None) -> list[str]:
        """Gives the SSH keys of the account, as values that a request takes."""

    def hourly_price(self, region: str, size: str, *, timeout: _Seconds | None = None) -> Price:
        """Returns the hourly price of an instance by the provider's price list, without tax: the
        instance alone.

        Where no region is named, and the provider has no default, that is the price of the dearest.
        EC2's API has no prices: there it raises `NotSupportedError`.
        """

    def list_owned(self, owner: str, *, timeout: _Seconds | None = None) -> Instances:
        """Returns the instances of an owner, also stopped ones."""

    def renew(self, id: str, ttl: _Seconds, *, timeout: _Seconds | None = None) -> datetime:
        """Sets the lease of an instance to end that long from now. Returns the end."""

    def reap(
        self,
        *,
        expired: bool = False,
        older_than: _Seconds | None = None,
        owner: str | None = None,
        dry_run: bool = False,
        confirm_within: _Seconds | None = None,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> list[Reaped]:
        """Destroys the managed instances and snapshots that match every filter.

        One failure does not stop the rest. An instance whose lease was renewed meanwhile is left
        alone, and is not in the result.
        """

    def instance(
        self,
        request: InstanceRequest | str | None = None,
        region_: str | None = None,
        size_: str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> Scope[Instance]:
        """Makes an instance at the beginning of a `with`, waits for it, and destroys it at the end,
        whatever happens.

        One that was there before, as its `adopted` reports, is left.
        """

    def create_instances(
        self,
        requests: Iterable[InstanceRequest | str],
        *,
        concurrency: int = 16,
        on_failure: _OnFailure = "destroy_failed",
        wait_ready: bool = False,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> Outcomes:
        """Creates many instances at once, and waits for them with `wait_ready=True`.

        Takes requests, or names, with fields that they share. Gives an `Instance` or an exception
        for each, in order. `concurrency` is how many creates are in progress at once. Of those that
        do not become ready `"destroy_failed"` leaves none, `"keep"` leaves all; `"destroy_all"`
        destroys the whole fleet when one fails. What was there before, as its `adopted` reports, is
        left, and nothing is destroyed for one that could not be polled. When it is interrupted, or
        its `timeout` is over, it raises, and all that it has made is destroyed in the background.
        """

    def watch_create_instances(
        self,
        requests: Iterable[InstanceRequest | str],
        *,
        concurrency: int = 16,
        on_failure: _OnFailure = "destroy_failed",
        wait_ready: bool = False,
        timeout: _Seconds | None = None,
        **fields: Unpack[_Fields],
    ) -> Watch[Outcomes]:
        """Gives what `create_instances` reports as progress, to be iterated in a block that ends
        it.

        When the block is left early, all that was made is destroyed in the background.
        """

    def wait_ready_many(
        self,
        ids: Iterable[str],
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> Outcomes:
        """Waits until many instances are ready.

        Gives an `Instance` or an exception for each, in the order of the ids.
        """

    def destroy_instances(
        self,
        ids: Iterable[str],
        *,
        concurrency: int = 16,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> list[SpuffError | None]:
        """Destroys many instances; those that are already gone are no error.

        Gives `None` or an exception for each, in order.
        """

    def fleet(
        self,
        requests: Iterable[InstanceRequest | str],
        *,
        concurrency: int = 16,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> Scope[Instances]:
        """Makes many instances at the beginning of a `with`, waits for them, and destroys them at
        its end, in any case.

        When one fails, all are destroyed, and the first failure is raised; its `outcomes` tell what
        became of each. Those that were there before, as their `adopted` reports, are left.
        """

    # A text is an iterable of texts, too: it is taken as one id.
    @overload
    def watch(  # type: ignore[overload-overlap]
        self, ids: str, *, timeout: _Seconds | None = None
    ) -> Watch[Instance]:
        """Gives what `wait_ready` reports as progress, to be iterated: for progress bars."""

    @overload
    def watch(self, ids: Iterable[str], *, timeout: _Seconds | None = None) -> Watch[Outcomes]:
        """Gives what `wait_ready_many` reports as progress, to be iterated."""

    @property
    def aio(self) -> AsyncProvider:
        """The same provider for asyncio."""

    def __iter__(self) -> Iterator[Instance]: ...
    def __enter__(self) -> Provider: ...
    def __exit__(self, *_raised: object) -> None: ...

@final
class AsyncProvider(Verbs):
    """A provider whose operations are coroutines. Cancelling one ends its work.

    As an `async with` it waits, at the end, for what goes on in the background.
    """

    def create_instance(
        self,
        request: InstanceRequest | str | None = None,
        region_: str | None = None,
        size_: str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        **fields: Unpack[_Fields],
    ) -> _Verb[Instance]:
        """Creates an instance and returns it as soon as the cloud has accepted it: it may still be
        booting.

        Takes an `InstanceRequest`, or the name, the region and the size, and by keyword the other
        fields of one.
        """

    def create_and_wait(
        self,
        request: InstanceRequest | str | None = None,
        region_: str | None = None,
        size_: str | None = None,
        /,
        *,
        on_failure: Literal["destroy", "keep"] = "destroy",
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> _Verb[Instance]:
        """Creates an instance and waits until it is ready.

        One that does not become ready is destroyed, or with `on_failure="keep"` left as it is.

        One that was there before, as its `adopted` reports, is left, and so is one that could not
        be polled; the exception tells its id.
        """

    def destroy_instance(self, id: str, *, timeout: _Seconds | None = None) -> _Verb[None]:
        """Destroys an instance. One that is already gone is no error."""

    def get_instance(self, id: str, *, timeout: _Seconds | None = None) -> _Verb[Instance | None]:
        """Returns one instance, or `None` if it does not exist."""

    def list_instances(self, *, timeout: _Seconds | None = None) -> _Verb[Instances]:
        """Returns every instance that spuff manages, from all pages."""

    def wait_ready(
        self, id: str, *, timeout: _Seconds | None = None, on_progress: _OnProgress | None = None
    ) -> _Verb[Instance]:
        """Waits until the instance is active and has a public address.

        That does not mean that SSH or cloud-init is ready.
        """

    def create_snapshot(
        self,
        instance_id: str,
        name: str,
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> _Verb[Snapshot]:
        """Makes a snapshot and waits until it can be used."""

    def list_snapshots(self, *, timeout: _Seconds | None = None) -> _Verb[Snapshots]:
        """Gives every snapshot that spuff manages, from all pages."""

    def list_labelled_snapshots(
        self, *, timeout: _Seconds | None = None
    ) -> _Verb[list[tuple[Snapshot, dict[str, str]]]]:
        """Gives every snapshot that spuff manages, each with its labels."""

    def delete_snapshot(self, id: str, *, timeout: _Seconds | None = None) -> _Verb[None]:
        """Deletes a snapshot with all that it stores. One that is already gone is no error."""

    def resolve(self, key: str, *, timeout: _Seconds | None = None) -> _Verb[Instance | None]:
        """Returns the instance that was made under a key: that of an `UnknownOutcomeError`, or an
        `idempotency_key`.

        `None` when it is certain that there is none; where lists lag, that takes until they must
        have caught up.
        """

    def resolve_snapshot(
        self, key: str, *, timeout: _Seconds | None = None
    ) -> _Verb[Snapshot | None]:
        """Gives the snapshot that was made under the key of an `UnknownOutcomeError`."""

    def set_labels(
        self, id: str, labels: dict[str, str], *, timeout: _Seconds | None = None
    ) -> _Verb[None]:
        """Adds labels to an instance, or replaces their values; other labels stay."""

    def get_ssh_keys(self, *, timeout: _Seconds | None = None) -> _Verb[list[str]]:
        """Gives the SSH keys of the account, as values that a request takes."""

    def hourly_price(
        self, region: str, size: str, *, timeout: _Seconds | None = None
    ) -> _Verb[Price]:
        """Returns the hourly price of an instance by the provider's price list, without tax: the
        instance alone.

        Where no region is named, and the provider has no default, that is the price of the dearest.
        EC2's API has no prices: there it raises `NotSupportedError`.
        """

    def list_owned(self, owner: str, *, timeout: _Seconds | None = None) -> _Verb[Instances]:
        """Returns the instances of an owner, also stopped ones."""

    def renew(self, id: str, ttl: _Seconds, *, timeout: _Seconds | None = None) -> _Verb[datetime]:
        """Sets the lease of an instance to end that long from now. Returns the end."""

    def reap(
        self,
        *,
        expired: bool = False,
        older_than: _Seconds | None = None,
        owner: str | None = None,
        dry_run: bool = False,
        confirm_within: _Seconds | None = None,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> _Verb[list[Reaped]]:
        """Destroys the managed instances and snapshots that match every filter.

        One failure does not stop the rest. An instance whose lease was renewed meanwhile is left
        alone, and is not in the result.
        """

    def instance(
        self,
        request: InstanceRequest | str | None = None,
        region_: str | None = None,
        size_: str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> AsyncScope[Instance]:
        """Makes an instance at the beginning of an `async with`, waits for it, and destroys it at
        the end, whatever happens.

        One that was there before, as its `adopted` reports, is left.
        """

    def create_instances(
        self,
        requests: Iterable[InstanceRequest | str],
        *,
        concurrency: int = 16,
        on_failure: _OnFailure = "destroy_failed",
        wait_ready: bool = False,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> _Verb[Outcomes]:
        """Creates many instances at once, and waits for them with `wait_ready=True`.

        Takes requests, or names, with fields that they share. Gives an `Instance` or an exception
        for each, in order. `concurrency` is how many creates are in progress at once. Of those that
        do not become ready `"destroy_failed"` leaves none, `"keep"` leaves all; `"destroy_all"`
        destroys the whole fleet when one fails. What was there before, as its `adopted` reports, is
        left, and nothing is destroyed for one that could not be polled. When it is interrupted, or
        its `timeout` is over, it raises, and all that it has made is destroyed in the background.
        """

    def watch_create_instances(
        self,
        requests: Iterable[InstanceRequest | str],
        *,
        concurrency: int = 16,
        on_failure: _OnFailure = "destroy_failed",
        wait_ready: bool = False,
        timeout: _Seconds | None = None,
        **fields: Unpack[_Fields],
    ) -> _asyncio.Watch[Outcomes]:
        """Gives what `create_instances` reports as progress, to be iterated in a block that ends
        it.

        When the block is left early, all that was made is destroyed in the background.
        """

    def wait_ready_many(
        self,
        ids: Iterable[str],
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> _Verb[Outcomes]:
        """Waits until many instances are ready.

        Gives an `Instance` or an exception for each, in the order of the ids.
        """

    def destroy_instances(
        self,
        ids: Iterable[str],
        *,
        concurrency: int = 16,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
    ) -> _Verb[list[SpuffError | None]]:
        """Destroys many instances; those that are already gone are no error.

        Gives `None` or an exception for each, in order.
        """

    def fleet(
        self,
        requests: Iterable[InstanceRequest | str],
        *,
        concurrency: int = 16,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> AsyncScope[Instances]:
        """Makes many instances at the beginning of an `async with`, waits for them, and destroys
        them at its end, in any case.

        When one fails, all are destroyed, and the first failure is raised; its `outcomes` tell what
        became of each. Those that were there before, as their `adopted` reports, are left.
        """

    # A text is an iterable of texts, too: it is taken as one id.
    @overload
    def watch(  # type: ignore[overload-overlap]
        self, ids: str, *, timeout: _Seconds | None = None
    ) -> _asyncio.Watch[Instance]:
        """Gives what `wait_ready` reports as progress, to be iterated: for progress bars."""

    @overload
    def watch(
        self, ids: Iterable[str], *, timeout: _Seconds | None = None
    ) -> _asyncio.Watch[Outcomes]:
        """Gives what `wait_ready_many` reports as progress, to be iterated."""

    @property
    def blocking(self) -> Provider:
        """The same provider for threads that may block."""

    def __aiter__(self) -> AsyncIterator[Instance]: ...
    def __aenter__(self) -> _Verb[AsyncProvider]: ...
    def __aexit__(self, *_raised: object) -> _Verb[None]: ...

@final
class Scope(Generic[_T]):
    """Instances that are made at the beginning of a `with`, and destroyed at its end."""

    def __enter__(self) -> _T: ...
    def __exit__(self, *raised: object) -> None: ...

@final
class AsyncScope(Generic[_T]):
    """Instances that are made at the beginning of an `async with`, and destroyed at its end."""

    def __aenter__(self) -> _Verb[_T]: ...
    def __aexit__(self, *raised: object) -> _Verb[None]: ...

@final
class Watch(Generic[_T]):
    """A call, to be iterated: each item is a progress.

    It goes on between two turns. Until its outcome is taken, by the last turn or `result`, it ends,
    with what it has made, when it is closed, with the block of a `with`, when nobody holds it any
    more, or with Python.
    """

    def __iter__(self) -> Watch[_T]: ...
    def __next__(self) -> Progress: ...
    def __enter__(self) -> Watch[_T]: ...
    def __exit__(self, *_raised: object) -> None: ...
    def close(self) -> None:
        """Ends the operation, and what it has made, unless its outcome was taken.

        Any thread or signal handler may.

        A turn that is in progress ends with a `CancelledError`.
        """

    def result(self) -> _T:
        """Gives the outcome of the operation, as soon as there is one: an instance, or one outcome
        for each of many.
        """
