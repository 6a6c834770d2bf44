"""Threads, forks, other processes, other interpreters."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import spuff
from conftest import HETZNER
from spuff.simulator import Cloud

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def life(provider: spuff.Provider, name: str) -> bool:
    with provider.instance(HETZNER.request(name)) as machine:
        return machine.is_ready


def in_child(work: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        held = False
        try:
            held = work()
        finally:
            os._exit(0 if held else 1)
    return os.waitpid(child, 0)[1] == 0


def test_a_forked_child_works_and_its_parent_goes_on(cloud: Cloud, hetzner: spuff.Provider) -> None:
    assert life(hetzner, "parent")
    assert in_child(
        lambda: life(hetzner, "child") and in_child(lambda: life(hetzner, "grandchild"))
    )
    assert life(hetzner, "parent-2")
    assert cloud.request_count("hetzner", "create_instance") == 4
    cloud.assert_no_leaks()


def test_a_fork_while_another_thread_waits(cloud: Cloud, hetzner: spuff.Provider) -> None:
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance", times=1)
    stuck = hetzner.create_instance(HETZNER.request("stuck"))
    ended: list[str] = []

    def wait() -> None:
        with pytest.raises(spuff.TimeoutError):
            hetzner.wait_ready(stuck.id, timeout=2)
        ended.append("in time")

    waiting = threading.Thread(target=wait)
    waiting.start()
    for number in range(5):
        name = f"child-{number}"
        assert in_child(lambda name=name: life(hetzner, name))  # type: ignore[misc]
    waiting.join()
    assert ended == ["in time"]
    hetzner.destroy_instance(stuck.id)
    cloud.assert_no_leaks()


def test_a_child_leaves_its_parents_machine_alone(cloud: Cloud, hetzner: spuff.Provider) -> None:
    scope = hetzner.instance(HETZNER.request())
    scope.__enter__()

    def leave() -> bool:
        scope.__exit__(None, None, None)
        spuff.settled()
        return True

    assert in_child(leave)
    assert len(cloud.leaks()) == 1
    scope.__exit__(None, None, None)
    cloud.assert_no_leaks()


def test_a_cloud_belongs_to_its_process(cloud: Cloud) -> None:
    def ask() -> bool:
        with pytest.raises(RuntimeError, match="process that started it; use it there"):
            cloud.instances()
        cloud.close()
        return True

    assert in_child(ask)
    assert cloud.instances() == []


def connect_and_live(environment: dict[str, str], name: str) -> bool:
    os.environ.update(environment)
    return life(spuff.connect("hetzner", timeouts=spuff.ProviderTimeouts(poll_interval=0.04)), name)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(cloud: Cloud, method: str) -> None:
    assert connect_and_live(dict(cloud.environment()), "here")
    with multiprocessing.get_context(method).Pool(2) as pool:
        names = [f"{method}-{number}" for number in range(4)]
        assert (
            pool.starmap(connect_and_live, [(cloud.environment(), name) for name in names])
            == [True] * 4
        )
    cloud.assert_no_leaks()


def test_an_error_crosses_processes(cloud: Cloud) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool, pytest.raises(spuff.UnknownProviderError) as unknown:
        pool.apply(spuff.connect, ("nimbus", "token"))
    assert unknown.value.name == "nimbus"


def test_64_threads_share_one_provider(cloud: Cloud, hetzner: spuff.Provider) -> None:
    with ThreadPoolExecutor(64) as threads:
        lives = threads.map(lambda number: life(hetzner, f"web-{number}"), range(64))
        assert list(lives) == [True] * 64
    cloud.assert_no_leaks()


SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import spuff
other = interpreters.create()
code = '''
import sys
try:
    import spuff
except ImportError as refused:
    sys.stdout.write(f"refused: {refused}")
    sys.stdout.flush()
else:
    sys.stdout.write("imported")
    sys.stdout.flush()
'''
interpreters.run_string(other, code)
"""


def test_a_second_interpreter_is_refused() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SUBINTERPRETER], capture_output=True, text=True, check=False
    )
    assert ran.stdout.startswith("refused: "), (ran.stdout, ran.stderr)


AT_EXIT = """
import os, signal, sys, threading, spuff
provider = spuff.connect("hetzner")
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
provider.create_instance("web-1", region="fsn1", size="cx22")
"""


def test_an_interrupted_program_does_not_end_before_its_machine(cloud: Cloud) -> None:
    cloud.inject("slow", millis=1000, provider="hetzner", route="create_instance", times=1)
    environment = {**os.environ, **cloud.environment()}
    ran = subprocess.run(
        [sys.executable, "-c", AT_EXIT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "KeyboardInterrupt" in ran.stderr
    assert cloud.request_count("hetzner", "create_instance") == 1
    cloud.assert_no_leaks()


HELD_AT_EXIT = """
import spuff
names = [f"web-{number}" for number in range(60)]
held = spuff.connect("hetzner").watch_create_instances(
    names, region="fsn1", size="cx22", concurrency=2
)
print(next(held).phase, flush=True)
raise SystemExit("on purpose")
"""


def test_a_program_that_ends_in_the_middle_of_a_fleet_leaves_nothing(cloud: Cloud) -> None:
    cloud.inject("slow", millis=100, provider="hetzner", route="create_instance")
    environment = {**os.environ, **cloud.environment()}
    ran = subprocess.run(
        [sys.executable, "-c", HELD_AT_EXIT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("accepted\n", "on purpose\n")
    cloud.assert_no_leaks()
    assert 1 <= cloud.request_count("hetzner", "create_instance") < 60
