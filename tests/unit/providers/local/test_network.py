"""Subnets, addresses and ports that nobody else has."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import MachinesError
from sloth.model.artifact import Delivery
from tests.unit.providers.local.conftest import Cluster, Engine, part, put_command

network, ports = part("network"), part("ports")
POOL = IPv4Network("172.16.0.0/12")
subnets = st.builds(
    lambda number, length: IPv4Network((int(POOL.network_address) + number, 32)).supernet(new_prefix=length),
    st.integers(0, 2**20 - 1), st.integers(13, 32),
)  # fmt: skip


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True), st.lists(subnets, max_size=5))
def test_candidates_overlap_nothing_and_follow_from_the_name(name: str, taken: list[IPv4Network]) -> None:
    found = list(islice(network.candidates(name, taken), 3))
    assert found == list(islice(network.candidates(name, taken), 3))
    assert all(not one.overlaps(other) for one in found for other in taken)
    assert all(one.subnet_of(POOL) for one in found) and len(set(found)) == len(found)


@given(st.sets(st.integers(10, 62)))
def test_next_address_is_the_lowest_free_one(used: set[int]) -> None:
    subnet = IPv4Network("10.9.8.0/26")
    taken = {str(subnet[number]) for number in used}
    if len(used) == 53:
        with pytest.raises(MachinesError) as caught:
            network.next_address(subnet, taken)
        assert caught.value.code == "local/subnet-full"
        return
    address = network.next_address(subnet, taken)
    assert address not in taken and address not in {str(subnet[1]), network.balancer_address(subnet)}


def test_the_spec_and_the_routes_of_the_host_are_avoided(baked: Engine, delivery: Delivery, tmp_path: Path) -> None:
    whole = "172.16.0.0/13"
    routes = f'[{{"dst": "default"}}, {{"dst": "{whole}"}}, {{"dst": "fd00::/8"}}]'
    put_command(tmp_path / "bin" / "ip", f"echo '{routes}'")
    from sloth.model.spec import MeshSpec

    Cluster(delivery, mesh=MeshSpec(cidr="172.24.0.0/14")).up("work-1")
    subnet = IPv4Network(baked.state["networks"][0]["subnet"])
    assert subnet.subnet_of(IPv4Network("172.28.0.0/14"))


def test_a_machine_without_ip_command_has_no_known_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert network.host_routes() == []


def test_a_subnet_taken_meanwhile_means_the_next_one(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    first, second = islice(network.candidates("demo", network.host_routes()), 2)
    baked.set(foreign=[str(first)])
    cluster.up("work-1")
    assert baked.state["networks"][0]["subnet"] == str(second)


def test_a_fixed_network_is_taken_or_refused(baked: Engine, delivery: Delivery) -> None:
    options = {"local": {"network": "10.213.0.0/24"}}
    baked.set(foreign=["10.213.0.0/24"])
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery, providers=options).up("work-1")
    assert caught.value.code == "local/no-subnet" and "10.213.0.0/24" in caught.value.summary
    baked.set(foreign=[])
    (machine,) = Cluster(delivery, providers=options).up("work-1")
    assert machine.private_address == "10.213.0.10"


def test_any_other_network_failure_is_said(baked: Engine, delivery: Delivery) -> None:
    baked.set(network_fault="iptables is broken")
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1")
    assert caught.value.code == "local/network" and "iptables is broken" in caught.value.detail


def test_ports_in_use_are_passed_over() -> None:
    first = next(ports.free_ports("demo/work-1", ()))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first))
        listener.listen()
        second = next(ports.free_ports("demo/work-1", ()))
        assert second not in (first, next(ports.free_ports("demo/work-1", {second})))


def test_no_port_left_is_an_error() -> None:
    with pytest.raises(MachinesError) as caught:
        next(ports.free_ports("demo", range(20000, 32000)))
    assert caught.value.code == "local/no-port"
