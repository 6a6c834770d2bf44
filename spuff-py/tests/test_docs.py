"""Every snippet of the guide runs, against simulated clouds; those of local.md where
tests/docker/with has started an engine.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spuff.simulator import Cloud

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
if "SPUFF_TEST_ENGINE_DIR" not in os.environ:
    PAGES.remove(ROOT / "docs" / "local.md")
SNIPPET = re.compile(r"^```python([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with Cloud(speed=20) as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        yield cloud
    logging.getLogger("spuff").setLevel(logging.NOTSET)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_snippets_of_a_page_run_one_after_the_other(page: Path, environment: Cloud) -> None:
    snippets = SNIPPET.findall(page.read_text())
    assert snippets or page.name == "reference.md"
    names: dict[str, object] = {"__name__": "guide"}
    for place, (title, code) in enumerate(snippets):
        exec(compile(code, f"{page.name}, snippet {place}", "exec"), {} if title else names)
    environment.assert_no_leaks()
