"""Free addresses: lowest first, inside the network, none that is taken."""

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from sloth.mesh.addressing import capacity, free_mesh_addresses, free_pod_cidrs, inside


def test_lowest_first_without_network_and_broadcast():
    assert list(free_mesh_addresses("10.90.0.0/29", [])) == [f"10.90.0.{n}" for n in range(1, 7)]
    assert list(islice(free_mesh_addresses("10.90.0.0/16", ["10.90.0.1", "10.90.0.3"]), 3)) == [
        "10.90.0.2",
        "10.90.0.4",
        "10.90.0.5",
    ]


def test_pod_networks():
    assert list(free_pod_cidrs("10.42.0.0/22", ["10.42.1.0/24"])) == ["10.42.0.0/24", "10.42.2.0/24", "10.42.3.0/24"]
    assert list(free_pod_cidrs("10.42.0.0/24", [])) == ["10.42.0.0/24"]
    assert list(free_pod_cidrs("10.42.0.0/25", [])) == []


def test_capacity():
    assert capacity("10.90.0.0/24", "10.42.0.0/16") == (254, 256)
    assert capacity("10.90.0.0/31", "10.42.0.0/25") == (2, 0)


@settings(deadline=None)
@given(st.integers(24, 30), st.integers(16, 24), st.sets(st.integers(1, 40)))
def test_capacity_is_what_is_really_free(mesh_bits, pod_bits, taken):
    mesh, pods = f"10.90.0.0/{mesh_bits}", f"10.42.0.0/{pod_bits}"
    addresses = list(free_mesh_addresses(mesh, []))
    assert (len(addresses), len(list(free_pod_cidrs(pods, [])))) == capacity(mesh, pods)
    used = {f"10.90.0.{n}" for n in taken}
    assert list(free_mesh_addresses(mesh, used)) == [a for a in addresses if a not in used]
    assert all(inside(address, mesh) for address in addresses[:50])


def test_inside():
    assert inside("10.90.0.7", "10.90.0.0/16")
    assert inside("10.42.7.0/24", "10.42.0.0/16")
    assert not inside("10.42.7.0/24", "10.43.0.0/16")
