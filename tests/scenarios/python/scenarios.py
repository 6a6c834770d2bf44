"""The shared scenarios in Python: `README.md` of the folder above says how a scenario is written,
and what is printed.

python tests/scenarios/python/scenarios.py tests/scenarios/lifecycle.scenario hetzner sync
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import spuff
from spuff.simulator import Cloud

PATIENCE = 20.0
"""Seconds until a list must show what is expected of it."""
PAUSE = 0.02
HIDDEN = ("spuff-key", "spuff-digest", "spuff-expires")
PLACES = {
    "digitalocean": ("nyc3", "nyc1", "s-1vcpu-1gb"),
    "hetzner": ("fsn1", "nbg1", "cx22"),
    "aws": ("us-east-1", "eu-west-1", "t3.micro"),
}


class Arguments:
    """A step's arguments."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.pairs = list(pairs)

    def get(self, name: str) -> str | None:
        return next((value for known, value in self.pairs if known == name), None)

    def text(self, name: str) -> str:
        return self.get(name) or ""

    def number(self, name: str) -> int | None:
        value = self.get(name)
        return None if value is None else int(value)

    def seconds(self, name: str, default: float | None = None) -> float | None:
        millis = self.number(name)
        return default if millis is None else millis / 1000

    def labels(self) -> dict[str, str]:
        pairs = (value.split(":", 1) for name, value in self.pairs if name == "label")
        return {key: value for key, value in pairs}


class Stage:
    """What a scenario has on stage."""

    def __init__(self, name: str, face: str) -> None:
        self.name = name
        self.loop = asyncio.new_event_loop() if face == "async" else None
        self.cloud: Cloud | None = None
        self.provider: spuff.Provider | None = None
        self.ids: list[tuple[str, str]] = []
        self.key = ""

    def play(self, line: str) -> str | None:
        """Plays one step, and tells its outcome, if it has one."""
        step, _, rest = line.partition(" ")
        if step == "fault":
            rule = json.loads(rest.replace("@provider", self.name))
            fault = rule.pop("fault")
            [(kind, fields)] = fault.items() if isinstance(fault, dict) else [(fault, {})]
            self.running().inject(kind, **fields, **rule)
            return None
        words = (word.partition("=") for word in rest.split(" ") if word)
        arguments = Arguments((name, self.read(value)) for name, _, value in words)
        play: Callable[[Arguments], str | None] | None = getattr(self, f"play_{step}", None)
        if play is None:
            raise ValueError("there is no such step")
        try:
            return play(arguments)
        except spuff.SpuffError as error:
            self.key = error.key or ""
            return self.error(error)

    def running(self) -> Cloud:
        if self.cloud is None:
            raise ValueError("there is no cloud yet")
        return self.cloud

    def ask(self, verb: str, *arguments: Any, **keywords: Any) -> Any:
        """Calls a verb on this face."""
        if self.provider is None:
            raise ValueError("nothing is connected yet")
        if self.loop is None:
            return getattr(self.provider, verb)(*arguments, **keywords)
        answer = getattr(self.provider.aio, verb)(*arguments, **keywords)
        return self.loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

    def read(self, value: str) -> str:
        """A value with the name of an id at its end replaced by the id."""
        before, at, name = value.rpartition("@")
        if not at:
            return value
        known = self.key if name == "error" else dict(reversed(self.ids)).get(name)
        return value if known is None else before + known

    def note(self, arguments: Arguments, id: str | None) -> None:
        name = arguments.get("as")
        if name is not None and id is not None:
            self.ids.append((name, id))

    def play_cloud(self, arguments: Arguments) -> None:
        token = arguments.get("token")
        speed = float(arguments.number("speed") or 60)
        self.cloud = Cloud(
            speed=speed, quota=arguments.number("quota"), tokens=[] if token is None else [token]
        )

    def play_no_faults(self, _: Arguments) -> None:
        self.running().clear_faults()

    def play_connect(self, arguments: Arguments) -> str:
        config = self.running().config(self.name)
        limits = {
            "instance_ready": 20.0,
            "action_complete": 20.0,
            "poll_interval": 0.02,
            "http_request": 2.0,
        }
        timeouts = spuff.ProviderTimeouts(
            **{name: arguments.seconds(name, usual) or 0.0 for name, usual in limits.items()}
        )
        token = arguments.get("token")
        options: dict[str, str] = config.options
        if arguments.get("owner") is not None:
            options["owner"] = arguments.text("owner")
        registry = spuff.ProviderRegistry.with_defaults()
        token = config.token if token is None else token
        self.provider = registry.connect(
            self.name, token, config.endpoint, config.region, timeouts, **options
        )
        return "ok"

    def fields(self, arguments: Arguments) -> dict[str, Any]:
        """What a step asks for, but for the name."""
        region, elsewhere, size = PLACES[self.name]
        given, wanted = arguments.get("region"), arguments.get("size")
        length = arguments.number("user_data_size")
        fields: dict[str, Any] = {
            "region": {None: region, "elsewhere": elsewhere}.get(given, given),
            "size": size if wanted is None else wanted,
            "labels": arguments.labels(),
            "idempotency_key": arguments.get("key"),
            "owner": arguments.get("owner"),
            "ttl": arguments.number("ttl"),
            "user_data": arguments.get("user_data") if length is None else "x" * length,
            "on_cancel": arguments.get("on_cancel"),
        }
        if arguments.get("image") is not None:
            fields["image"] = arguments.text("image")
        return fields

    def create(self, arguments: Arguments, verb: str, **keywords: Any) -> str:
        limit = arguments.seconds("deadline")
        try:
            machine: spuff.Instance = self.ask(
                verb, arguments.text("name"), timeout=limit, **self.fields(arguments), **keywords
            )
        except spuff.SpuffError as error:
            self.note(arguments, error.instance_id)
            raise
        self.note(arguments, machine.id)
        return self.machine(machine, with_state=verb == "create_and_wait")

    def create_at_once(self, arguments: Arguments, times: int) -> str:
        """The same create several times at once: in tasks, or in threads that block."""
        fields = self.fields(arguments)

        def here() -> spuff.Instance | spuff.SpuffError:
            try:
                made: spuff.Instance = self.ask("create_instance", arguments.text("name"), **fields)
            except spuff.SpuffError as error:
                return error
            return made

        async def together() -> list[Any]:
            assert self.provider is not None
            creates = (
                self.provider.aio.create_instance(arguments.text("name"), **fields)
                for _ in range(times)
            )
            return await asyncio.gather(*creates, return_exceptions=True)

        if self.loop is None:
            with ThreadPoolExecutor(times) as threads:
                made = [create.result() for create in [threads.submit(here) for _ in range(times)]]
        else:
            made = self.loop.run_until_complete(together())
        self.note(
            arguments, next((one.id for one in made if isinstance(one, spuff.Instance)), None)
        )
        return self.outcomes(made)

    def outcomes(self, made: Iterable[Any]) -> str:
        """What came of several creates."""
        return lines(
            self.error(one) if isinstance(one, spuff.SpuffError) else self.bare(one) for one in made
        )

    def play_create_fleet(self, arguments: Arguments) -> str:
        keys = arguments.get("keys")
        requests = []
        for name in arguments.text("names").split(","):
            fields = self.fields(arguments)
            fields["idempotency_key"] = None if keys is None else f"{keys}-{name}"
            requests.append(spuff.InstanceRequest(name, **fields))
        on_failure = arguments.get("on_failure") or "destroy_failed"
        wait = arguments.get("wait") is not None
        return self.outcomes(
            self.ask("create_instances", requests, on_failure=on_failure, wait_ready=wait)
        )

    def play_create(self, arguments: Arguments) -> str:
        times = arguments.number("at_once")
        return (
            self.create(arguments, "create_instance")
            if times is None
            else self.create_at_once(arguments, times)
        )

    def play_create_and_wait(self, arguments: Arguments) -> str:
        return self.create(
            arguments, "create_and_wait", on_failure=arguments.get("on_failure") or "destroy"
        )

    def play_get(self, arguments: Arguments) -> str:
        found = self.ask("get_instance", arguments.text("id"))
        return self.machine(found) if found else "none"

    def play_wait(self, arguments: Arguments) -> str:
        ready = self.ask("wait_ready", arguments.text("id"), timeout=arguments.seconds("deadline"))
        return self.machine(ready, with_state=True)

    def play_gone(self, arguments: Arguments) -> str:
        began = time.monotonic()
        while (
            found := self.ask("get_instance", arguments.text("id"))
        ) and time.monotonic() - began < PATIENCE:
            time.sleep(PAUSE)
        return f"ok {word(found is None)}"

    def play_destroy(self, arguments: Arguments) -> str:
        self.ask("destroy_instance", arguments.text("id"))
        return "ok"

    def until_counted(self, arguments: Arguments, verb: str, *given: str) -> list[Any]:
        """Asks until as many are found as the step says."""
        count, began = arguments.number("count"), time.monotonic()
        while True:
            found: list[Any] = self.ask(verb, *given)
            if count is None or len(found) == count or time.monotonic() - began > PATIENCE:
                return found
            time.sleep(PAUSE)

    def play_list(self, arguments: Arguments) -> str:
        return lines(
            self.bare(machine) for machine in self.until_counted(arguments, "list_instances")
        )

    def play_list_owned(self, arguments: Arguments) -> str:
        found = self.until_counted(arguments, "list_owned", arguments.text("owner"))
        return lines(self.bare(machine) for machine in found)

    def play_snapshot(self, arguments: Arguments) -> str:
        limit = arguments.seconds("deadline")
        snapshot = self.ask(
            "create_snapshot", arguments.text("id"), arguments.text("name"), timeout=limit
        )
        self.note(arguments, snapshot.id)
        return f"ok {self.snapshot(snapshot)}"

    def play_list_snapshots(self, arguments: Arguments) -> str:
        return lines(
            self.snapshot(snapshot) for snapshot in self.until_counted(arguments, "list_snapshots")
        )

    def play_list_labelled_snapshots(self, arguments: Arguments) -> str:
        found = self.until_counted(arguments, "list_labelled_snapshots")
        return lines(
            f"{self.snapshot(snapshot)} {show_labels(labels)}" for snapshot, labels in found
        )

    def play_delete_snapshot(self, arguments: Arguments) -> str:
        self.ask("delete_snapshot", arguments.text("id"))
        return "ok"

    def play_resolve(self, arguments: Arguments) -> str:
        found = self.ask("resolve", arguments.text("key"))
        self.note(arguments, found and found.id)
        return self.machine(found) if found else "none"

    def play_resolve_snapshot(self, arguments: Arguments) -> str:
        found = self.ask("resolve_snapshot", arguments.text("key"))
        self.note(arguments, found and found.id)
        return f"ok {self.snapshot(found)}" if found else "none"

    def play_set_labels(self, arguments: Arguments) -> str:
        self.ask("set_labels", arguments.text("id"), arguments.labels())
        return "ok"

    def play_renew(self, arguments: Arguments) -> str:
        end = self.ask("renew", arguments.text("id"), arguments.number("ttl") or 0)
        return f"ok later={word(end > datetime.now(timezone.utc))}"

    def play_ssh_keys(self, _: Arguments) -> str:
        return f"ok count={len(self.ask('get_ssh_keys'))}"

    def play_reap(self, arguments: Arguments) -> str:
        age, owner = arguments.number("older_than"), arguments.get("owner")
        expired = arguments.get("expired") is not None or (owner is None and age is None)
        dry_run = arguments.get("dry_run") is not None
        reaped = self.ask(
            "reap",
            expired=expired,
            older_than=age,
            owner=owner,
            dry_run=dry_run,
            confirm_within=PATIENCE,
        )

        def show(item: spuff.Reaped) -> str:
            error = f" error={item.error.kind}" if item.error else ""
            return (
                f"{item.kind} id={self.show_id(item.id)} "
                f"owner={item.owner or '-'} gone={word(item.ended)}{error}"
            )

        return lines(show(item) for item in reaped)

    def play_supports_snapshots(self, _: Arguments) -> str:
        return f"ok {word(self.ask('supports_snapshots'))}"

    def play_settled(self, _: Arguments) -> str:
        if self.loop is None:
            spuff.settled()
        else:
            self.loop.run_until_complete(spuff.aio.settled())
        return "ok"

    def play_truth(self, _: Arguments) -> str:
        cloud = self.running()
        instances = sum(not machine.ending for machine in cloud.instances())
        return (
            f"ok instances={instances} snapshots={len(cloud.snapshots())} "
            f"leaks={len(cloud.leaks())}"
        )

    def show_id(self, id: str) -> str:
        return next((f"@{name}" for name, known in self.ids if known == id), "?")

    def machine(self, machine: spuff.Instance, with_state: bool = False) -> str:
        state = f" status={machine.status} ready={word(machine.is_ready)}" if with_state else ""
        place = f"name={machine.name} region={machine.region} size={machine.size}"
        return f"ok id={self.show_id(machine.id)} {place}{state} {show_labels(machine.labels)}"

    def bare(self, machine: spuff.Instance) -> str:
        """A machine as one of a list."""
        return self.machine(machine).removeprefix("ok ")

    def snapshot(self, snapshot: spuff.Snapshot) -> str:
        return f"id={self.show_id(snapshot.id)} name={snapshot.name}"

    def error(self, error: spuff.SpuffError) -> str:
        """What is known of an error."""
        operation = error.operation.split(" ")[0] if error.operation is not None else None
        known = {
            "kind": error.kind,
            "provider": error.provider,
            "status": error.status,
            "code": error.code,
            "retryable": word(error.retryable),
            "field": error.field,
            "resource_type": error.resource_type,
            "feature": error.feature,
            "operation": operation,
            "key": None if error.key is None else "yes",
            "candidates": len(error.candidates) or None,
            "instance": None if error.instance_id is None else self.show_id(error.instance_id),
            "exists": None if error.instance_exists is None else word(error.instance_exists),
        }
        return "error" + "".join(
            f" {name}={value}" for name, value in known.items() if value is not None
        )


def word(truth: bool) -> str:
    return "true" if truth else "false"


def lines(items: Iterable[str]) -> str:
    told = sorted(items)
    return f"ok count={len(told)}" + "".join(f"\n  {item}" for item in told)


def show_labels(labels: dict[str, str]) -> str:
    shown = sorted(f"{key}:{'*' if key in HIDDEN else value}" for key, value in labels.items())
    return f"labels={','.join(shown)}"


def main(file: str, provider: str, face: str) -> None:
    if face not in ("sync", "async"):
        sys.exit(f"{face} is no face; there are sync and async")
    stage = Stage(provider, face)
    for line in Path(file).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        try:
            told = stage.play(line)
        except ValueError as error:
            sys.exit(f"{file}: {line}: {error}")
        if told is not None:
            print(f"{line.split(' ')[0]}: {told}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
