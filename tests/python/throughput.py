"""Prints how many machines a second spuff for Python can start, wait for and end, and what each
costs in CPU time.

python tests/python/throughput.py [PROVIDER] [COUNT]

The simulated cloud runs in another process, whose time is not counted; its machines are ready at
once, and it throttles nothing.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import spuff
from spuff.simulator import Cloud

PLACES = {
    "digitalocean": ("nyc3", "s-1vcpu-1gb"),
    "hetzner": ("fsn1", "cx22"),
    "aws": ("us-east-1", "t3.micro"),
}
AT_ONCE: dict[str, float] = {
    "boot": 0,
    "power": 0,
    "destroy": 0,
    "list_lag": 0,
    "read_lag": 0,
    "jitter": 0,
}
WAYS = 16


def serve() -> None:
    """The cloud, until the end of the standard input."""
    with Cloud(kept_requests=1, timings=dict.fromkeys(PLACES, AT_ONCE)) as cloud:
        print(json.dumps(cloud.environment()), flush=True)
        sys.stdin.read()
        cloud.assert_no_leaks()


@contextlib.contextmanager
def connected(name: str) -> Iterator[spuff.Provider]:
    with subprocess.Popen(
        [sys.executable, __file__, "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as cloud:
        assert cloud.stdin
        assert cloud.stdout
        os.environ.update(json.loads(cloud.stdout.readline()))
        with spuff.connect(name) as provider:
            yield provider
        cloud.stdin.close()
    if cloud.returncode:
        raise SystemExit("the cloud was left with machines")


class Lives:
    """Whole lives of machines, each of its own name."""

    def __init__(self, provider: spuff.Provider) -> None:
        self.provider = provider
        self.made = 0
        region, size = PLACES[provider.name]
        self.request = spuff.InstanceRequest("web", region, size)

    def requests(self, count: int) -> list[spuff.InstanceRequest]:
        self.made += count
        return [self.request.replace(name=f"web-{self.made - number}") for number in range(count)]

    def one(self, request: spuff.InstanceRequest) -> None:
        machine = self.provider.create_instance(request)
        self.provider.wait_ready(machine.id)
        self.provider.destroy_instance(machine.id)

    async def one_async(self, request: spuff.InstanceRequest) -> None:
        provider = self.provider.aio
        machine = await provider.create_instance(request)
        await provider.wait_ready(machine.id)
        await provider.destroy_instance(machine.id)

    def sequential(self, count: int) -> None:
        for request in self.requests(count):
            self.one(request)

    def threads(self, count: int) -> None:
        with ThreadPoolExecutor(WAYS) as pool:
            list(pool.map(self.one, self.requests(count)))

    async def sequential_async(self, count: int) -> None:
        for request in self.requests(count):
            await self.one_async(request)

    async def gathered(self, count: int) -> None:
        waiting = iter(self.requests(count))

        async def work() -> None:
            for request in waiting:
                await self.one_async(request)

        await asyncio.gather(*(work() for _ in range(WAYS)))

    def fleet(self, count: int) -> None:
        made = self.provider.create_instances(
            self.requests(count), concurrency=WAYS, wait_ready=True
        )
        ids = [machine.id for machine in made if isinstance(machine, spuff.Instance)]
        ended = self.provider.destroy_instances(ids, concurrency=WAYS)
        failed = [error for error in (*made, *ended) if isinstance(error, spuff.SpuffError)]
        if failed:
            raise failed[0]


def measure(what: str, count: int, work: Callable[[int], object]) -> None:
    work(max(1, count // 5))
    began, spent = time.perf_counter(), time.process_time()
    work(count)
    took, cost = time.perf_counter() - began, time.process_time() - spent
    print(
        f"python {what}: {count / took:.0f} lifecycles/s, {1e6 * cost / count:.0f} us CPU each",
        flush=True,
    )


def main(name: str = "hetzner", count: str = "1000") -> None:
    number = int(count)
    with connected(name) as provider:
        lives = Lives(provider)
        measure("sync sequential", number, lives.sequential)
        measure(f"sync {WAYS}-way", number, lives.threads)
        measure(
            "asyncio sequential", number, lambda count: asyncio.run(lives.sequential_async(count))
        )
        measure(f"asyncio {WAYS}-way", number, lambda count: asyncio.run(lives.gathered(count)))
        measure(f"fleet {WAYS}-way", number, lives.fleet)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        main(*sys.argv[1:3])
