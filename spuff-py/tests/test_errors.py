"""Every kind of error has an exception of its own, with its fields, and survives a pickle."""

from __future__ import annotations

import builtins
import contextlib
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import spuff
from conftest import HETZNER, Face
from spuff import _spuff
from spuff.simulator import Cloud

KINDS = [(number, name) for number, name, _ in _spuff.ERROR_KINDS]

BUILTINS: dict[str, type[Exception]] = {
    "authentication": PermissionError,
    "not_found": LookupError,
    "invalid_config": ValueError,
    "not_supported": NotImplementedError,
    "timeout": builtins.TimeoutError,
    "network": ConnectionError,
    "not_implemented": NotImplementedError,
    "unknown_provider": LookupError,
    "internal": RuntimeError,
}

FIELDS: dict[str, dict[str, Any]] = {
    "authentication": {"provider": "nimbus"},
    "rate_limit": {"retry_after": 1.5},
    "not_found": {"resource_type": "instance", "resource_id": "42", "instance_id": "42"},
    "quota_exceeded": {"resource_type": "servers"},
    "invalid_config": {"field": "size"},
    "not_supported": {"feature": "resolve"},
    "timeout": {"operation": "wait_ready", "elapsed": 3.0},
    "network": {"retryable": True},
    "api": {"status": 418, "code": "teapot", "request_id": "r-1", "provider": "nimbus"},
    "not_implemented": {"name": "nimbus"},
    "unknown_provider": {"name": "nimbus", "supported": ["aws", "hetzner"]},
    "other": {},
    "conflict": {"status": 409, "retryable": True, "code": "locked"},
    "capacity": {"code": "sold_out"},
    "unavailable": {"status": 503, "retry_after": 2.0},
    "unknown_outcome": {"operation": "create_instance", "key": "k-1", "candidates": ["7", "8"]},
    "cancelled": {"operation": "wait_ready", "instance_id": "42"},
    "internal": {},
}


def raised(kind: str) -> Any:
    """Raises the kind from a provider, through the core, and gives what arrives."""

    class Raises:
        def __init__(self, config: spuff.ProviderConfig) -> None: ...

        def create_instance(self, request: spuff.InstanceRequest) -> spuff.Instance:
            raise NotImplementedError

        def destroy_instance(self, id: str) -> None: ...

        def get_instance(self, id: str) -> spuff.Instance | None: ...

        def list_instances(self) -> list[spuff.Instance]:
            raise spuff.SpuffError.of_kind(kind)("words of the cloud", **FIELDS[kind])

    registry = spuff.ProviderRegistry()
    registry.register("raises", Raises, token_required=False)
    with pytest.raises(spuff.SpuffError) as error:
        registry.connect("raises").list_instances()
    return error.value


@pytest.mark.parametrize(("number", "kind"), KINDS, ids=[name for _, name in KINDS])
def test_every_kind_has_its_exception(number: int, kind: str) -> None:
    name = "".join(word.capitalize() for word in kind.split("_")) + "Error"
    expected = getattr(spuff, name)
    error = raised(kind)
    assert type(error) is expected
    assert (error.kind, error.number) == (kind, number)
    assert error.advice
    assert error.message
    assert str(error)
    for field, value in FIELDS[kind].items():
        assert getattr(error, field) == value, field
    assert isinstance(error, BUILTINS.get(kind, Exception))
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_the_tables_of_these_tests_are_whole() -> None:
    assert list(FIELDS) == [name for _, name in KINDS]
    assert {error.kind for error in spuff.SpuffError.__subclasses__()} == set(FIELDS)
    assert set(BUILTINS) <= set(FIELDS)


def test_an_error_has_known_fields_only() -> None:
    with pytest.raises(TypeError, match="no field colour"):
        spuff.CapacityError("nothing is free", colour="red")
    made = spuff.RateLimitError(retry_after=3.0)
    assert str(made) == "rate limit reached; try again in 3.0 s"
    assert made.retryable
    assert not spuff.CapacityError("sold out").retryable
    assert isinstance(spuff.SpuffError.of_kind("of a newer version")("?"), spuff.SpuffError)


def test_what_a_cloud_has_said_is_in_the_fields(cloud: Cloud, face: Face) -> None:
    provider = face.over(cloud.connect("hetzner"))
    with pytest.raises(ValueError, match="size") as wrong:
        provider.create_instance("web-1", region="fsn1", size="huge")
    assert isinstance(wrong.value, spuff.InvalidConfigError)
    assert (wrong.value.field, wrong.value.provider) == ("size", "hetzner")

    cloud.inject("unauthorized", provider="hetzner", times=1)
    with pytest.raises(PermissionError) as refused:
        provider.list_instances()
    assert isinstance(refused.value, spuff.AuthenticationError)
    assert refused.value.provider == "hetzner"
    cloud.inject("capacity_out", provider="hetzner", route="create_instance", times=1)
    with pytest.raises(spuff.CapacityError) as full:
        provider.create_instance(HETZNER.request())
    assert full.value.status is not None
    assert full.value.code == "resource_unavailable"
    assert full.value.request_id


def test_an_error_after_the_machine_exists_says_which(cloud: Cloud, face: Face) -> None:
    provider = face.over(
        cloud.connect(
            "hetzner", timeouts=spuff.ProviderTimeouts(instance_ready=0.3, poll_interval=0.04)
        )
    )
    cloud.inject("stuck_creating", provider="hetzner", route="create_instance")
    with pytest.raises(spuff.TimeoutError) as kept:
        provider.create_and_wait(HETZNER.request("kept"), on_failure="keep")
    [machine] = cloud.instances()
    assert (kept.value.instance_id, kept.value.instance_exists) == (machine.id, True)
    with pytest.raises(spuff.TimeoutError) as ended:
        provider.create_and_wait(HETZNER.request("ended"))
    assert (ended.value.instance_exists, ended.value.cleanup) == (False, None)
    assert {left.name for left in cloud.leaks()} == {"kept"}

    cloud.inject(
        "server_error", status=500, committed=False, provider="hetzner", route="destroy_instance"
    )
    quick = face.over(
        cloud.connect(
            "hetzner",
            timeouts=spuff.ProviderTimeouts(
                instance_ready=0.3, http_request=0.3, action_complete=0.5
            ),
        )
    )
    with pytest.raises(spuff.TimeoutError) as stays:
        quick.create_and_wait(HETZNER.request("stays"))
    assert stays.value.instance_exists
    assert isinstance(stays.value.cleanup, spuff.SpuffError)
    assert vars(pickle.loads(pickle.dumps(stays.value)))["cleanup"].kind == stays.value.cleanup.kind


class Failing:
    """Raises what its test says, once for each call."""

    def __init__(self, config: spuff.ProviderConfig) -> None: ...

    made: Any = None

    def create_instance(self, request: spuff.InstanceRequest) -> spuff.Instance:
        return spuff.Instance("m-1", "192.0.2.1", "active", name=request.name)

    def destroy_instance(self, id: str) -> None:
        raise self.made(id)

    def get_instance(self, id: str) -> spuff.Instance | None:
        raise self.made(id)

    def list_instances(self) -> list[spuff.Instance]:
        return []


def failing(make: Callable[[str], Exception]) -> spuff.Provider:
    class Now(Failing):
        made = staticmethod(make)

    registry = spuff.ProviderRegistry()
    registry.register("failing", Now, token_required=False)
    return registry.connect("failing")


def named(kind: str) -> Callable[[str], spuff.SpuffError]:
    def make(id: str) -> spuff.SpuffError:
        error = spuff.SpuffError.of_kind(kind)("the same words", **FIELDS[kind])
        error.request_id = f"request of {id}"
        return error

    return make


# What a rate limit does to a destroy of many is to wait, and to ask again.
ALIKE = [name for _, name in KINDS if name != "rate_limit"]


@pytest.mark.parametrize("kind", [name for _, name in KINDS])
def test_calls_at_once_that_fail_alike_each_get_their_own_error(kind: str) -> None:
    provider = failing(named(kind))

    def ask(number: int) -> bool:
        with pytest.raises(spuff.SpuffError) as error:
            provider.get_instance(f"m-{number}")
        return error.value.request_id == f"request of m-{number}"

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(400)))


@pytest.mark.parametrize("kind", ALIKE)
def test_each_of_many_gets_its_own_error(kind: str) -> None:
    ids = [f"m-{number}" for number in range(50)]
    outcomes = failing(named(kind)).destroy_instances(ids)
    assert [outcome.request_id for outcome in outcomes if outcome] == [
        f"request of {id}" for id in ids
    ]


def test_builtin_exceptions_that_are_alike_are_each_the_cause_of_its_own() -> None:
    def make(id: str) -> Exception:
        error = KeyError("the same")
        error.id = id  # type: ignore[attr-defined]
        return error

    provider = failing(make)
    for number in range(3):
        with pytest.raises(
            spuff.OtherError,
            match=r"KeyError: 'the same' \(test_errors.py, line \d+, in get_instance\)",
        ) as error:
            provider.get_instance(f"m-{number}")
        assert vars(error.value.__cause__)["id"] == f"m-{number}"
    outcomes = provider.destroy_instances(["m-1", "m-2"])
    assert [vars(outcome.__cause__)["id"] for outcome in outcomes if outcome] == ["m-1", "m-2"]


def test_what_was_raised_is_let_go_with_its_call() -> None:
    class Local: ...

    kept: list[weakref.ref[Local]] = []

    def make(id: str) -> Exception:
        local = Local()
        kept.append(weakref.ref(local))
        return ValueError(local)

    provider = failing(make)
    for number in range(40):
        with contextlib.suppress(spuff.SpuffError):
            provider.get_instance(f"m-{number}", timeout=5)
    with contextlib.suppress(spuff.SpuffError):
        failing(lambda id: spuff.UnavailableError("later")).wait_ready("m", timeout=0.3)
    gc.collect()
    assert len(kept) == 40
    assert [one for one in kept if one() is not None] == []


def test_what_a_factory_raises_is_what_connect_raises() -> None:
    def factory(config: spuff.ProviderConfig) -> Any:
        raise spuff.AuthenticationError("no", request_id="r-1")

    registry = spuff.ProviderRegistry()
    registry.register("refuses", factory, token_required=False)
    with pytest.raises(spuff.AuthenticationError) as refused:
        registry.connect("refuses")
    assert refused.value.request_id == "r-1"
    assert refused.value.__traceback__ is not None


def test_errors_with_names_of_builtins_are_not_among_those_of_a_star() -> None:
    assert not set(spuff.__all__) & set(vars(builtins))
