"""The simulated clouds: DigitalOcean, Hetzner Cloud and EC2 on the loopback interface, with faults.

```python
import spuff
from spuff.simulator import Cloud

with Cloud(speed=60) as cloud:
    hetzner = cloud.connect("hetzner")
    cloud.inject("reply_lost", provider="hetzner", route="create_instance", times=1)
    machine = hetzner.create_and_wait("web-1", region="fsn1", size="cx22")
    hetzner.destroy_instance(machine.id)
    cloud.assert_no_leaks()
```
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from . import _spuff

__all__ = ["PROVIDERS", "Bill", "BillLine", "Cloud", "Request", "Resource"]

PROVIDERS = ("digitalocean", "hetzner", "aws")
"""The clouds that are simulated."""

_RULE = ("provider", "route", "skip", "times", "chance")


class Request(NamedTuple):
    """A request that reached a cloud. Headers, and with them the token, are not kept."""

    number: int
    at: datetime
    provider: str
    route: str
    method: str
    path: str
    body: str
    status: int | None
    fault: object


class Resource(NamedTuple):
    """An instance or snapshot that exists, or an address or disk that one has left behind."""

    provider: str
    kind: str
    id: str
    name: str
    region: str
    state: str
    ending: bool
    created_at: datetime
    labels: dict[str, str]


class BillLine(NamedTuple):
    """What one thing has cost so far, in millionths of the currency."""

    provider: str
    kind: str
    id: str
    size: str
    since: datetime
    until: datetime | None
    currency: str
    micros: int


class Bill(NamedTuple):
    """What a cloud's time has cost: a line for each thing that is or was paid for.

    `str` makes a table of it.
    """

    lines: list[BillLine]
    text: str

    def total(self, currency: str) -> float:
        """Gives the sum in a currency."""
        return sum(line.micros for line in self.lines if line.currency == currency) / 1_000_000

    def __str__(self) -> str:
        return self.text


def _time(text: str) -> datetime:
    # Python before 3.11 reads no `Z`, and no more than six digits of a second.
    whole, _, rest = text.removesuffix("Z").removesuffix("+00:00").partition(".")
    return datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}+00:00")


def _resources(text: str) -> list[Resource]:
    found: list[dict[str, Any]] = json.loads(text)
    for one in found:
        one["created_at"] = _time(one["created_at"])
    return [Resource(**one) for one in found]


class Cloud(_spuff.Cloud):
    """Three clouds on the loopback interface; as a context manager they end with the block.

    `speed` makes their time go faster, a million times at most; `manual=True` stops it until
    `advance`. `timings` changes how long things take, in seconds of their time: `{"hetzner":
    {"boot": 600}}`. `quota`, `rate_limits` and `tokens` make an account less generous. A provider
    that it connects looks as often as usual, in the cloud's time, unless it is given timeouts.
    """

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<spuff.simulator.Cloud at {self.address}>"

    def inject(self, fault: str, **rule: Any) -> int:
        """Lets something go wrong from now on, and gives the number by which `hits` counts it.

        `provider` and `route` say where; `skip`, `times` and `chance` how often. Other keywords
        belong to the fault, as in `inject("server_error", status=503, committed=True,
        provider="aws", route="create_instance")`.
        """
        own = {name: value for name, value in rule.items() if name not in _RULE}
        where = {name: value for name, value in rule.items() if name in _RULE and value is not None}
        return self._inject(json.dumps({"fault": {fault: own} if own else fault, **where}))

    def requests(self) -> list[Request]:
        """Gives the last requests, oldest first."""
        found: list[dict[str, Any]] = json.loads(self._requests())
        for one in found:
            one["at"] = _time(one["at"])
        return [Request(**one) for one in found]

    def instances(self) -> list[Resource]:
        """Gives the instances that exist, whether or not a client can see them."""
        return _resources(self._instances())

    def snapshots(self) -> list[Resource]:
        """Gives the snapshots that exist, whether or not a client can see them."""
        return _resources(self._snapshots())

    def leaks(self) -> list[Resource]:
        """Gives what exists, costs money, and has not been told to end."""
        return _resources(self._leaks())

    def assert_no_leaks(self) -> None:
        """Raises an `AssertionError` with all that is left and costs money, if anything is."""
        lines = [
            f"{one.provider} {one.kind} {one.id} ({one.name}, {one.state})" for one in self.leaks()
        ]
        if lines:
            raise AssertionError("left behind, and still costing money:\n" + "\n".join(lines))

    def bill(self) -> Bill:
        """Tells what everything has cost so far."""
        lines, text = self._bill()
        found: list[dict[str, Any]] = json.loads(lines)
        made = [
            BillLine(
                provider=line["provider"],
                kind=line["kind"],
                id=line["id"],
                size=line["size"],
                since=_time(line["from"]),
                until=None if line["until"] is None else _time(line["until"]),
                currency=line["currency"],
                micros=line["micros"],
            )
            for line in found
        ]
        return Bill(made, text)
