"""The whole life of a machine: create, wait, list, snapshot, restore from the snapshot, destroy; sync, then asyncio.

python examples/python/lifecycle.py

It runs against a simulated cloud in its own process.
"""

import asyncio

import spuff
from spuff.simulator import Cloud

REQUEST = spuff.InstanceRequest("web-1", region="fsn1", size="cx22", labels={"env": "test"})


def life(hetzner: spuff.Provider) -> None:
    with hetzner.instance(REQUEST, on_progress=print) as machine:
        print(f"{machine.name} is {machine.status} at {machine.ip}; {len(hetzner.list_instances())} managed by spuff")
        snapshot = hetzner.create_snapshot(machine.id, "before")
        try:
            with hetzner.instance(REQUEST, name="web-1-restored", image=snapshot) as restored:
                print(f"{restored.name} was made from {snapshot.id}")
        finally:
            hetzner.delete_snapshot(snapshot.id)


async def many(hetzner: spuff.AsyncProvider) -> None:
    async def use(number: int) -> str:
        async with hetzner.instance(REQUEST, name=f"worker-{number}") as machine:
            return str(machine.ip)

    print("five at once:", ", ".join(await asyncio.gather(*(use(number) for number in range(5)))))


def main() -> None:
    with Cloud(speed=60) as cloud:
        hetzner = cloud.connect("hetzner")
        life(hetzner)
        asyncio.run(many(hetzner.aio))
        cloud.assert_no_leaks()
        print(f"\na real one would have charged about:\n{cloud.bill()}", end="")


if __name__ == "__main__":
    main()
