from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Literal, final

from typing_extensions import Unpack

from ._nouns import Snapshot
from ._values import ImageSpec, Instance, InstanceRequest, _Fields, _Seconds
from ._verbs import AsyncProvider, Provider, _OnFailure, _OnProgress, _Verb
from .errors import SpuffError

__all__ = [
    "Attempt",
    "Candidate",
    "Placed",
    "Price",
    "place_instance",
    "place_instance_async",
    "place_instances",
    "place_instances_async",
]

@final
class Price:
    """The hourly price of an instance, without tax, exactly: `Price("0.0056", "EUR")`.

    Its string form `"0.0056 EUR"` does as well. An amount has up to six digits after the point, and
    is no `float`.
    """

    def __new__(
        cls,
        amount: Decimal | int | str,
        currency: str,
        source: Literal["given", "catalogue"] = "given",
    ) -> Price: ...
    @staticmethod
    def from_micros(
        micros: int, currency: str, source: Literal["given", "catalogue"] = "given"
    ) -> Price:
        """A price in millionths of the currency's unit."""

    @property
    def amount(self) -> Decimal:
        """The amount."""

    @property
    def micros(self) -> int:
        """The amount in millionths of the currency's unit."""

    @property
    def currency(self) -> str:
        """The currency, as ISO 4217 names it, such as `EUR` or `USD`."""

    @property
    def source(self) -> Literal["given", "catalogue"]:
        """Who says so: the caller, or the cloud in its own list."""

    def __lt__(self, other: Price, /) -> bool: ...
    def __le__(self, other: Price, /) -> bool: ...
    def __gt__(self, other: Price, /) -> bool: ...
    def __ge__(self, other: Price, /) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Callable[..., Price], tuple[int, str, str]]: ...

@final
class Attempt:
    """The outcome of one candidate of a placement. Its string form tells all of it in a line."""

    @property
    def candidate(self) -> int:
        """The position of the candidate in the list."""

    @property
    def provider(self) -> str:
        """The provider's name."""

    @property
    def region(self) -> str:
        """The region or location."""

    @property
    def size(self) -> str:
        """The size or type."""

    @property
    def price(self) -> Price | None:
        """The hourly price there, if it was requested and is known."""

    @property
    def outcome(
        self,
    ) -> Literal["made", "full", "known_full", "too_dear", "price_unknown", "failed"]:
        """The outcome.

        One that is known to be full, is too dear, or is of no known price was not asked.
        """

    @property
    def kind(self) -> str | None:
        """The kind of error, where it was one."""

    @property
    def message(self) -> str:
        """The outcome in words."""

    @property
    def elapsed(self) -> float:
        """How many seconds it took."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Callable[[str], Attempt], tuple[str]]: ...

@final
class Placed:
    """A placed instance."""

    @property
    def instance(self) -> Instance:
        """The instance."""

    @property
    def candidate(self) -> int:
        """The position of its candidate in the list."""

    @property
    def attempts(self) -> list[Attempt]:
        """The outcome of each candidate up to that one, in order."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Callable[[str], Placed], tuple[str]]: ...

@final
class Candidate:
    """A place to try: a provider, of either face, and a region and size that it has."""

    def __new__(
        cls,
        provider: Provider | AsyncProvider,
        region: str = ...,
        size: str = ...,
        *,
        price: Price | str | None = None,
        image: ImageSpec | Snapshot | str | None = None,
    ) -> Candidate: ...
    @property
    def provider(self) -> Provider | AsyncProvider:
        """The provider."""

    @property
    def region(self) -> str:
        """The region or location. Empty: the provider's default."""

    @property
    def size(self) -> str:
        """The size or type."""

    @property
    def price(self) -> Price | None:
        """The hourly price there; by default the provider's, if there is a ceiling."""

    @property
    def image(self) -> ImageSpec | None:
        """The image there, where that of the request is another provider's."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def place_instance(
    candidates: Iterable[Candidate],
    request: InstanceRequest | str | None = None,
    /,
    *,
    max_price: Price | str | None = None,
    allow_unknown_price: bool = False,
    timeout: _Seconds | None = None,
    on_progress: _OnProgress | None = None,
    **fields: Unpack[_Fields],
) -> Placed:
    """Creates an instance at the first candidate that has capacity, and gives it as soon as the
    cloud has accepted it.

    Takes an `InstanceRequest`, or the name and the other fields of one; its region and size are
    those of the candidate. A candidate is passed over only where it is out of stock, or a quota is
    reached, and nothing was made: any other error ends it. Under `max_price`, one that costs more
    is not tried, nor is one whose price is unknown, except with `allow_unknown_price=True`. The
    `attempts` of an error tell what came of each candidate.
    """

def place_instances(
    candidates: Iterable[Candidate],
    requests: Iterable[InstanceRequest | str],
    *,
    max_price: Price | str | None = None,
    allow_unknown_price: bool = False,
    concurrency: int = 16,
    on_failure: _OnFailure = "destroy_failed",
    wait_ready: bool = False,
    timeout: _Seconds | None = None,
    on_progress: _OnProgress | None = None,
    **fields: Unpack[_Fields],
) -> list[Placed | SpuffError]:
    """Creates many instances, each at the first candidate that has capacity.

    Gives a `Placed` or an exception for each.

    It takes what `create_instances` takes. A candidate that was found full is not asked again for
    another of the instances.
    """

def place_instance_async(
    candidates: Iterable[Candidate],
    request: InstanceRequest | str | None = None,
    /,
    *,
    max_price: Price | str | None = None,
    allow_unknown_price: bool = False,
    timeout: _Seconds | None = None,
    on_progress: _OnProgress | None = None,
    **fields: Unpack[_Fields],
) -> _Verb[Placed]:
    """Creates an instance at the first candidate that has capacity, and gives it as soon as the
    cloud has accepted it.

    Takes an `InstanceRequest`, or the name and the other fields of one; its region and size are
    those of the candidate. A candidate is passed over only where it is out of stock, or a quota is
    reached, and nothing was made: any other error ends it. Under `max_price`, one that costs more
    is not tried, nor is one whose price is unknown, except with `allow_unknown_price=True`. The
    `attempts` of an error tell what came of each candidate.
    """

def place_instances_async(
    candidates: Iterable[Candidate],
    requests: Iterable[InstanceRequest | str],
    *,
    max_price: Price | str | None = None,
    allow_unknown_price: bool = False,
    concurrency: int = 16,
    on_failure: _OnFailure = "destroy_failed",
    wait_ready: bool = False,
    timeout: _Seconds | None = None,
    on_progress: _OnProgress | None = None,
    **fields: Unpack[_Fields],
) -> _Verb[list[Placed | SpuffError]]:
    """Creates many instances, each at the first candidate that has capacity.

    Gives a `Placed` or an exception for each.

    It takes what `create_instances` takes. A candidate that was found full is not asked again for
    another of the instances.
    """
