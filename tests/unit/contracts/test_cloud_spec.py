"""What a cloud reads from a spec, and which problems it finds in it by itself."""

from __future__ import annotations

import pytest

from tests.unit.cloud.toy import ToyCloud, pool, spec


class Zoned(ToyCloud):
    """Locations are zones, such as `north-a`; a network is of one region, and no smaller than /24."""

    prefixes = (16, 24)

    def region(self, location):
        return location.partition("-")[0]


ZONED, TOY = Zoned(), ToyCloud()


def codes(made, cloud=ZONED):
    return [(problem.code, problem.where) for problem in cloud.check(made)]


def test_places_are_those_of_the_provider_and_of_its_pools_each_once():
    made = spec(pool(location=["b", "a"]), pool("more"), location="a")
    assert ZONED.places(made) == ("a", "b")
    assert ZONED.places(spec(pool())) == ()


def test_locations_of_one_region_are_right():
    assert codes(spec(pool(location=["north-a", "north-b"]), size="small")) == []


def test_locations_of_several_regions_are_refused_with_those_that_may_stay():
    made = spec(pool(location=["north-a", "south-a", "north-b"]), size="small")
    (problem,) = ZONED.check(made)
    assert problem.code == "cloud/network-zone"
    assert problem.hint == "use locations of north only: north-a, north-b"


def test_where_a_network_is_of_one_location_there_may_be_just_one():
    assert codes(spec(pool(location="north"), size="small"), TOY) == []
    assert codes(spec(pool(location=["north", "south"]), size="small"), TOY) == [("cloud/network-zone", "spec.pools")]


@pytest.mark.parametrize(
    ("network", "right"), [("10.0.0.0/15", False), ("10.0.0.0/16", True), ("10.0.0.0/24", True), ("10.0.0.0/25", False)]
)
def test_the_network_has_a_prefix_that_is_usable(network, right):
    made = spec(pool(), size="small", location="north-a", network=network)
    assert codes(made) == ([] if right else [("cloud/network-size", "spec.providers.toy.network")])


def test_disks_are_those_of_wanted_and_of_existing_nodes_of_each_pool():
    data = {"volumes": [{"name": "data", "size": "10Gi"}]}
    made = spec(pool("work", 2, **data), pool("plain", 1))
    found = [(where.name, node, disk) for where, node, disk in TOY.disks(made, ["work-7", "plain-1", "workers-1"])]
    assert found == [("work", f"work-{n}", f"work-{n}-data") for n in (1, 2, 7)]
