"""Creates an instance, waits until it is ready, and destroys it.

HETZNER_TOKEN=… python examples/python/quickstart.py hetzner fsn1 cx22
"""

import sys

import spuff


def main(name: str, region: str, size: str) -> None:
    provider = spuff.connect(name)
    with provider.instance(
        "web-1", region=region, size=size, labels={"env": "test"}, on_progress=print
    ) as instance:
        print(f"{instance.name} is {instance.status} at {instance.ip}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
