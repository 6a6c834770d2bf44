"""The provider for Docker at a real engine, on both faces; tests/docker/with starts the engine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator

import pytest

import spuff
from conftest import Face
from spuff.testing import check_provider

TIMEOUTS = spuff.ProviderTimeouts(poll_interval=0.1, instance_ready=60)
SCRIPT = """#!/bin/sh
echo "$GREETING from $SENDER on $(hostname)" >/root/.new && mv /root/.new /root/greeting
"""


def docker(*arguments: str) -> str | None:
    """What the engine's own client prints; nothing when it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def greeting(machine: spuff.Instance) -> str | None:
    """What a machine's user data writes, once it has."""
    for _ in range(200):
        if written := docker("exec", machine.id, "cat", "/root/greeting"):
            return written
        time.sleep(0.05)
    return None


@pytest.fixture(autouse=True)
def left_behind() -> Iterator[None]:
    yield
    spuff.settled()
    assert docker("ps", "--all", "--quiet", "--filter", "label=managed-by=spuff") == ""
    assert docker("images", "--quiet", "spuff-snapshot") == ""


def test_the_whole_life_of_a_machine(face: Face) -> None:
    environment = "GREETING=hello\nSENDER=Python, by test"
    connected = spuff.connect("local", timeouts=TIMEOUTS, environment=environment, ports="7")
    provider = face.over(connected)
    assert provider.name == "docker"
    assert provider.supports_snapshots()
    request = spuff.InstanceRequest(
        f"python-{face.name}", size="0.5x64m", labels={"test": "Python, by label"}
    )
    expected = f"hello from Python, by test on {request.name}"

    made = provider.create_instance(request, user_data=SCRIPT)
    ready = provider.wait_ready(made.id)
    assert ready.is_ready
    assert ready.is_managed
    assert (ready.name, ready.region, ready.size) == (request.name, "bridge", "0.5x64m")
    assert ready.labels["test"] == "Python, by label"
    assert str(ready.ip) == docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", made.id)
    assert greeting(made) == expected
    assert docker("port", made.id, "7/tcp")
    assert [machine.id for machine in provider.list_instances()] == [made.id]

    snapshot = provider.create_snapshot(made.id, "before")
    assert [(one.id, one.name) for one in provider.list_snapshots()] == [(snapshot.id, "before")]
    restored = provider.create_and_wait(request, name=f"{request.name}-copy", image=snapshot)
    assert docker("exec", restored.id, "cat", "/root/greeting") == expected, "the files come along"

    for _ in range(2):
        provider.destroy_instance(restored.id)
        provider.delete_snapshot(snapshot.id)
        provider.destroy_instance(made.id)
    assert provider.list_snapshots() == []
    assert provider.list_instances() == []
    assert provider.get_instance(made.id) is None


def test_errors_say_what_to_do(face: Face) -> None:
    provider = face.over(spuff.connect("docker", timeouts=TIMEOUTS))
    with pytest.raises(spuff.InvalidConfigError, match="no-such-network") as nowhere:
        provider.create_instance("python-nowhere", region="no-such-network")
    assert (nowhere.value.kind, nowhere.value.field) == ("invalid_config", "region")

    absent = face.over(spuff.connect("docker", endpoint="unix:///nonexistent.sock"))
    with pytest.raises(
        ConnectionError, match=r"/nonexistent\.sock.*start Docker.*DOCKER_HOST"
    ) as no_engine:
        absent.list_instances()
    assert isinstance(no_engine.value, spuff.NetworkError)

    with pytest.raises(spuff.InvalidConfigError) as refused:
        spuff.connect("docker", ports="seven")
    assert refused.value.field == "ports"


def test_a_machine_for_a_block() -> None:
    provider = spuff.connect("docker", timeouts=TIMEOUTS)
    script = "#!/bin/sh\necho up >/root/greeting\n"
    with (
        pytest.raises(ZeroDivisionError),
        provider.instance("python-block", user_data=script) as machine,
    ):
        assert greeting(machine) == "up"
        _ = 1 / 0
    assert docker("inspect", machine.id) is None


def test_many_at_once_and_one_that_is_cancelled() -> None:
    async def main() -> None:
        provider = spuff.aio.connect("docker", timeouts=TIMEOUTS)

        async def use(number: int) -> str:
            async with provider.instance(f"python-{number}") as machine:
                return str(machine.ip)

        assert len(set(await asyncio.gather(*(use(number) for number in range(5))))) == 5

        # A machine of this image does not become ready for ten minutes.
        began = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(
                provider.create_and_wait("python-late", image="spuff-starting:1"), 1
            )
        assert time.monotonic() - began < 3
        await spuff.aio.settled()
        assert await provider.list_instances() == []

    asyncio.run(main())


def test_the_behaviour_suite() -> None:
    def connect(config: spuff.ProviderConfig) -> spuff.Provider:
        return spuff.connect("docker", endpoint=os.environ["DOCKER_HOST"], timeouts=config.timeouts)

    described = spuff.ProviderRegistry.with_defaults().describe("docker")
    report = check_provider(
        connect,
        spuff.InstanceRequest("", "bridge", "0.5x64m"),
        "0" * 64,
        absent_snapshot_id="absent",
        config=spuff.ProviderConfig(timeouts=TIMEOUTS),
        settling=5,
        snapshots=described.snapshots,
        ssh_keys=described.ssh_keys,
        max_user_data=described.max_user_data,
        default_size=True,
        idempotent=True,
    )
    print(report)
    report.assert_passed()
