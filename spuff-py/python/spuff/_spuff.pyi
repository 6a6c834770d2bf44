from asyncio import AbstractEventLoop, Future
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, final

from typing_extensions import Self, Unpack, disjoint_base

from . import _asyncio
from ._tables import Instances, Snapshots
from .errors import SpuffError
from .protocol import ProviderFactory

__version__: str
ERROR_KINDS: list[tuple[int, str, str]]

_Seconds: TypeAlias = float | timedelta
_OnProgress: TypeAlias = Callable[[Progress], object]

_T = TypeVar("_T")
_Verb: TypeAlias = Coroutine[Any, Any, _T]

class _Fields(TypedDict, total=False):
    name: str
    region: str
    size: str
    image: ImageSpec | Snapshot | str
    user_data: str | None
    labels: dict[str, str] | None
    ssh_keys: list[str]
    idempotency_key: str | None
    owner: str | None
    ttl: _Seconds | None
    on_cancel: Literal["destroy", "keep"] | None

@final
class InstanceStatus:
    """The state of a machine: `InstanceStatus.NEW`, `ACTIVE`, `OFF` or `ARCHIVE`, or a word that is none of them.

    It is made from a cloud's word, `InstanceStatus("running")`, and equals its word: `machine.status == "active"`.
    """

    NEW: InstanceStatus
    """Being created or started."""
    ACTIVE: InstanceStatus
    """Running."""
    OFF: InstanceStatus
    """Stopped, or stopping. It is still paid for."""
    ARCHIVE: InstanceStatus
    """Archived or terminated."""
    def __new__(cls, word: str) -> InstanceStatus: ...
    @property
    def is_known(self) -> bool:
        """Whether it is one of the four, and not just a word."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[str]: ...

@final
class ImageSpec:
    """What a machine boots from: `ImageSpec.ubuntu("24.04")`, `.debian("12")`, `.snapshot(id)`, or `.custom(id)`.

    The string forms `"ubuntu:24.04"`, `"debian:12"`, `"snapshot:ID"`, or the provider's own id, do as well.
    """

    def __new__(cls, text: str = "ubuntu:24.04") -> ImageSpec: ...
    @staticmethod
    def ubuntu(version: str) -> ImageSpec:
        """An Ubuntu release, such as `24.04`."""

    @staticmethod
    def debian(version: str) -> ImageSpec:
        """A Debian release, such as `12`."""

    @staticmethod
    def custom(id: str) -> ImageSpec:
        """The provider's own id or slug."""

    @staticmethod
    def snapshot(id: str) -> ImageSpec:
        """The id of a snapshot."""

    @property
    def kind(self) -> str:
        """`ubuntu`, `debian`, `custom` or `snapshot`."""

    @property
    def value(self) -> str:
        """The release, or the id."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Callable[[str], ImageSpec], tuple[str]]: ...

@final
class Address:
    """An address of a machine."""

    def __new__(cls, ip: IPv4Address | IPv6Address | str, public: bool = True) -> Address: ...
    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The address."""

    @property
    def public(self) -> bool:
        """Whether it can be reached from the internet."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[str, bool]: ...

@final
class Instance:
    """A machine, as it was when the cloud was asked."""

    def __new__(
        cls,
        id: str,
        ip: IPv4Address | IPv6Address | str | None = None,
        status: InstanceStatus | str | None = None,
        created_at: datetime | None = None,
        *,
        name: str = ...,
        region: str = ...,
        size: str = ...,
        labels: dict[str, str] | None = None,
        addresses: list[Address] = ...,
    ) -> Instance: ...
    @property
    def id(self) -> str:
        """The provider's id."""

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The public address, IPv4 before IPv6; `0.0.0.0` until there is one."""

    @property
    def status(self) -> InstanceStatus:
        """The state."""

    @property
    def created_at(self) -> datetime:
        """When it was created."""

    @property
    def name(self) -> str:
        """The name given at creation."""

    @property
    def region(self) -> str:
        """The region or location."""

    @property
    def size(self) -> str:
        """The size or type."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels, with `managed-by`."""

    @property
    def addresses(self) -> list[Address]:
        """Every address, public and private."""

    @property
    def is_ready(self) -> bool:
        """Whether it is active and has a public address."""

    @property
    def is_managed(self) -> bool:
        """Whether it carries `managed-by=spuff`."""

    @property
    def owner(self) -> str | None:
        """Whose machine it is, if its labels say so."""

    @property
    def expires_at(self) -> datetime | None:
        """The end of its lease, if it has one."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str, str, str, datetime], dict[str, Any]]: ...

@final
class Snapshot:
    """A snapshot of a machine. It can be given as the `image` of a request."""

    def __new__(cls, id: str, name: str = ..., created_at: datetime | None = None) -> Snapshot: ...
    @property
    def id(self) -> str:
        """The provider's id."""

    @property
    def name(self) -> str:
        """The name given at creation."""

    @property
    def created_at(self) -> datetime | None:
        """When it was created, where the cloud says so."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[str, str, datetime | None]: ...

@final
class InstanceRequest:
    """A machine to be started. What is left out is the provider's default."""

    def __new__(
        cls,
        name: str,
        region: str = ...,
        size: str = ...,
        *,
        image: ImageSpec | Snapshot | str | None = None,
        user_data: str | None = None,
        labels: dict[str, str] | None = None,
        ssh_keys: list[str] = ...,
        idempotency_key: str | None = None,
        owner: str | None = None,
        ttl: _Seconds | None = None,
        on_cancel: Literal["destroy", "keep"] | None = None,
    ) -> InstanceRequest: ...
    @property
    def name(self) -> str:
        """The machine's name."""

    @property
    def region(self) -> str:
        """The region or location. Empty: the provider's default."""

    @property
    def size(self) -> str:
        """The size or type."""

    @property
    def image(self) -> ImageSpec:
        """The image to boot from."""

    @property
    def user_data(self) -> str | None:
        """A cloud-init document or script. `repr` shows its length only."""

    @property
    def labels(self) -> dict[str, str]:
        """Labels; `managed-by=spuff` is always added."""

    @property
    def ssh_keys(self) -> list[str]:
        """SSH keys by id, name or fingerprint, as the provider has them. None by default."""

    @property
    def idempotency_key(self) -> str | None:
        """A key of one's own that stands for this one machine: the same request under the same key gives the same machine."""

    @property
    def owner(self) -> str | None:
        """Whose machine it is: what `list_owned` and `reap` find it by."""

    @property
    def ttl(self) -> float | None:
        """How many seconds it is leased for: after that `reap` ends it."""

    @property
    def on_cancel(self) -> Literal["destroy", "keep"] | None:
        """What becomes of the machine when its create is cancelled. Destroyed by default, or kept with an `idempotency_key`."""

    def replace(self, **changes: Unpack[_Fields]) -> InstanceRequest:
        """Gives the same request with other values for some fields."""

    def __replace__(self, **changes: Unpack[_Fields]) -> InstanceRequest: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class ProviderTimeouts:
    """How long to wait, and how often to look: in seconds, or as `timedelta`."""

    def __new__(
        cls,
        instance_ready: _Seconds = 300,
        action_complete: _Seconds = 600,
        poll_interval: _Seconds = 5,
        http_request: _Seconds = 30,
        ssh_connect: _Seconds = 300,
        cloud_init: _Seconds = 600,
    ) -> ProviderTimeouts: ...
    @property
    def instance_ready(self) -> float:
        """For a machine to become ready."""

    @property
    def action_complete(self) -> float:
        """For an action of the cloud, such as a snapshot."""

    @property
    def poll_interval(self) -> float:
        """The longest pause between two looks."""

    @property
    def http_request(self) -> float:
        """For one HTTP request."""

    @property
    def ssh_connect(self) -> float:
        """For a caller that connects by SSH. spuff itself does not."""

    @property
    def cloud_init(self) -> float:
        """For a caller that waits for cloud-init. spuff itself does not."""

    @property
    def instance_ready_attempts(self) -> int:
        """How many looks at `poll_interval` fit into `instance_ready`; at least one."""

    @property
    def action_complete_attempts(self) -> int:
        """How many looks at `poll_interval` fit into `action_complete`; at least one."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[float, float, float, float, float, float]: ...

@final
class Progress:
    """Something that a call has seen while it waits."""

    @property
    def operation(self) -> str:
        """The verb."""

    @property
    def id(self) -> str:
        """What it is about: the id of a machine, snapshot or action."""

    @property
    def state(self) -> str:
        """What was seen, in words: `accepted`, `new`, `gone` …"""

    @property
    def elapsed(self) -> float:
        """Seconds since the verb began."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class Reaped:
    """What became of one thing that `reap` found."""

    @property
    def kind(self) -> str:
        """`instance` or `snapshot`."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def owner(self) -> str | None:
        """Its owner, if it has one."""

    @property
    def expires_at(self) -> datetime | None:
        """The end of its lease, if it has one."""

    @property
    def ended(self) -> bool:
        """Whether it has been ended, and was seen to be gone."""

    @property
    def error(self) -> SpuffError | None:
        """Why it still exists, where ending it has failed."""

@final
class ProviderConfig:
    """How to reach a provider: what a factory written in Python is given.

    It cannot be pickled, as it holds the token; `repr` does not show that either.
    """

    def __new__(
        cls,
        token: str | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        timeouts: ProviderTimeouts | None = None,
        **options: object,
    ) -> ProviderConfig: ...
    @property
    def token(self) -> str:
        """The token in the clear; empty where none was given."""

    @property
    def endpoint(self) -> str | None:
        """The base URL of the API, where one was given."""

    @property
    def region(self) -> str | None:
        """The region that is used where a request names none."""

    @property
    def timeouts(self) -> ProviderTimeouts:
        """How long to wait."""

    @property
    def ca_file(self) -> str | None:
        """A file of certificate authorities to trust beside those of the platform."""

    @property
    def options(self) -> dict[str, str]:
        """Options that only this provider knows."""

@final
class OptionDescription:
    """One option of a provider's configuration."""

    @property
    def name(self) -> str:
        """`token`, `endpoint`, `region`, or the keyword of another option."""

    @property
    def doc(self) -> str:
        """What it means, with its default."""

    @property
    def required(self) -> bool:
        """Whether the provider cannot work without it."""

    @property
    def secret(self) -> bool:
        """Whether its value must not be shown."""

    @property
    def env(self) -> list[str]:
        """The environment variables it is read from, the first that is set."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class ProviderDescription:
    """What a provider takes and can do."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def summary(self) -> str:
        """What it is, in a line."""

    @property
    def options(self) -> list[OptionDescription]:
        """The options of its configuration."""

    @property
    def snapshots(self) -> bool:
        """Whether the snapshot verbs work."""

    @property
    def ssh_keys(self) -> bool:
        """Whether the account's keys can be read."""

    @property
    def labels(self) -> bool:
        """Whether label values are kept."""

    @property
    def max_user_data(self) -> int:
        """The most bytes of `user_data`; 0 where there is none."""

@final
class ProviderRegistry:
    """The providers that can be used, by name. A registry is a value: what is registered in one is in no other."""

    def __new__(cls) -> ProviderRegistry: ...
    @staticmethod
    def with_defaults() -> ProviderRegistry:
        """A registry with every provider of this build, and those of others.

        These are the ones that were declared with `@spuff.provider`, and those that installed packages offer under the
        entry points `spuff.providers`.
        """

    def register(
        self,
        name: str,
        factory: ProviderFactory,
        *,
        summary: str | None = None,
        snapshots: bool | None = None,
        ssh_keys: bool | None = None,
        labels: bool = True,
        max_user_data: int = 0,
        token_required: bool = True,
    ) -> None:
        """Adds a provider written in Python: `factory(config)` makes it. It takes the place of one of the same name."""

    def create_by_name(self, name: str, token: str, timeouts: ProviderTimeouts | None = None) -> Provider:
        """Makes a provider from its name or alias and a token."""

    def connect(
        self,
        name: str,
        token: str | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        timeouts: ProviderTimeouts | None = None,
        **options: object,
    ) -> Provider:
        """Makes a provider from its name or alias and a whole configuration. The environment is not read."""

    def from_env(
        self,
        name: str,
        token: str | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        timeouts: ProviderTimeouts | None = None,
        **options: object,
    ) -> Provider:
        """As `connect`; what is left out comes from the environment variables that the provider describes."""

    def describe(self, name: str) -> ProviderDescription:
        """What a registered provider takes and can do."""

    def registered_providers(self) -> list[str]:
        """Every registered provider, in the order of their names."""

    def implemented_providers(self) -> list[str]:
        """Every registered provider that can be created, in the order of their names."""

    def is_registered(self, name: str) -> bool:
        """Whether a provider of that name or alias is registered."""

    def __contains__(self, name: str, /) -> bool: ...

@disjoint_base
class Verbs:
    """The verbs of a provider. `Provider` and `AsyncProvider` have them."""

    @property
    def name(self) -> str:
        """The provider's name."""

    def supports_snapshots(self) -> bool:
        """Whether the snapshot verbs work."""

@final
class Provider(Verbs):
    """A provider whose verbs block.

    It may be used from many threads. As a context manager it waits, at the end, for what goes on in the background.
    """

    def create_instance(
        self,
        request: InstanceRequest | str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        **fields: Unpack[_Fields],
    ) -> Instance:
        """Starts a machine and gives it as soon as the cloud has accepted it: it may still be booting.

        Takes an `InstanceRequest`, or the name and the other fields of one.
        """

    def create_and_wait(
        self,
        request: InstanceRequest | str | None = None,
        /,
        *,
        on_failure: Literal["destroy", "keep"] = "destroy",
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> Instance:
        """Starts a machine and waits until it is ready. One that does not become ready is destroyed, or with
        `on_failure="keep"` left as it is.
        """

    def destroy_instance(self, id: str, *, timeout: _Seconds | None = None) -> None:
        """Ends a machine. One that is already gone is no error."""

    def get_instance(self, id: str, *, timeout: _Seconds | None = None) -> Instance | None:
        """Reads one machine; `None` when it does not exist (any more)."""

    def list_instances(self, *, timeout: _Seconds | None = None) -> Instances:
        """Gives every machine that spuff manages, from all pages."""

    def wait_ready(self, id: str, *, timeout: _Seconds | None = None, on_progress: _OnProgress | None = None) -> Instance:
        """Waits until the machine is active and has a public address. That does not mean that SSH or cloud-init is ready."""

    def create_snapshot(
        self, instance_id: str, name: str, *, timeout: _Seconds | None = None, on_progress: _OnProgress | None = None
    ) -> Snapshot:
        """Makes a snapshot and waits until it can be used."""

    def list_snapshots(self, *, timeout: _Seconds | None = None) -> Snapshots:
        """Gives every snapshot that spuff manages, from all pages."""

    def list_labelled_snapshots(self, *, timeout: _Seconds | None = None) -> list[tuple[Snapshot, dict[str, str]]]:
        """Gives every snapshot that spuff manages, each with its labels."""

    def delete_snapshot(self, id: str, *, timeout: _Seconds | None = None) -> None:
        """Deletes a snapshot with all that it stores. One that is already gone is no error."""

    def resolve(self, key: str, *, timeout: _Seconds | None = None) -> Instance | None:
        """Gives the machine that was made under a key: that of an `UnknownOutcomeError`, or an `idempotency_key`.

        `None` when it is certain that there is none; where lists lag, that takes until they must have caught up.
        """

    def resolve_snapshot(self, key: str, *, timeout: _Seconds | None = None) -> Snapshot | None:
        """Gives the snapshot that was made under the key of an `UnknownOutcomeError`."""

    def set_labels(self, id: str, labels: dict[str, str], *, timeout: _Seconds | None = None) -> None:
        """Adds labels to a machine, or replaces their values; other labels stay."""

    def get_ssh_keys(self, *, timeout: _Seconds | None = None) -> list[str]:
        """Gives the SSH keys of the account, as values that a request takes."""

    def list_owned(self, owner: str, *, timeout: _Seconds | None = None) -> Instances:
        """Gives the machines of an owner, also stopped ones."""

    def renew(self, id: str, ttl: _Seconds, *, timeout: _Seconds | None = None) -> datetime:
        """Lets the lease of a machine end that long from now. Tells when that is."""

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
        """Ends machines and snapshots that spuff manages: those of which all that is said is true.

        Each has a result of its own, so that one that cannot be ended does not keep the others alive.
        """

    def instance(
        self,
        request: InstanceRequest | str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> InstanceScope:
        """Makes a machine at the beginning of a `with`, waits for it, and destroys it at the end, whatever happens."""

    def watch(self, id: str, *, timeout: _Seconds | None = None) -> Watch:
        """Gives what `wait_ready` sees on its way, to be looped over: for progress bars."""

    @property
    def aio(self) -> AsyncProvider:
        """The same provider for asyncio."""

    def __iter__(self) -> Iterator[Instance]: ...
    def __enter__(self) -> Provider: ...
    def __exit__(self, *_raised: object) -> None: ...

@final
class AsyncProvider(Verbs):
    """A provider whose verbs are coroutines. Cancelling one ends its work.

    As an `async with` it waits, at the end, for what goes on in the background.
    """

    def create_instance(
        self,
        request: InstanceRequest | str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        **fields: Unpack[_Fields],
    ) -> _Verb[Instance]:
        """Starts a machine and gives it as soon as the cloud has accepted it: it may still be booting.

        Takes an `InstanceRequest`, or the name and the other fields of one.
        """

    def create_and_wait(
        self,
        request: InstanceRequest | str | None = None,
        /,
        *,
        on_failure: Literal["destroy", "keep"] = "destroy",
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> _Verb[Instance]:
        """Starts a machine and waits until it is ready. One that does not become ready is destroyed, or with
        `on_failure="keep"` left as it is.
        """

    def destroy_instance(self, id: str, *, timeout: _Seconds | None = None) -> _Verb[None]:
        """Ends a machine. One that is already gone is no error."""

    def get_instance(self, id: str, *, timeout: _Seconds | None = None) -> _Verb[Instance | None]:
        """Reads one machine; `None` when it does not exist (any more)."""

    def list_instances(self, *, timeout: _Seconds | None = None) -> _Verb[Instances]:
        """Gives every machine that spuff manages, from all pages."""

    def wait_ready(self, id: str, *, timeout: _Seconds | None = None, on_progress: _OnProgress | None = None) -> _Verb[Instance]:
        """Waits until the machine is active and has a public address. That does not mean that SSH or cloud-init is ready."""

    def create_snapshot(
        self, instance_id: str, name: str, *, timeout: _Seconds | None = None, on_progress: _OnProgress | None = None
    ) -> _Verb[Snapshot]:
        """Makes a snapshot and waits until it can be used."""

    def list_snapshots(self, *, timeout: _Seconds | None = None) -> _Verb[Snapshots]:
        """Gives every snapshot that spuff manages, from all pages."""

    def list_labelled_snapshots(self, *, timeout: _Seconds | None = None) -> _Verb[list[tuple[Snapshot, dict[str, str]]]]:
        """Gives every snapshot that spuff manages, each with its labels."""

    def delete_snapshot(self, id: str, *, timeout: _Seconds | None = None) -> _Verb[None]:
        """Deletes a snapshot with all that it stores. One that is already gone is no error."""

    def resolve(self, key: str, *, timeout: _Seconds | None = None) -> _Verb[Instance | None]:
        """Gives the machine that was made under a key: that of an `UnknownOutcomeError`, or an `idempotency_key`.

        `None` when it is certain that there is none; where lists lag, that takes until they must have caught up.
        """

    def resolve_snapshot(self, key: str, *, timeout: _Seconds | None = None) -> _Verb[Snapshot | None]:
        """Gives the snapshot that was made under the key of an `UnknownOutcomeError`."""

    def set_labels(self, id: str, labels: dict[str, str], *, timeout: _Seconds | None = None) -> _Verb[None]:
        """Adds labels to a machine, or replaces their values; other labels stay."""

    def get_ssh_keys(self, *, timeout: _Seconds | None = None) -> _Verb[list[str]]:
        """Gives the SSH keys of the account, as values that a request takes."""

    def list_owned(self, owner: str, *, timeout: _Seconds | None = None) -> _Verb[Instances]:
        """Gives the machines of an owner, also stopped ones."""

    def renew(self, id: str, ttl: _Seconds, *, timeout: _Seconds | None = None) -> _Verb[datetime]:
        """Lets the lease of a machine end that long from now. Tells when that is."""

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
        """Ends machines and snapshots that spuff manages: those of which all that is said is true.

        Each has a result of its own, so that one that cannot be ended does not keep the others alive.
        """

    def instance(
        self,
        request: InstanceRequest | str | None = None,
        /,
        *,
        timeout: _Seconds | None = None,
        on_progress: _OnProgress | None = None,
        **fields: Unpack[_Fields],
    ) -> AsyncInstanceScope:
        """Makes a machine at the beginning of a `async with`, waits for it, and destroys it at the end, whatever happens."""

    def watch(self, id: str, *, timeout: _Seconds | None = None) -> _asyncio.Watch:
        """Gives what `wait_ready` sees on its way, to be looped over: for progress bars."""

    @property
    def blocking(self) -> Provider:
        """The same provider for threads that may block."""

    def __aiter__(self) -> AsyncIterator[Instance]: ...
    def __aenter__(self) -> _Verb[AsyncProvider]: ...
    def __aexit__(self, *_raised: object) -> _Verb[None]: ...

@final
class InstanceScope:
    """A machine that is made at the beginning of a `with`, and destroyed at its end."""

    def __enter__(self) -> Instance: ...
    def __exit__(self, *raised: object) -> None: ...

@final
class AsyncInstanceScope:
    """A machine that is made at the beginning of an `async with`, and destroyed at its end."""

    def __aenter__(self) -> _Verb[Instance]: ...
    def __aexit__(self, *raised: object) -> _Verb[None]: ...

@final
class Watch:
    """A wait for a machine, to be looped over."""

    def __iter__(self) -> Watch: ...
    def __next__(self) -> Progress: ...
    def result(self) -> Instance:
        """The machine, as soon as it is ready."""

@final
class Pending:
    """A verb that runs when its coroutine is awaited."""

    def begin(self, event_loop: AbstractEventLoop, future: Future[Any]) -> Running:
        """Runs the verb, and gives its outcome to a future of the event loop."""

@final
class Running:
    """A verb that runs."""

    def abort(self) -> None:
        """Drops the verb. One that is done does not notice."""

@disjoint_base
class Cloud:
    """Three simulated clouds on the loopback interface: what `spuff.simulator.Cloud` stands on."""

    def __new__(
        cls,
        *,
        speed: float = 1.0,
        manual: bool = False,
        seed: int = 0,
        port: int = 0,
        rate_limits: bool = False,
        quota: int | None = None,
        tokens: list[str] = ...,
        kept_requests: int | None = None,
        timings: dict[str, dict[str, float]] | None = None,
    ) -> Self: ...
    def close(self) -> None:
        """Ends it."""

    @property
    def address(self) -> str:
        """Where it listens: `127.0.0.1:PORT`."""

    def connect(self, name: str, *, timeouts: ProviderTimeouts | None = None, **options: object) -> Provider:
        """Gives a provider that is wired to it."""

    def config(self, name: str) -> ProviderConfig:
        """Gives the configuration that wires a provider to it."""

    def environment(self) -> dict[str, str]:
        """Gives the environment variables that point the clouds' own tools, and `spuff.connect`, at it."""

    @property
    def now(self) -> datetime:
        """The cloud's time."""

    def advance(self, by: _Seconds) -> None:
        """Moves the cloud's time on."""

    def hits(self, fault: int) -> int:
        """Tells how many requests a fault has struck."""

    def clear_faults(self) -> None:
        """Lets nothing go wrong any more."""

    def request_count(self, provider: str, route: str | None = None) -> int:
        """Tells how many requests a cloud was sent: of one kind, or all."""

    def _inject(self, rule: str) -> int: ...
    def _requests(self) -> str: ...
    def _instances(self) -> str: ...
    def _snapshots(self) -> str: ...
    def _leaks(self) -> str: ...
    def _bill(self) -> tuple[str, str]: ...

def settled() -> None:
    """Waits until nothing is under way in the background any more.

    That is a create that was interrupted or cancelled, or a destroy of what it has made. When Python ends it waits for that by
    itself.
    """

def settled_async() -> _Verb[None]:
    """Waits until nothing is under way in the background any more, as `spuff.settled` does."""

def is_cancelled() -> bool:
    """Tells a method of a provider that takes long whether nobody waits for it any more."""

def describe_error(error: SpuffError) -> tuple[str, bool]: ...
def check_provider(
    factory: ProviderFactory,
    name: str,
    request: InstanceRequest,
    absent_id: str,
    *,
    absent_snapshot_id: str | None = None,
    config: ProviderConfig | None = None,
    settling: _Seconds | None = None,
    snapshots: bool = True,
    ssh_keys: bool = False,
    labels: bool = True,
    max_user_data: int = 0,
    default_size: bool = False,
    idempotent: bool = False,
    at_once: int = 8,
    check: str | None = None,
) -> tuple[str, str]: ...
def checks() -> list[str]:
    """Gives the names of the checks."""
