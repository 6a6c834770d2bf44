"""The fixture `spuff_cloud` of pytest: simulated clouds for one test.

It must leave nothing that costs money.

The marker `spuff_cloud` gives the keywords of `spuff.simulator.Cloud`; `leaks=True` allows a test
to leave something behind.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .simulator import Cloud


def pytest_configure(config: pytest.Config) -> None:
    """Tells pytest of the marker."""
    config.addinivalue_line(
        "markers", "spuff_cloud(leaks=False, **options): the options of the fixture spuff_cloud"
    )


def _check(options: dict[str, Any], cloud: type[Cloud]) -> None:
    known = ["leaks", *inspect.signature(cloud).parameters]
    for name in options:
        if name not in known:
            close = "".join(
                f"; did you mean {near}?" for near in difflib.get_close_matches(name, known, 1)
            )
            message = (
                "the marker spuff_cloud has no option "
                f"{name!r}{close or '.'} It has {', '.join(known)}"
            )
            raise pytest.UsageError(message)


@pytest.fixture
def spuff_cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Simulated clouds whose time goes 60 times as fast."""
    from .simulator import Cloud

    marker = request.node.get_closest_marker("spuff_cloud")
    options = {"speed": 60.0, **(marker.kwargs if marker else {})}
    _check(options, Cloud)
    may_leak = options.pop("leaks", False)
    with Cloud(**options) as cloud:
        yield cloud
        if not may_leak:
            cloud.assert_no_leaks()
