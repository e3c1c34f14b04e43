"""Addresses of the mesh and of pods: which are free, lowest first. Pure functions, linear in the number of leases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

POD_PREFIX = 24  # prefix length of one node's pod network


def free_mesh_addresses(cidr: str, taken: Iterable[str]) -> Iterator[str]:
    """Host addresses of the mesh that nobody leases, lowest first."""
    used = set(taken)
    return (text for text in map(str, IPv4Network(cidr).hosts()) if text not in used)


def free_pod_cidrs(cidr: str, taken: Iterable[str]) -> Iterator[str]:
    """Pod networks (/24) that nobody leases, lowest first; none if the whole is smaller than one."""
    network = IPv4Network(cidr)
    if network.prefixlen > POD_PREFIX:
        return iter(())
    used = set(taken)
    size = 1 << (32 - POD_PREFIX)
    first, last = int(network.network_address), int(network.broadcast_address)
    names = (f"{IPv4Address(start)}/{POD_PREFIX}" for start in range(first, last, size))
    return (text for text in names if text not in used)


def capacity(mesh: str, pods: str) -> tuple[int, int]:
    """How many nodes the mesh network and the pod network have room for."""
    room, pod_network = IPv4Network(mesh), IPv4Network(pods)
    hosts = room.num_addresses - 2 if room.prefixlen < 31 else room.num_addresses
    return hosts, 1 << (POD_PREFIX - pod_network.prefixlen) if pod_network.prefixlen <= POD_PREFIX else 0


def inside(address: str, cidr: str) -> bool:
    """Whether an address or a network lies within a network."""
    return IPv4Network(address).subnet_of(IPv4Network(cidr))
