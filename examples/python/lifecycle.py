"""The whole life of an instance: create, wait, list, snapshot, restore from the snapshot, destroy;
sync, then asyncio.

python examples/python/lifecycle.py
python examples/python/lifecycle.py --provider docker
HETZNER_TOKEN=… python examples/python/lifecycle.py --provider hetzner

Without a provider it runs against a simulated cloud in its own process. With one it creates real
instances, or containers on this computer, and destroys them even after a failure or Ctrl-C.
"""

import argparse
import asyncio

import spuff
from spuff.simulator import Cloud

USUAL = {
    "digitalocean": ("nyc3", "s-1vcpu-1gb"),
    "hetzner": ("fsn1", "cx22"),
    "aws": ("us-east-1", "t3.micro"),
}


def life(provider: spuff.Provider, request: spuff.InstanceRequest) -> None:
    with provider.instance(request, on_progress=print) as instance:
        print(
            f"{instance.name} is {instance.status} at {instance.ip}; "
            f"{len(provider.list_instances())} managed by spuff"
        )
        snapshot = provider.create_snapshot(instance.id, "before")
        try:
            with provider.instance(
                request, name=f"{request.name}-restored", image=snapshot
            ) as restored:
                print(f"{restored.name} was made from {snapshot.id}")
        finally:
            provider.delete_snapshot(snapshot.id)


async def many(provider: spuff.AsyncProvider, request: spuff.InstanceRequest, count: int) -> None:
    async def use(number: int) -> str:
        async with provider.instance(request, name=f"{request.name}-{number}") as instance:
            return str(instance.ip)

    print(
        f"{count} at once:",
        ", ".join(await asyncio.gather(*(use(number) for number in range(count)))),
    )


def live(provider: spuff.Provider, options: argparse.Namespace) -> None:
    region, size = USUAL.get(provider.name, ("", ""))  # other providers have a default of their own
    region, size = options.region or region, options.size or size
    request = spuff.InstanceRequest(
        options.name, region, size, image=options.image, labels={"env": "test"}
    )
    life(provider, request)
    asyncio.run(many(provider.aio, request, options.count))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Runs the whole life of an instance at a provider, and cleans up."
    )
    parser.add_argument(
        "--provider",
        help="a real cloud, or docker for an engine on this computer; by default a simulated cloud",
    )
    parser.add_argument(
        "--region", help="region or location; by default a common one, or the provider's default"
    )
    parser.add_argument(
        "--size", help="size or type; by default the smallest common one, or the provider's default"
    )
    parser.add_argument(
        "--image",
        default="ubuntu:24.04",
        help="ubuntu:24.04, debian:12, snapshot:ID, or the provider's own id",
    )
    parser.add_argument("--name", default="web-1", help="name of the instance")
    parser.add_argument(
        "--count", type=int, default=5, help="number of instances that the last part runs at once"
    )
    options = parser.parse_args()
    if options.provider:
        live(spuff.connect(options.provider), options)
        return
    with Cloud(speed=60) as cloud:
        live(cloud.connect("hetzner"), options)
        cloud.assert_no_leaks()
        print(f"\na real one would have charged about:\n{cloud.bill()}", end="")


if __name__ == "__main__":
    main()
