"""Prints the wheel's size, the time of `import spuff`, and what it holds in memory; fails where
memory grows with use.

python tests/python/measure.py WHEEL
"""

import asyncio
import contextlib
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import spuff
from spuff.simulator import Cloud

RSS = (
    "import re; rss = lambda: int(re.search(r'VmRSS:\\s+(\\d+)', "
    "open('/proc/self/status').read())[1]) / 1024\n"
)
CONNECT = """import spuff
each = [spuff.connect(name, token, region=region) for name, token, region in (
    ("digitalocean", "x", None), ("hetzner", "x", None), ("aws", "a:b", "us-east-1"))]
"""
MEBIBYTES = 1024 * 1024


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def seconds(code: str) -> float:
    began = time.perf_counter()
    python(code)
    return time.perf_counter() - began


def import_time() -> float:
    """Milliseconds of the import, over the same interpreter without it: the median of pairs that
    run one after the other.
    """
    seconds("import spuff")
    return 1000 * statistics.median(seconds("import spuff") - seconds("pass") for _ in range(41))


def rss() -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


class FakeProvider:
    """A provider written in Python."""

    def __init__(self, config: spuff.ProviderConfig) -> None:
        self.config = config

    def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
        raise spuff.CapacityError("nothing is free")

    def destroy_instance(self, id: str, /) -> None: ...

    def get_instance(self, id: str, /) -> spuff.Instance | None:
        return None

    def list_instances(self) -> list[spuff.Instance]:
        return []


def blocking_calls(provider: spuff.Provider, id: str, count: int) -> None:
    for _ in range(count):
        provider.get_instance(id)


async def asyncio_calls(provider: spuff.AsyncProvider, id: str, count: int) -> None:
    for _ in range(count):
        await provider.get_instance(id)


def providers(count: int) -> None:
    registry = spuff.ProviderRegistry()
    registry.register("fake", FakeProvider)
    for _ in range(count):
        provider = registry.connect("fake", "token")
        provider.list_instances()
        with contextlib.suppress(spuff.CapacityError):
            provider.create_instance("web-1")


def grows(what: str, warm: int, count: int, work: Callable[[int], None]) -> bool:
    """Whether memory grows by more than half a MiB between a warm state and the end of the work."""
    work(warm)
    gc.collect()
    before, began = rss(), time.perf_counter()
    work(count)
    took = time.perf_counter() - began
    gc.collect()
    print(
        f"{count} {what}: {rss() - before:+.2f} MiB on "
        f"{before:.1f} MiB, {1e6 * took / count:.0f} µs each"
    )
    return rss() - before > 0.5


def main(wheel: Path) -> None:
    size = wheel.stat().st_size
    print(f"wheel: {size} bytes, {size / MEBIBYTES:.2f} MiB")
    print(f"import spuff: {import_time():.1f} ms over bare python")
    bare, imported, connected = (
        python(RSS + code + "print(f'{rss():.1f}')").strip()
        for code in ("", "import spuff\n", CONNECT)
    )
    print(
        f"RSS: bare python {bare} MiB, after the import {imported} "
        f"MiB, connected to all providers {connected} MiB"
    )
    with Cloud(speed=60, kept_requests=10) as cloud:
        hetzner = cloud.connect("hetzner")
        machine = hetzner.create_and_wait("web-1", region="fsn1", size="cx22")
        grown = [
            grows(
                "blocking calls",
                5_000,
                20_000,
                lambda count: blocking_calls(hetzner, machine.id, count),
            ),
            grows(
                "asyncio calls",
                2_000,
                5_000,
                lambda count: asyncio.run(asyncio_calls(hetzner.aio, machine.id, count)),
            ),
            grows("providers in Python", 200, 1_000, providers),
        ]
    sys.exit(any(grown))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
