"""Shows that a create makes exactly one instance if its reply is lost or damaged, at each simulated
cloud, sync and asyncio.

python examples/python/exactly_once.py

Prints a table, and fails unless exactly one instance exists in each case and the caller knows its
id.
"""

import asyncio
import sys
from typing import Any

import spuff
from spuff.simulator import Cloud

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("reply lost", "reply_lost", {}),
    ("503, carried out", "server_error", {"status": 503, "committed": True}),
    ("503, not carried out", "server_error", {"status": 503, "committed": False}),
    ("truncated body", "truncated", {}),
    ("HTML body", "html", {"status": 200}),
    ("closed before commit", "connection_closed", {}),
]
TARGETS = {
    "digitalocean": ("nyc3", "s-1vcpu-1gb"),
    "hetzner": ("fsn1", "cx22"),
    "aws": ("us-east-1", "t3.micro"),
}
TIMEOUTS = spuff.ProviderTimeouts(http_request=2, poll_interval=0.04)


def blocking(provider: spuff.Provider, request: spuff.InstanceRequest) -> str | None:
    try:
        return provider.create_instance(request).id
    except spuff.UnknownOutcomeError as unknown:
        found = provider.resolve(unknown.key or "")
        return found.id if found else None


async def in_asyncio(provider: spuff.AsyncProvider, request: spuff.InstanceRequest) -> str | None:
    try:
        return (await provider.create_instance(request)).id
    except spuff.UnknownOutcomeError as unknown:
        found = await provider.resolve(unknown.key or "")
        return found.id if found else None


def case(fault: str, fields: dict[str, Any], name: str, face: str) -> str:
    region, size = TARGETS[name]
    request = spuff.InstanceRequest("web-1", region, size)
    with Cloud(speed=50) as cloud:
        cloud.inject(fault, provider=name, route="create_instance", times=1, **fields)
        provider = cloud.connect(name, timeouts=TIMEOUTS)
        held = (
            blocking(provider, request)
            if face == "blocking"
            else asyncio.run(in_asyncio(provider.aio, request))
        )
        instances = [instance.id for instance in cloud.instances()]
    return (
        "one, known"
        if instances == [held]
        else f"FAILED: the cloud has {instances}, the caller has {held}"
    )


def main() -> None:
    cells = [
        (what, name, face, case(fault, fields, name, face))
        for what, fault, fields in FAULTS
        for name in TARGETS
        for face in ("blocking", "asyncio")
    ]
    for what, name, face, cell in cells:
        print(f"{what:22}{name:14}{face:10}{cell}")
    failed = sum(cell.startswith("FAILED") for *_, cell in cells)
    print(f"{len(cells)} cases, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
