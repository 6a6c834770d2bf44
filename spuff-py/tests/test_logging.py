"""The core's log, under the logger `spuff`."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

import spuff
from spuff.simulator import Cloud


def test_events_come_at_the_level_of_the_logger(
    cloud: Cloud, hetzner: spuff.Provider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "spuff"):
        hetzner.list_instances()
    assert {record.name for record in caplog.records} == {"spuff"}
    assert any(
        "list_instances" in record.message or "servers" in record.message
        for record in caplog.records
    )
    assert {record.levelno for record in caplog.records} <= {5, logging.DEBUG, logging.INFO}

    caplog.clear()
    with caplog.at_level(logging.WARNING, "spuff"):
        hetzner.list_instances()
    assert caplog.records == []
    with caplog.at_level(logging.CRITICAL, "spuff"):
        hetzner.list_instances()
    assert caplog.records == []


def test_a_token_is_in_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with Cloud(tokens=["canary-7f3a"]) as cloud, caplog.at_level(1, "spuff"):
        provider = cloud.connect("hetzner")
        provider.list_instances()
    assert caplog.records
    assert "canary" not in caplog.text


def test_nothing_is_imported_for_what_nobody_reads() -> None:
    code = """
import sys, spuff
from spuff._spuff import Cloud
with_cloud = Cloud(speed=60.0)
assert with_cloud.connect("hetzner").list_instances() == []
with_cloud.close()
print("logging" in sys.modules, "asyncio" in sys.modules, "typing" in sys.modules)
"""
    ran = subprocess.run(
        [sys.executable, "-S", "-c", PATHS + code], capture_output=True, text=True, check=False
    )
    assert ran.stdout == "False False False\n", ran.stderr


PATHS = f"import sys; sys.path[:] = {[entry for entry in sys.path if entry]!r}\n"
