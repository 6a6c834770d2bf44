"""A token is shown nowhere: not by values, not by errors on any path, not by pickles of them."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable

import pytest

import spuff
from conftest import HETZNER, Face
from spuff.simulator import Cloud

CANARY = "canary-0f9e8d7c6b5a"

FAULTS: list[tuple[str, dict[str, object]]] = [
    ("unauthorized", {}),
    ("server_error", {"status": 500, "committed": False}),
    ("html", {"status": 502}),
    ("truncated", {}),
    ("rate_limited", {"retry_after": 0, "headers": True}),
    ("connection_closed", {}),
]


@pytest.mark.parametrize(("fault", "fields"), FAULTS, ids=[fault for fault, _ in FAULTS])
def test_a_token_is_in_no_error(face: Face, fault: str, fields: dict[str, object]) -> None:
    with Cloud(speed=50, tokens=[CANARY]) as cloud:
        timeouts = spuff.ProviderTimeouts(
            instance_ready=0.5, action_complete=0.5, http_request=0.3, poll_interval=0.04
        )
        provider = face.over(cloud.connect("hetzner", timeouts=timeouts))
        assert provider.list_instances() == []
        cloud.inject(fault, provider="hetzner", **fields)
        verbs: list[Callable[[], object]] = [
            provider.list_instances,
            lambda: provider.create_instance(HETZNER.request()),
            lambda: provider.wait_ready("7"),
            lambda: provider.destroy_instance("7"),
        ]
        for verb in verbs:
            with pytest.raises(spuff.SpuffError) as error:
                verb()
            shown = "".join(traceback.format_exception(error.value)) + repr(vars(error.value))
            assert CANARY not in shown
            assert CANARY.encode() not in pickle.dumps(error.value)


def test_a_token_is_in_no_repr() -> None:
    config = spuff.ProviderConfig(CANARY, "https://example.org", "east", secret=CANARY)
    assert config.token == CANARY
    assert CANARY not in repr(config) + str(config)
    provider = spuff.connect("hetzner", CANARY)
    assert CANARY not in repr(provider) + repr(provider.aio) + repr(
        spuff.ProviderRegistry.with_defaults()
    )
    request = spuff.InstanceRequest("web-1", user_data=CANARY)
    assert CANARY not in repr(request) + str(request)


def test_a_token_is_in_no_refusal() -> None:
    for wrong in (f"{CANARY}\n{CANARY}", f"{CANARY}\x00", "ü" + CANARY):
        with pytest.raises(spuff.InvalidConfigError) as refused:
            spuff.connect("hetzner", wrong)
        assert CANARY not in str(refused.value) + repr(vars(refused.value))
