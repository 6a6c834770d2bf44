"""What can go wrong, by what to do about it: one exception for each kind, all under `SpuffError`.

Where a kind is what a Python programmer would catch by a builtin exception, it is that too.
"""

from __future__ import annotations

import builtins

from . import _spuff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._spuff import Attempt, Instance


class SpuffError(Exception):
    """Why an operation failed. What a kind does not have is `None`, or empty.

    It is made with a message and, by keyword, with any of the fields below: that is how a provider
    written in Python tells what went wrong.
    """

    kind: str = "other"
    """The kind, in words that all languages share."""
    number: int = 12
    """The number of the kind, which all languages share."""
    advice: str = ""
    """What to do, in one sentence."""
    message: str = ""
    """What went wrong, without what the other fields say; the cloud's words where it has said
    something.
    """
    provider: str | None = None
    """The provider."""
    status: int | None = None
    """The HTTP status."""
    code: str | None = None
    """The cloud's own code."""
    request_id: str | None = None
    """The cloud's id of the request."""
    retryable: bool = False
    """Whether the same call may succeed later, and repeating it is safe."""
    retry_after: float | None = None
    """How many seconds to wait before a repeat."""
    resource_type: str | None = None
    """`instance`, `snapshot`, `image` …; of a quota, what there would be too many of."""
    resource_id: str | None = None
    """The id that does not exist."""
    field: str | None = None
    """The field that cannot be used."""
    feature: str | None = None
    """What is not supported."""
    operation: str | None = None
    """The operation that did not finish."""
    elapsed: float | None = None
    """The seconds spent on it."""
    key: str | None = None
    """The key to `resolve`."""
    candidates: list[str]
    """Ids of what may have been made."""
    name: str | None = None
    """The name that is unknown or not part of this build."""
    supported: list[str]
    """The names that would work."""
    instance_id: str | None = None
    """The instance that the error is about, and that may exist and cost money."""
    instance_is_subject: bool = False
    """Whether `instance_id` is only the instance that the call was given: the error says nothing
    about its state.
    """
    instance_exists: bool | None = None
    """After a create by a call that does more: whether the instance still exists."""
    cleanup: SpuffError | None = None
    """Why it could not be destroyed, where that was tried."""
    outcomes: list[Instance | SpuffError]
    """For an incomplete fleet: the outcome of each instance."""
    attempts: list[Attempt]
    """For a failed placement: the outcome of each candidate, in order."""

    def __init__(self, message: str = "", /, **fields: object) -> None:
        text = fields.pop("text", None)
        unknown = fields.keys() - SpuffError.__annotations__.keys()
        if unknown:
            raise TypeError(f"an error has no field {', '.join(sorted(unknown))}")
        self.message = message
        self.candidates = []
        self.supported = []
        self.outcomes = []
        self.attempts = []
        self.__dict__.update(fields)
        if text is None:
            text, retryable = _spuff.describe_error(self)
            self.retryable = bool(fields.get("retryable", retryable))
        super().__init__(text)

    def __reduce__(self) -> tuple[object, ...]:
        # The fields come last: among the outcomes of a fleet is the error itself.
        return _restore, (type(self), str(self)), dict(self.__dict__)

    def is_instance_failure(self, instance_id: str) -> bool:
        """Tells, of an error of `wait_ready`, whether the instance of this id itself failed.

        It is then gone, or did not become ready in time, or the error has the cloud's reason. Any
        other error is one of the poll and proves nothing about the instance.
        """
        return _spuff.is_instance_failure(self, instance_id)

    @staticmethod
    def of_kind(kind: str) -> type[SpuffError]:
        """Gives the exception of a kind."""
        return _BY_KIND.get(kind, SpuffError)


class AuthenticationError(SpuffError, PermissionError):
    """The credentials are invalid or lack permission."""

    kind = "authentication"


class RateLimitError(SpuffError):
    """The rate limit was reached; the call was not carried out."""

    kind = "rate_limit"


class NotFoundError(SpuffError, LookupError):
    """The addressed resource does not exist."""

    kind = "not_found"


class QuotaExceededError(SpuffError):
    """The account's quota for this resource is used up."""

    kind = "quota_exceeded"


class InvalidConfigError(SpuffError, ValueError):
    """A value that was given cannot be used. Where spuff finds it itself, nothing has been sent."""

    kind = "invalid_config"


class NotSupportedError(SpuffError, builtins.NotImplementedError):
    """This provider cannot do that."""

    kind = "not_supported"


class TimeoutError(SpuffError, builtins.TimeoutError):
    """The deadline passed."""

    kind = "timeout"


class NetworkError(SpuffError, ConnectionError):
    """The API could not be reached, or its reply was cut off."""

    kind = "network"


class ApiError(SpuffError):
    """An answer that fits no other kind."""

    kind = "api"


class NotImplementedError(SpuffError, builtins.NotImplementedError):
    """The provider is known by name, but this build does not contain it."""

    kind = "not_implemented"


class UnknownProviderError(SpuffError, LookupError):
    """No provider of that name is registered."""

    kind = "unknown_provider"


class OtherError(SpuffError):
    """Any other error."""

    kind = "other"


class ConflictError(SpuffError):
    """The resource's state does not allow it: locked, busy, protected, or the name is taken."""

    kind = "conflict"


class CapacityError(SpuffError):
    """Out of stock here and now; another size or region may do."""

    kind = "capacity"


class UnavailableError(SpuffError):
    """The cloud has a fault of its own; the call changed nothing or is safe to repeat."""

    kind = "unavailable"


class UnknownOutcomeError(SpuffError):
    """The call may or may not have been carried out.

    `resolve(error.key)` tells, before it is repeated.
    """

    kind = "unknown_outcome"


class CancelledError(SpuffError):
    """The call was cancelled.

    An instance that it was making is destroyed or kept in the background.
    """

    kind = "cancelled"


class InternalError(SpuffError, RuntimeError):
    """A fault of spuff itself."""

    kind = "internal"


def _restore(error: type[SpuffError], text: str) -> SpuffError:
    """Makes an error from a pickle."""
    return error(text=text)


_BY_KIND: dict[str, type[SpuffError]] = {error.kind: error for error in SpuffError.__subclasses__()}

for _number, _name, _advice in _spuff.ERROR_KINDS:
    _BY_KIND[_name].number = _number
    _BY_KIND[_name].advice = _advice
