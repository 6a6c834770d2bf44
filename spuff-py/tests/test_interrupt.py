"""Ctrl-C ends a verb at once, says which machine it was about, and nothing of the verb runs on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import spuff
from conftest import HETZNER, quiet
from spuff.simulator import Cloud


class Interrupter:
    """Presses Ctrl-C a little later, when something has come true, and measures how long it takes
    to be noticed.
    """

    def __init__(self, after: float = 0.3, when: Callable[[], bool] = lambda: True) -> None:
        self.pressed = 0.0
        threading.Timer(after, self._press, [when]).start()

    def _press(self, when: Callable[[], bool]) -> None:
        while not when():
            time.sleep(0.01)
        self.pressed = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    def surfaced(self) -> float:
        return time.monotonic() - self.pressed


@pytest.fixture
def stuck(cloud: Cloud) -> spuff.Provider:
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    return cloud.connect("hetzner", timeouts=spuff.ProviderTimeouts(poll_interval=0.02))


def test_a_wait_is_interrupted_within_a_tenth_of_a_second(
    cloud: Cloud, stuck: spuff.Provider, record_property: Any
) -> None:
    machine = stuck.create_instance(HETZNER.request())
    latencies = []
    for _ in range(5):
        interrupter = Interrupter()
        with pytest.raises(KeyboardInterrupt) as interrupted:
            stuck.wait_ready(machine.id)
        latencies.append(interrupter.surfaced())
        assert interrupted.value.instance_id == machine.id  # type: ignore[attr-defined]
        assert interrupted.value.operation == "wait_ready"  # type: ignore[attr-defined]
        if hasattr(interrupted.value, "add_note"):
            assert machine.id in vars(interrupted.value)["__notes__"][0]
        assert quiet(cloud)
    record_property("latencies", latencies)
    print("surfaced after", ", ".join(f"{latency * 1000:.0f} ms" for latency in latencies))
    # The promise is 100 ms. What is asserted is that nobody waited for the machine, on a computer
    # that does other things too.
    assert max(latencies) < 1
    stuck.destroy_instance(machine.id)


def test_a_create_that_is_interrupted_leaves_nothing(cloud: Cloud, hetzner: spuff.Provider) -> None:
    cloud.inject("slow", millis=1500, provider="hetzner", route="create_instance", times=1)
    Interrupter()
    with pytest.raises(KeyboardInterrupt) as interrupted:
        hetzner.create_instance(HETZNER.request())
    assert interrupted.value.instance_id is None  # type: ignore[attr-defined]
    spuff.settled()
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "destroy_instance") == 1

    cloud.inject("slow", millis=1500, provider="hetzner", route="create_instance", times=1)
    Interrupter()
    with pytest.raises(KeyboardInterrupt):
        hetzner.create_instance(HETZNER.request("kept", on_cancel="keep"))
    spuff.settled()
    assert [left.name for left in cloud.leaks()] == ["kept"]


def test_a_block_that_is_interrupted_ends_its_machine(cloud: Cloud, stuck: spuff.Provider) -> None:
    Interrupter()
    with pytest.raises(KeyboardInterrupt), stuck.instance(HETZNER.request()):
        pass
    spuff.settled()
    cloud.assert_no_leaks()
    cloud.clear_faults()
    Interrupter(1.0, lambda: cloud.request_count("hetzner", "create_instance") == 2)
    with pytest.raises(KeyboardInterrupt), stuck.instance(HETZNER.request("used")):
        time.sleep(20)
    cloud.assert_no_leaks()
    assert cloud.request_count("hetzner", "create_instance") == 2


def test_a_fleet_that_is_interrupted_leaves_nothing(cloud: Cloud, hetzner: spuff.Provider) -> None:
    fault = cloud.inject("slow", millis=200, provider="hetzner", route="create_instance")
    names = [f"web-{number}" for number in range(60)]
    fields: Any = {"region": "fsn1", "size": "cx22", "concurrency": 4}
    Interrupter(0.5, lambda: cloud.hits(fault) >= 4)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        hetzner.create_instances(names, on_failure="keep", **fields)
    assert interrupted.value.operation == "create_instances"  # type: ignore[attr-defined]
    if hasattr(interrupted.value, "add_note"):
        assert "spuff.settled() waits for that" in vars(interrupted.value)["__notes__"][0]
    spuff.settled()
    cloud.assert_no_leaks()
    assert 4 <= cloud.hits(fault) < 60

    Interrupter(0.5)
    with pytest.raises(KeyboardInterrupt):
        for seen in hetzner.watch_create_instances(names, **fields):
            assert seen.phase == "accepted"
    spuff.settled()
    Interrupter(0.5)
    with pytest.raises(KeyboardInterrupt), hetzner.fleet(names, **fields):
        pytest.fail("it does not begin")
    spuff.settled()
    cloud.assert_no_leaks()
    cloud.clear_faults()
    Interrupter(1.0)
    with pytest.raises(KeyboardInterrupt), hetzner.fleet(names[:3], **fields) as machines:
        assert len(machines) == 3
        time.sleep(20)
    spuff.settled()
    cloud.assert_no_leaks()


def test_a_callback_of_a_fleet_that_raises_ends_it(cloud: Cloud, hetzner: spuff.Provider) -> None:
    def refuse(seen: spuff.Progress) -> None:
        raise ZeroDivisionError(seen.phase)

    with pytest.raises(ZeroDivisionError, match="accepted"):
        hetzner.create_instances(
            [f"web-{number}" for number in range(20)],
            region="fsn1",
            size="cx22",
            on_progress=refuse,
        )
    spuff.settled()
    cloud.assert_no_leaks()


def test_a_watch_can_be_interrupted(cloud: Cloud, stuck: spuff.Provider) -> None:
    machine = stuck.create_instance(HETZNER.request())
    Interrupter()
    with pytest.raises(KeyboardInterrupt):
        for seen in stuck.watch(machine.id):
            assert seen.state == "new"
    assert quiet(cloud)
    stuck.destroy_instance(machine.id)


def test_a_handler_may_call_verbs_and_let_the_wait_go_on(
    cloud: Cloud, hetzner: spuff.Provider
) -> None:
    machine = hetzner.create_instance(HETZNER.request())
    cloud.inject("slow", millis=700, provider="hetzner", route="get_instance", times=1)
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(len(hetzner.list_instances())))
    try:
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        assert hetzner.wait_ready(machine.id).is_ready
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [1]
    hetzner.destroy_instance(machine.id)


def test_a_callback_that_raises_ends_the_wait(cloud: Cloud, stuck: spuff.Provider) -> None:
    machine = stuck.create_instance(HETZNER.request())

    def refuse(seen: spuff.Progress) -> None:
        raise ZeroDivisionError(seen.state)

    with pytest.raises(ZeroDivisionError, match="new"):
        stuck.wait_ready(machine.id, on_progress=refuse)
    assert quiet(cloud)
    stuck.destroy_instance(machine.id)
