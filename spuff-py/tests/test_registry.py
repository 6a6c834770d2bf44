"""Registries, the short way to connect, and what they say of a provider."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import spuff
from spuff.simulator import Cloud


def test_the_defaults() -> None:
    registry = spuff.ProviderRegistry.with_defaults()
    assert {"aws", "digitalocean", "docker", "hetzner"} <= set(registry.registered_providers())
    assert registry.implemented_providers() == registry.registered_providers()
    assert "hetzner" in registry
    assert "hcloud" in registry
    assert registry.is_registered("ec2")
    assert "local" in registry
    assert "nimbus" not in registry
    assert "'hetzner'" in repr(registry)
    assert spuff.ProviderRegistry().registered_providers() == []


def test_an_unknown_name_lists_those_that_would_work() -> None:
    with pytest.raises(LookupError, match="nimbus") as unknown:
        spuff.connect("nimbus")
    assert isinstance(unknown.value, spuff.UnknownProviderError)
    assert unknown.value.name == "nimbus"
    assert {"aws", "digitalocean", "hetzner"} <= set(unknown.value.supported)


def test_a_description() -> None:
    described = spuff.ProviderRegistry.with_defaults().describe("hcloud")
    assert (described.name, described.snapshots, described.ssh_keys, described.labels) == (
        "hetzner",
        True,
        True,
        True,
    )
    assert described.max_user_data == 32768
    options = {option.name: option for option in described.options}
    assert options["token"].secret
    assert options["token"].required
    assert options["token"].env[0] == "HETZNER_TOKEN"
    assert options["ca_file"].doc
    assert "HETZNER_TOKEN" in repr(options["token"])
    assert "hetzner" in repr(described)


def test_an_engine_takes_no_token() -> None:
    described = spuff.ProviderRegistry.with_defaults().describe("local")
    options = {option.name: option for option in described.options}
    assert list(options) == [
        "endpoint",
        "region",
        "mounts",
        "ports",
        "environment",
        "plain_tcp",
        "tls_verify",
        "cert_path",
        "docker_config",
        "context",
        "owner",
        "ttl",
    ]
    assert options["endpoint"].env == ["DOCKER_HOST"]
    assert not any(option.required or option.secret for option in described.options)
    assert (described.name, described.snapshots, described.ssh_keys, described.labels) == (
        "docker",
        True,
        False,
        True,
    )
    with pytest.raises(spuff.InvalidConfigError) as refused:
        spuff.connect("docker", "token")
    assert refused.value.field == "token"


def test_the_contracts_way(cloud: Cloud) -> None:
    provider = spuff.ProviderRegistry.with_defaults().create_by_name(
        "do", "token", spuff.ProviderTimeouts()
    )
    assert (provider.name, provider.aio.name) == ("digitalocean", "digitalocean")


def test_what_is_left_out_comes_from_the_environment(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("digitalocean", "hetzner", "aws"):
        assert spuff.connect(name).list_instances() == []
        assert spuff.aio.connect(name).name == name
    monkeypatch.delenv("HCLOUD_TOKEN")
    monkeypatch.delenv("HETZNER_TOKEN", raising=False)
    with pytest.raises(spuff.InvalidConfigError, match="HETZNER_TOKEN"):
        spuff.connect("hetzner")
    with pytest.raises(spuff.InvalidConfigError, match="token"):
        spuff.ProviderRegistry.with_defaults().connect("hetzner")


def test_a_whole_configuration(cloud: Cloud) -> None:
    config = cloud.config("hetzner")
    timeouts = spuff.ProviderTimeouts(poll_interval=0.04)
    provider = spuff.connect(
        "hetzner",
        config.token,
        config.endpoint,
        "fsn1",
        timeouts,
        owner="ci",
        ttl=3600,
        **config.options,
    )
    machine = provider.create_and_wait("web-1", size="cx22")
    assert (machine.region, machine.owner) == ("fsn1", "ci")
    assert machine.expires_at is not None
    with pytest.raises(spuff.InvalidConfigError, match="colour"):
        spuff.connect("hetzner", "token", colour="red")
    with pytest.raises(spuff.InvalidConfigError, match="http"):
        spuff.connect("hetzner", "token", "http://example.org")


def test_providers_and_configurations_are_not_pickled(cloud: Cloud) -> None:
    for secret in (
        cloud.connect("hetzner"),
        cloud.connect("hetzner").aio,
        cloud.config("hetzner"),
        cloud,
    ):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(secret)


PACKAGE = """
class Nimbus:
    def __init__(self, config):
        self.token = config.token

    def create_instance(self, request):
        raise NotImplementedError

    def destroy_instance(self, id):
        pass

    def get_instance(self, id):
        return None

    def list_instances(self):
        return []
"""

ASK = """
import sys, spuff
loaded = "importlib.metadata" in sys.modules
assert spuff.connect("hetzner", "token").name == "hetzner"
assert ("importlib.metadata" in sys.modules) == loaded, "looked for a provider that is built in"
assert spuff.connect("Nimbus", "token").list_instances() == []
assert "nimbus" in spuff.ProviderRegistry.with_defaults().registered_providers()
try:
    spuff.connect("cirrus", "token")
except spuff.UnknownProviderError as error:
    print(error.name)
"""


def test_installed_packages_offer_providers(tmp_path: Path) -> None:
    (tmp_path / "nimbus_spuff.py").write_text(PACKAGE)
    info = tmp_path / "nimbus_spuff-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nimbus-spuff\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spuff.providers]\nnimbus = nimbus_spuff:Nimbus\n")
    path = os.pathsep.join([str(tmp_path), *(entry for entry in sys.path if entry)])
    asked = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (asked.returncode, asked.stdout) == (0, "cirrus\n"), asked.stderr
