from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from datetime import datetime
from typing import Any, final

from typing_extensions import Self, disjoint_base

from ._nouns import *  # noqa: F403
from ._placement import Attempt as Attempt
from ._placement import Candidate as Candidate
from ._placement import Placed as Placed
from ._placement import Price as Price
from ._placement import place_instance as place_instance
from ._placement import place_instance_async as place_instance_async
from ._placement import place_instances as place_instances
from ._placement import place_instances_async as place_instances_async
from ._values import Address as Address
from ._values import ImageSpec as ImageSpec
from ._values import Instance as Instance
from ._values import InstanceRequest as InstanceRequest
from ._values import InstanceStatus as InstanceStatus
from ._values import Progress as Progress
from ._values import ProviderConfig as ProviderConfig
from ._values import ProviderTimeouts as ProviderTimeouts
from ._values import Reaped as Reaped
from ._values import _Option, _Seconds
from ._verbs import AsyncProvider as AsyncProvider
from ._verbs import AsyncScope as AsyncScope
from ._verbs import Provider as Provider
from ._verbs import Scope as Scope
from ._verbs import Verbs as Verbs
from ._verbs import Watch as Watch
from ._verbs import _Verb
from .errors import SpuffError
from .protocol import ProviderFactory

__version__: str
ERROR_KINDS: list[tuple[int, str, str]]

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
    """The options and capabilities of a provider."""

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
        """Whether the snapshot operations work."""

    @property
    def ssh_keys(self) -> bool:
        """Whether the account's keys can be read."""

    @property
    def labels(self) -> bool:
        """Whether label values are kept."""

    @property
    def max_user_data(self) -> int:
        """The most bytes of `user_data`; 0 if there is none."""

@final
class ProviderRegistry:
    """The providers that can be used, by name.

    A registry is a value: what is registered in one is in no other.
    """

    def __new__(cls) -> ProviderRegistry: ...
    @staticmethod
    def with_defaults() -> ProviderRegistry:
        """A registry with every provider of this build, and those of others.

        These are the ones that were declared with `@spuff.provider`, and those that installed
        packages offer under the entry points `spuff.providers`.
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
        """Adds a provider written in Python: `factory(config)` makes it.

        It takes the place of one of the same name.
        """

    def create_by_name(
        self, name: str, token: str, timeouts: ProviderTimeouts | None = None
    ) -> Provider:
        """Makes a provider from its name or alias and a token."""

    def connect(
        self,
        name: str,
        token: str | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        timeouts: ProviderTimeouts | None = None,
        **options: _Option,
    ) -> Provider:
        """Makes a provider from its name or alias and a whole configuration.

        The environment is not read, but for what the description says that the provider reads
        itself.
        """

    def from_env(
        self,
        name: str,
        token: str | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        timeouts: ProviderTimeouts | None = None,
        **options: _Option,
    ) -> Provider:
        """As `connect`; what is left out comes from the environment variables that the provider
        describes.
        """

    def describe(self, name: str) -> ProviderDescription:
        """The options and capabilities of a registered provider."""

    def registered_providers(self) -> list[str]:
        """Every registered provider, in the order of their names."""

    def implemented_providers(self) -> list[str]:
        """Every registered provider that can be created, in the order of their names."""

    def is_registered(self, name: str) -> bool:
        """Whether a provider of that name or alias is registered."""

    def __contains__(self, name: str, /) -> bool: ...

@final
class Pending:
    """An operation that runs when its coroutine is awaited."""

    def cancelled(self) -> SpuffError:
        """The error of one that was closed."""

    def begin(
        self,
        event_loop: AbstractEventLoop,
        future: Future[Any],
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Running:
        """Runs the operation, reports the outcome to a future of the event loop, and progress to
        `on_progress`.
        """

@final
class Running:
    """An operation that runs."""

    def take(self) -> Any:
        """The outcome, once. Until it is taken, to end the operation is to end what it has made."""

    def abort(self) -> None:
        """Drops the operation. One whose outcome was taken does not notice."""

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

    def connect(
        self, name: str, *, timeouts: ProviderTimeouts | None = None, **options: _Option
    ) -> Provider:
        """Gives a provider that is wired to it."""

    def config(self, name: str) -> ProviderConfig:
        """Gives the configuration that connects a provider to it."""

    def environment(self) -> dict[str, str]:
        """Gives the environment variables that point the clouds' own tools, and `spuff.connect`, at
        it.
        """

    @property
    def now(self) -> datetime:
        """The cloud's time."""

    def advance(self, by: _Seconds) -> None:
        """Advances the cloud's time."""

    def hits(self, fault: int) -> int:
        """Tells how many requests a fault has struck."""

    def clear_faults(self) -> None:
        """Removes all faults."""

    def request_count(self, provider: str, route: str | None = None) -> int:
        """Tells how many requests a cloud was sent: of one kind, or all."""

    def _inject(self, rule: str) -> int: ...
    def _requests(self) -> str: ...
    def _instances(self) -> str: ...
    def _snapshots(self) -> str: ...
    def _leaks(self) -> str: ...
    def _bill(self) -> tuple[str, str]: ...

def settled() -> None:
    """Waits until nothing is in progress in the background any more.

    That is a create that was interrupted or cancelled, or a destroy of what it has made. When
    Python ends it waits for that by itself.
    """

def settled_async() -> _Verb[None]:
    """Waits until nothing is in progress in the background any more, as `spuff.settled` does."""

def is_cancelled() -> bool:
    """Whether the caller has left, for a method of a provider that takes long."""

def describe_error(error: SpuffError) -> tuple[str, bool]: ...
def is_instance_failure(error: SpuffError, instance_id: str) -> bool: ...
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
