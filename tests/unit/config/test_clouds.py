"""Rules about clouds, over clouds that have the real contract's fields and checks."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sloth import registry
from sloth.config.load import from_document
from sloth.contracts.cloud import Abilities
from sloth.errors import ConfigError
from tests.unit.cloud.toy import ToyCloud


class North(ToyCloud):
    name = "north"
    abilities = Abilities(balancer=True, dns=True, private=True, spot=True, volumes=True)


class South(ToyCloud):
    name = "south"
    abilities = Abilities(balancer=True)


class Bare(ToyCloud):
    name = "bare"
    abilities = Abilities()


@pytest.fixture(autouse=True)
def clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = {"north": North(), "south": South(), "bare": Bare()}
    real_names, real_provider = registry.names, registry.provider
    monkeypatch.setattr(
        registry, "names", lambda kind: (*real_names(kind), *plugins) if kind == "providers" else real_names(kind)
    )
    monkeypatch.setattr(registry, "provider", lambda name: plugins.get(name) or real_provider(name))


def pool(name: str, provider: str, role: str = "worker", **fields: Any) -> dict[str, Any]:
    return {"name": name, "role": role, "provider": provider, "count": 1, "size": "s", "location": "l", **fields}


def problems(*pools: dict[str, Any], **spec: Any) -> list[tuple[str, str]]:
    document = {
        "apiVersion": "sloth.dev/v1",
        "kind": "Cluster",
        "metadata": {"name": "demo"},
        "spec": {"pools": list(pools), **spec},
    }
    try:
        from_document(yaml.safe_load(yaml.safe_dump(document)))
    except ConfigError as error:
        return [(each.code, each.summary) for each in error.problems or (error,)]
    return []


CONTROL = pool("control", "north", "control-plane")


def test_pools_at_several_clouds_are_fine() -> None:
    far = {"providers": {"south": {"network": "10.120.0.0/16"}}}
    assert problems(CONTROL, pool("work", "south"), pool("more", "local", size=None, location=None), **far) == []


def test_networks_of_two_clouds_must_not_overlap() -> None:
    networks = {"north": {"network": "10.110.0.0/16"}, "south": {"network": "10.110.64.0/20"}}
    ((code, summary),) = problems(CONTROL, pool("work", "south"), providers=networks)
    assert code == "config/cidr-overlap"
    assert "spec.providers.south.network" in summary
    assert "spec.providers.north.network" in summary
    assert problems(CONTROL, pool("work", "south"), providers={**networks, "south": {"network": "10.120.0.0/16"}}) == []


def test_a_cloud_that_is_not_in_use_overlaps_nothing() -> None:
    networks = {"north": {"network": "10.110.0.0/16"}, "south": {"network": "10.110.64.0/20"}}
    assert problems(CONTROL, providers=networks) == []


def test_spot_is_for_workers() -> None:
    ((code, summary),) = problems({**CONTROL, "spot": True}, pool("work", "north", spot=True))
    assert (code, "control" in summary) == ("config/spot-control-plane", True)


def test_private_machines_need_a_public_one_at_the_same_cloud() -> None:
    private = pool("work", "north", public=False)
    assert problems(CONTROL, private) == []
    ((code, _),) = problems(pool("control", "south", "control-plane"), private, providers={"south": {"network": "10.120.0.0/16"}})
    assert code == "config/no-public-node"
    codes = [code for code, _ in problems({**CONTROL, "public": False}, private)]
    assert codes == ["config/no-public-node", "config/no-public-node"]


def test_nobody_may_reach_an_api_from_outside_but_not_behind_a_load_balancer() -> None:
    assert problems(CONTROL, access={"api": []}) == []
    ((code, _),) = problems(CONTROL, access={"api": []}, kubernetes={"api": {"loadBalancer": "provider"}})
    assert code == "config/closed-balancer"
    assert problems(pool("control", "local", "control-plane"), access={"ssh": []}) != [], "without SSH there is no way in"


def test_a_load_balancer_stands_before_one_clouds_control_plane() -> None:
    asked = {"kubernetes": {"api": {"loadBalancer": "provider"}}}
    other = {"providers": {"south": {"network": "10.120.0.0/16"}}}
    assert problems(CONTROL, pool("work", "south"), **asked, **other) == []
    two = [pool(name, "south", "control-plane") for name in ("b", "c")]
    ((code, summary),) = problems(CONTROL, *two, **asked, **other)
    assert (code, "north and south" in summary) == ("config/load-balancer", True)
    ((code, summary),) = problems(pool("control", "bare", "control-plane"), **asked)
    assert (code, "bare has none" in summary) == ("config/load-balancer", True)


def published(host: str = "api.example.com", provider: str = "north", **api: Any) -> dict[str, Any]:
    network = {"dns": {"provider": provider, "zone": "example.com"}}
    return {"kubernetes": {"api": {**({"hostname": host} if host else {}), **api}}, "network": network}


def test_a_name_is_published_by_a_cloud_that_can_and_in_its_zone() -> None:
    assert problems(CONTROL, **published()) == []
    assert problems(CONTROL, **published(host="example.com")) == []
    ((code, summary),) = problems(CONTROL, **published(provider="south"))
    assert (code, "south" in summary) == ("config/dns-provider", True)
    for host in ("", "api.example.org", "api.notexample.com"):
        assert [code for code, _ in problems(CONTROL, **published(host=host))] == ["config/dns-zone"], host


def test_a_name_needs_something_public_to_point_at() -> None:
    hidden, way_in = {**CONTROL, "public": False}, pool("work", "north")
    assert [code for code, _ in problems(hidden, way_in, **published())] == ["config/dns-targets"]
    assert problems(hidden, way_in, **published(loadBalancer="provider")) == []
    here = {"name": "control", "role": "control-plane", "provider": "local", "count": 1}
    assert [code for code, _ in problems(here, **published())] == ["config/dns-targets"]


@pytest.mark.parametrize(
    ("beat", "election", "fine"),
    [
        ("100", "1000", True),
        ("200", "1000", True),
        ("201", "1000", False),
        ("100", "50000", True),
        ("100", "50001", False),
        ("x", "1", True),
    ],
)
def test_etcds_timeouts(beat: str, election: str, fine: bool) -> None:
    args = {"heartbeat-interval": beat, "election-timeout": election}
    found = problems(CONTROL, kubernetes={"etcd": {"args": args}})
    assert [code for code, _ in found] == ([] if fine else ["config/etcd-timeouts"])


def test_access() -> None:
    assert problems(CONTROL, access={"ssh": ["auto", "0.0.0.0/0"], "api": ["2001:DB8::/32", "198.51.100.7/32"]}) == []
    found = problems(CONTROL, access={"ssh": ["198.51.100.7/24"], "api": ["300.0.0.0/8"]})
    assert [code for code, _ in found] == ["config/access-network"] * 2
