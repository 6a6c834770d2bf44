"""The clouds in a box, and the fixture of pytest."""

from __future__ import annotations

from datetime import timedelta

import pytest

import spuff
from conftest import HETZNER
from spuff.simulator import PROVIDERS, Cloud


def test_faults_truth_and_money(cloud: Cloud, hetzner: spuff.Provider) -> None:
    lost = cloud.inject("reply_lost", provider="hetzner", route="create_instance", times=1)
    machine = hetzner.create_and_wait(HETZNER.request(labels={"env": "test"}))
    assert cloud.hits(lost) == 1
    [found] = cloud.instances()
    assert (found.id, found.name, found.kind, found.labels["env"]) == (
        machine.id,
        "web-1",
        "instance",
        "test",
    )
    assert found.region == "fsn1"
    with pytest.raises(AssertionError, match=f"hetzner instance {machine.id}"):
        cloud.assert_no_leaks()
    struck = [request for request in cloud.requests() if request.fault]
    assert [(request.route, request.method, request.provider) for request in struck] == [
        ("create_instance", "POST", "hetzner")
    ]
    assert struck[0].at <= cloud.now

    snapshot = hetzner.create_snapshot(machine.id, "before")
    assert [one.id for one in cloud.snapshots()] == [snapshot.id]
    cloud.advance(timedelta(hours=3))
    bill = cloud.bill()
    assert {line.id for line in bill.lines} == {machine.id, snapshot.id}
    assert bill.total("EUR") > 0
    assert bill.total("USD") == 0
    assert machine.id in str(bill)
    hetzner.destroy_instance(machine.id)
    hetzner.delete_snapshot(snapshot.id)
    cloud.advance(60)
    assert all(line.until for line in cloud.bill().lines)
    cloud.assert_no_leaks()


def test_what_is_wrong_is_refused(cloud: Cloud) -> None:
    for wrong in (
        lambda: cloud.inject("meteor"),
        lambda: cloud.inject("slow", colour="red"),
        lambda: cloud.inject("reply_lost", route="nowhere"),
        lambda: cloud.request_count("hetzner", "nowhere"),
        lambda: Cloud(speed=0),
        lambda: Cloud(timings={"hetzner": {"lunch": 3600}}),
    ):
        with pytest.raises(ValueError, match=r"."):
            wrong()
    with pytest.raises(spuff.UnknownProviderError):
        cloud.connect("nimbus")
    cloud.close()
    with pytest.raises(RuntimeError, match="closed"):
        cloud.instances()
    cloud.close()


def test_a_manual_clock_and_other_options() -> None:
    with Cloud(
        manual=True,
        quota=1,
        tokens=["only-this"],
        seed=7,
        timings={"hetzner": {"boot": 600, "jitter": 0}},
    ) as cloud:
        began = cloud.now
        provider = cloud.connect("hetzner", timeouts=spuff.ProviderTimeouts(poll_interval=0.02))
        machine = provider.create_instance(HETZNER.request())
        with pytest.raises(spuff.QuotaExceededError):
            provider.create_instance(HETZNER.request("web-2"))
        cloud.advance(599)
        found = provider.get_instance(machine.id)
        assert found is not None
        assert found.status == spuff.InstanceStatus.NEW
        cloud.advance(2)
        assert provider.wait_ready(machine.id).is_ready
        assert cloud.now - began == timedelta(seconds=601)
        stranger = spuff.connect("hetzner", "another", cloud.config("hetzner").endpoint)
        with pytest.raises(spuff.AuthenticationError):
            stranger.list_instances()
        provider.destroy_instance(machine.id)


def test_other_clients_find_it_by_their_variables(cloud: Cloud) -> None:
    environment = cloud.environment()
    assert environment["HCLOUD_ENDPOINT"] == f"http://{cloud.address}/v1"
    assert set(PROVIDERS) == {"digitalocean", "hetzner", "aws"}
    assert repr(cloud) == f"<spuff.simulator.Cloud at {cloud.address}>"


def test_a_provider_that_is_no_cloud_here_is_unknown(cloud: Cloud) -> None:
    for name in ("docker", "nimbus"):
        for wire in (cloud.connect, cloud.config):
            with pytest.raises(spuff.UnknownProviderError) as unknown:
                wire(name)
            assert set(unknown.value.supported) == set(PROVIDERS)


SUITE = """
import pytest

def test_leaves_nothing(spuff_cloud):
    hetzner = spuff_cloud.connect("hetzner")
    with hetzner.instance("web-1", region="fsn1", size="cx22") as machine:
        assert machine.is_ready

def test_leaks(spuff_cloud):
    spuff_cloud.connect("hetzner").create_instance("web-1", region="fsn1", size="cx22")

@pytest.mark.spuff_cloud(leaks=True, quota=1)
def test_may_leak(spuff_cloud):
    import spuff
    hetzner = spuff_cloud.connect("hetzner")
    hetzner.create_instance("web-1", region="fsn1", size="cx22")
    with pytest.raises(spuff.QuotaExceededError):
        hetzner.create_instance("web-2", region="fsn1", size="cx22")
"""

pytest_plugins = ["pytester"]


def test_the_fixture_of_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    ran = pytester.runpytest_subprocess("--strict-markers", "-p", "no:cacheprovider")
    ran.assert_outcomes(passed=3, errors=1)
    ran.stdout.fnmatch_lines(["*left behind, and still costing money*"])


def test_a_marker_with_a_slip_names_itself_and_the_choices(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.spuff_cloud(qouta=2)
        def test_it(spuff_cloud):
            pass
        """
    )
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    ran.stdout.fnmatch_lines(
        [
            (
                "*marker spuff_cloud has no option 'qouta'; "
                "did you mean quota? It has leaks, *rate_limits*"
            )
        ]
    )


def test_a_route_or_fault_with_a_slip_is_told_the_choices(cloud: Cloud) -> None:
    with pytest.raises(
        ValueError, match=r"^route \"create_instances\" is not one of .*create_instance"
    ):
        cloud.inject("reply_lost", provider="hetzner", route="create_instances")
    with pytest.raises(ValueError, match=r"^fault \"replylost\" is not one of .*reply_lost"):
        cloud.inject("replylost", provider="hetzner")


@pytest.mark.parametrize("speed", [1e30, 5e-324])
def test_a_speed_beyond_reason_is_taken_as_the_last_within(speed: float) -> None:
    with Cloud(speed=speed) as cloud:
        assert cloud.now.year < 2600
        for _ in range(600):
            cloud.advance(timedelta(days=365 * 500))
        assert cloud.bill().total("EUR") == 0
