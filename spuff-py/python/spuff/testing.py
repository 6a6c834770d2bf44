"""Whether a provider of your own keeps the contract.

```python
request = InstanceRequest("", region="east", size="small")
report = check_provider(Nimbus, request, absent_id="m-none")
report.assert_passed()
```
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _spuff
from ._spuff import InstanceRequest, ProviderConfig

if TYPE_CHECKING:
    from datetime import timedelta

    from .protocol import ProviderFactory

__all__ = ["Failure", "LeftBehind", "Outcome", "Report", "check_provider", "checks"]

checks = _spuff.checks
"""Gives the names of the checks."""


class Failure(NamedTuple):
    """How a provider breaks the contract."""

    contract: str
    seen: str
    remedy: str


class Outcome(NamedTuple):
    """What a check has found: `passed`, `failed`, or `not_applicable` with the reason."""

    name: str
    verdict: str
    seconds: float
    failure: Failure | None
    reason: str | None


class LeftBehind(NamedTuple):
    """A thing that could not be destroyed. It may cost money."""

    resource_type: str
    id: str
    check: str
    reason: str


class Report(NamedTuple):
    """What a run has found. `str` makes a table of it."""

    provider: str
    outcomes: list[Outcome]
    left_behind: list[LeftBehind]
    seconds: float
    text: str

    @property
    def is_passed(self) -> bool:
        """Whether no check has failed and nothing was left behind."""
        return not self.failed and not self.left_behind

    @property
    def failed(self) -> list[Outcome]:
        """The checks that have failed."""
        return [outcome for outcome in self.outcomes if outcome.verdict == "failed"]

    def assert_passed(self) -> None:
        """Raises an `AssertionError` with the whole report, unless it is passed."""
        if not self.is_passed:
            raise AssertionError(f"the provider violates the contract\n{self.text}")

    def __str__(self) -> str:
        return self.text


_WORDS = {
    "`Ok(())`": "`None`",
    "`Ok(None)`": "`None`",
    "is `Ok`": "raises nothing",
    "deletes `Ok`": "deletes raise nothing",
    "NotSupported from": "NotSupportedError from",
    "as `ProviderInstance::default()` has it": "out",
    **{
        f"`{kind}`": f"`{kind}Error`"
        for kind in ("NotFound", "Timeout", "InvalidConfig", "NotSupported")
    },
    "::": ".",
}


def _in_python(text: str) -> str:
    """Says in Python what the suite says in Rust."""
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    return text


def _outcome(found: dict[str, Any]) -> Outcome:
    failure = (
        Failure(_in_python(found["contract"]), found["seen"], _in_python(found["remedy"]))
        if found["verdict"] == "failed"
        else None
    )
    return Outcome(found["name"], found["verdict"], found["seconds"], failure, found.get("reason"))


def check_provider(
    factory: ProviderFactory,
    request: InstanceRequest,
    absent_id: str,
    *,
    name: str | None = None,
    absent_snapshot_id: str | None = None,
    config: ProviderConfig | None = None,
    settling: float | timedelta | None = None,
    snapshots: bool | None = None,
    ssh_keys: bool | None = None,
    labels: bool = True,
    max_user_data: int = 0,
    default_size: bool = False,
    idempotent: bool = False,
    at_once: int = 8,
    check: str | None = None,
) -> Report:
    """Runs the conformance suite over the providers that `factory` makes.

    All have the same instances behind them.

    `request` is the request of every instance; its name is replaced, and an empty region or size
    says that the provider has none. `absent_id` is an id as the provider writes them, of nothing
    that exists. The keywords declare what the provider can do, `settling` how many seconds its
    reads may lag behind its writes, and `check` runs one check alone.
    """
    found, text = _spuff.check_provider(
        factory,
        name or getattr(factory, "__name__", "provider").lower(),
        request,
        absent_id,
        absent_snapshot_id=absent_snapshot_id,
        config=config,
        settling=settling,
        snapshots=hasattr(factory, "create_snapshot") if snapshots is None else snapshots,
        ssh_keys=hasattr(factory, "get_ssh_keys") if ssh_keys is None else ssh_keys,
        labels=labels,
        max_user_data=max_user_data,
        default_size=default_size,
        idempotent=idempotent,
        at_once=at_once,
        check=check,
    )
    report: dict[str, Any] = json.loads(found)
    return Report(
        report["provider"],
        [_outcome(outcome) for outcome in report["outcomes"]],
        [LeftBehind(**left) for left in report["left_behind"]],
        report["seconds"],
        _in_python(text),
    )
