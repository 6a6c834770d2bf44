"""A provider of your own, with `async def` methods, used from sync code and asyncio, and checked
against the contract.

python examples/python/provider.py
"""

import asyncio
import itertools

import spuff
from spuff.testing import check_provider

INSTANCES: dict[str, spuff.Instance] = {}
NUMBERS = itertools.count(1)


@spuff.provider("memory", summary="instances in this process", token_required=False)
class InMemory:
    """Instances that are entries of a dictionary."""

    def __init__(self, config: spuff.ProviderConfig) -> None:
        self.config = config

    async def create_instance(self, request: spuff.InstanceRequest, /) -> spuff.Instance:
        for field, value, known in (
            ("name", request.name, None),
            ("region", request.region, "here"),
            ("size", request.size, "small"),
        ):
            if not value or (known and value != known):
                raise spuff.InvalidConfigError(
                    f"{value!r}: expected {known or 'a name'}", field=field
                )
        await asyncio.sleep(0.01)
        labels = {**request.labels, "managed-by": "spuff"}
        made = spuff.Instance(
            f"m-{next(NUMBERS)}",
            "192.0.2.1",
            "active",
            name=request.name,
            region=request.region,
            size=request.size,
            labels=labels,
        )
        INSTANCES[made.id] = made
        return made

    async def destroy_instance(self, id: str, /) -> None:
        INSTANCES.pop(id, None)

    async def get_instance(self, id: str, /) -> spuff.Instance | None:
        return INSTANCES.get(id)

    async def list_instances(self) -> list[spuff.Instance]:
        return list(INSTANCES.values())


async def in_asyncio() -> None:
    async with spuff.aio.connect("memory").instance("two", region="here", size="small") as instance:
        print("asyncio:", instance)


def main() -> None:
    with spuff.connect("memory").instance("one", region="here", size="small") as instance:
        print("sync:   ", instance)
    asyncio.run(in_asyncio())
    timeouts = spuff.ProviderTimeouts(instance_ready=20, action_complete=20, poll_interval=0.02)
    config = spuff.ProviderConfig(timeouts=timeouts)
    report = check_provider(
        InMemory, spuff.InstanceRequest("", "here", "small"), "m-none", config=config, settling=5
    )
    print(report)
    report.assert_passed()


if __name__ == "__main__":
    main()
