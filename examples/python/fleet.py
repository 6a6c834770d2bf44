r"""Creates a hundred instances, shows their phases, and destroys them.

python examples/python/fleet.py
HETZNER_TOKEN=… python examples/python/fleet.py \
    --provider hetzner --region fsn1 --size cx22 --count 5

Without `--provider` it runs against a simulated cloud in its own process, whose time passes sixty
times as fast, and which has the rate limits of the real one.
"""

import argparse
import sys
from collections import Counter

import spuff
from spuff.simulator import Cloud

ENDS = ("ready", "destroyed", "failed")
PHASES = ("accepted", "booting", *ENDS)


class Display:
    """Counts instances by phase: one line, updated in place on a terminal; elsewhere a new line for
    each tenth of them.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.phases: dict[int, str] = {}
        self.live = sys.stdout.isatty()

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *raised: object) -> None:
        if self.live:
            print()

    def show(self, event: spuff.Progress) -> None:
        if event.index is None or self.phases.get(event.index) == event.phase:
            return
        self.phases[event.index] = event.phase
        counts = Counter(self.phases.values())
        line = "  ".join(f"{phase} {counts[phase]:4}" for phase in PHASES)
        if self.live:
            print(f"\r{event.elapsed:6.1f} s  {line}", end="", flush=True)
        elif (
            event.phase in ENDS and sum(counts[end] for end in ENDS) % max(1, self.count // 10) == 0
        ):
            print(f"{event.elapsed:6.1f} s  {line}")


def run(provider: spuff.Provider, options: argparse.Namespace) -> int:
    request = spuff.InstanceRequest(
        "fleet", options.region, options.size, owner="fleet.py", ttl=3600
    )
    requests = [request.replace(name=f"fleet-{number}") for number in range(options.count)]
    # If Ctrl-C ends this block, spuff destroys all that it has created, in the background; Python
    # waits for that.
    with provider.watch_create_instances(
        requests, concurrency=options.concurrency, wait_ready=True
    ) as watch:
        with Display(options.count) as display:
            for event in watch:
                display.show(event)
        outcomes = watch.result()
    instances = [outcome for outcome in outcomes if isinstance(outcome, spuff.Instance)]
    try:
        print(
            f"{len(instances)} of {len(outcomes)} are ready, the "
            f"first at {', '.join(str(one.ip) for one in instances[:3])}"
        )
        for outcome in outcomes:
            if isinstance(outcome, spuff.SpuffError):
                print(f"{outcome.kind}: {outcome}")
    finally:
        with Display(len(instances)) as display:
            ended = provider.destroy_instances(
                [one.id for one in instances], on_progress=display.show
            )
    left = [error for error in ended if error]
    for error in left:
        print(f"{error.instance_id} still exists and costs money: {error}")
    return int(len(instances) < len(outcomes) or len(left) > 0)


def rehearse(options: argparse.Namespace) -> int:
    with Cloud(speed=60, rate_limits=True) as cloud:
        failed = run(cloud.connect("hetzner"), options)
        cloud.assert_no_leaks()
        asked = [
            cloud.request_count("hetzner", route)
            for route in (None, "create_instance", "destroy_instance")
        ]
        print("{} requests: {} creates, {} destroys, the others for the waits".format(*asked))
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Creates many instances, shows their phases, and destroys them."
    )
    parser.add_argument(
        "--provider",
        help="a real provider; its token comes from the environment; by default a simulated cloud",
    )
    parser.add_argument("--region", default="fsn1")
    parser.add_argument("--size", default="cx22")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    name: str | None = options.provider
    sys.exit(run(spuff.connect(name), options) if name else rehearse(options))


if __name__ == "__main__":
    main()
