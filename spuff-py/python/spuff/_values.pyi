from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from os import PathLike
from typing import Any, Literal, TypeAlias, TypedDict, final

from typing_extensions import Unpack

from ._nouns import Snapshot
from .errors import SpuffError

__all__ = [
    "Address",
    "ImageSpec",
    "Instance",
    "InstanceRequest",
    "InstanceStatus",
    "Progress",
    "ProviderConfig",
    "ProviderTimeouts",
    "Reaped",
]

_Seconds: TypeAlias = float | timedelta
_Text: TypeAlias = str | float | PathLike[str] | timedelta
_Option: TypeAlias = _Text | Sequence[_Text] | Mapping[str, _Text] | None

class _Fields(TypedDict, total=False):
    name: str
    region: str
    size: str
    image: ImageSpec | Snapshot | str
    user_data: str | bytes | bytearray | PathLike[str] | None
    labels: dict[str, str] | None
    ssh_keys: list[str]
    idempotency_key: str | None
    owner: str | None
    ttl: _Seconds | None
    on_cancel: Literal["destroy", "keep"] | None

@final
class InstanceStatus:
    """The state of an instance: `InstanceStatus.NEW`, `ACTIVE`, `OFF` or `ARCHIVE`, or a word that
    is none of them.

    It is made from a cloud's word, `InstanceStatus("running")`, and equals its word:
    `instance.status == "active"`.
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
    """What an instance boots from: `ImageSpec.ubuntu("24.04")`, `.debian("12")`, `.snapshot(id)`,
    or `.custom(id)`.

    The string forms `"ubuntu:24.04"`, `"debian:12"`, `"snapshot:ID"`, or the provider's own id, do
    as well.
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
    """An address of an instance."""

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
    """An instance, as it was when the cloud was asked."""

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
        adopted: bool = False,
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
    def adopted(self) -> bool:
        """Whether `create_instance` returned an existing instance that its `idempotency_key` had
        made before.
        """

    @property
    def is_ready(self) -> bool:
        """Whether it is active and has a public address."""

    @property
    def is_managed(self) -> bool:
        """Whether it carries `managed-by=spuff`."""

    @property
    def owner(self) -> str | None:
        """The owner, if its labels name one."""

    @property
    def expires_at(self) -> datetime | None:
        """The end of its lease, if it has one."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str, str, str, datetime], dict[str, Any]]: ...

@final
class InstanceRequest:
    """A request for an instance. What is left out is the provider's default."""

    def __new__(
        cls,
        name: str,
        region: str = ...,
        size: str = ...,
        *,
        image: ImageSpec | Snapshot | str | None = None,
        user_data: str | bytes | bytearray | PathLike[str] | None = None,
        labels: dict[str, str] | None = None,
        ssh_keys: list[str] = ...,
        idempotency_key: str | None = None,
        owner: str | None = None,
        ttl: _Seconds | None = None,
        on_cancel: Literal["destroy", "keep"] | None = None,
    ) -> InstanceRequest: ...
    @property
    def name(self) -> str:
        """The instance's name."""

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
        """The idempotency key: the same request under the same key returns the same instance."""

    @property
    def owner(self) -> str | None:
        """The owner: what `list_owned` and `reap` find it by."""

    @property
    def ttl(self) -> float | None:
        """How many seconds it is leased for: after that `reap` ends it."""

    @property
    def on_cancel(self) -> Literal["destroy", "keep"] | None:
        """What happens to the instance when its create is cancelled.

        Destroyed by default, or kept with an `idempotency_key`.
        """

    def replace(self, **changes: Unpack[_Fields]) -> InstanceRequest:
        """Gives the same request with other values for some fields."""

    def __replace__(self, **changes: Unpack[_Fields]) -> InstanceRequest: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class ProviderTimeouts:
    """How long to wait, and how often to poll: in seconds, or as `timedelta`."""

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
        """For an instance to become ready."""

    @property
    def action_complete(self) -> float:
        """For an action of the cloud, such as a snapshot."""

    @property
    def poll_interval(self) -> float:
        """The longest pause between two polls."""

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
        """How many polls at `poll_interval` fit into `instance_ready`; at least one."""

    @property
    def action_complete_attempts(self) -> int:
        """How many polls at `poll_interval` fit into `action_complete`; at least one."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[float, float, float, float, float, float]: ...

@final
class Progress:
    """One progress of a call that waits."""

    @property
    def operation(self) -> str:
        """The operation."""

    @property
    def id(self) -> str:
        """The id of the instance, snapshot or action concerned; empty while there is none."""

    @property
    def state(self) -> str:
        """The state, in words: `accepted`, `new`, `gone` …"""

    @property
    def elapsed(self) -> float:
        """Seconds since the operation began."""

    @property
    def phase(self) -> Literal["pending", "accepted", "booting", "ready", "destroyed", "failed"]:
        """How far it is."""

    @property
    def index(self) -> int | None:
        """Of an operation on many instances, the position of this one in what the operation was
        given.
        """

    @property
    def name(self) -> str:
        """Of an operation on many instances, the name of this one, where the operation was given
        names.
        """

    @property
    def instance(self) -> Instance | None:
        """The instance, where this tells that it was accepted or is ready."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class Reaped:
    """The result for one resource that `reap` found."""

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
        """Why it may still exist, where ending it has failed."""

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
        **options: _Option,
    ) -> ProviderConfig: ...
    @property
    def token(self) -> str:
        """The token in the clear; empty where none was given."""

    @property
    def endpoint(self) -> str | None:
        """The base URL of the API, where one was given."""

    @property
    def region(self) -> str | None:
        """The region that is used for requests that name none."""

    @property
    def timeouts(self) -> ProviderTimeouts:
        """How long to wait."""

    @property
    def ca_file(self) -> str | None:
        """A file of certificate authorities to trust in addition to those of the platform."""

    @property
    def options(self) -> dict[str, str]:
        """Options that only this provider knows."""
