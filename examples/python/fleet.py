"""Starts a hundred machines, shows how far they are, and ends them.

python examples/python/fleet.py
HETZNER_TOKEN=… python examples/python/fleet.py --provider hetzner --region fsn1 --size cx22 --count 5

Without `--provider` it runs against a simulated cloud in its own process, whose time goes sixty times as fast,
and which throttles as the real one does.
"""

import argparse
import sys
from collections import Counter

import spuff
from spuff.simulator import Cloud

ENDS = ("ready", "destroyed", "failed")
PHASES = ("accepted", "booting", *ENDS)


class Display:
    """How many machines are how far: a line that is written again and again, or, where that cannot be, a line for each tenth."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.phases: dict[int, str] = {}
        self.live = sys.stdout.isatty()

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *raised: object) -> None:
        if self.live:
            print()

    def show(self, seen: spuff.Progress) -> None:
        if seen.index is None or self.phases.get(seen.index) == seen.phase:
            return
        self.phases[seen.index] = seen.phase
        counts = Counter(self.phases.values())
        line = "  ".join(f"{phase} {counts[phase]:4}" for phase in PHASES)
        if self.live:
            print(f"\r{seen.elapsed:6.1f} s  {line}", end="", flush=True)
        elif seen.phase in ENDS and sum(counts[end] for end in ENDS) % max(1, self.count // 10) == 0:
            print(f"{seen.elapsed:6.1f} s  {line}")


def run(provider: spuff.Provider, options: argparse.Namespace) -> int:
    request = spuff.InstanceRequest("fleet", options.region, options.size, owner="fleet.py", ttl=3600)
    requests = [request.replace(name=f"fleet-{number}") for number in range(options.count)]
    # When Ctrl-C ends this block, all that was made is destroyed in the background; Python waits for that.
    with provider.watch_create_instances(requests, concurrency=options.concurrency, wait_ready=True) as watch:
        with Display(options.count) as display:
            for seen in watch:
                display.show(seen)
        outcomes = watch.result()
    machines = [outcome for outcome in outcomes if isinstance(outcome, spuff.Instance)]
    try:
        print(f"{len(machines)} of {len(outcomes)} are ready, the first at {', '.join(str(one.ip) for one in machines[:3])}")
        for outcome in outcomes:
            if isinstance(outcome, spuff.SpuffError):
                print(f"{outcome.kind}: {outcome}")
    finally:
        with Display(len(machines)) as display:
            ended = provider.destroy_instances([one.id for one in machines], on_progress=display.show)
    left = [error for error in ended if error]
    for error in left:
        print(f"{error.instance_id} still exists and costs money: {error}")
    return int(len(machines) < len(outcomes) or len(left) > 0)


def rehearse(options: argparse.Namespace) -> int:
    with Cloud(speed=60, rate_limits=True) as cloud:
        failed = run(cloud.connect("hetzner"), options)
        cloud.assert_no_leaks()
        asked = [cloud.request_count("hetzner", route) for route in (None, "create_instance", "destroy_instance")]
        print("{} requests: {} creates, {} destroys, the others for the waits".format(*asked))
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description="Starts many machines, shows how far they are, and ends them.")
    parser.add_argument("--provider", help="a real one; its token comes from the environment")
    parser.add_argument("--region", default="fsn1")
    parser.add_argument("--size", default="cx22")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    name: str | None = options.provider
    sys.exit(run(spuff.connect(name), options) if name else rehearse(options))


if __name__ == "__main__":
    main()
