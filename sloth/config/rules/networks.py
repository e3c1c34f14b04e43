"""Networks: each sane by itself, none overlapping another, and large enough for the nodes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

from sloth import registry
from sloth.config.problem import Finding
from sloth.config.rules.desk import Desk, Rule
from sloth.config.tree import Path, as_path, show_path

POD_PREFIX = 24  # prefix length of one node's pod network
_PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))

MESH: Path = ("spec", "mesh", "cidr")
PODS: Path = ("spec", "network", "pods")
SERVICES: Path = ("spec", "network", "services")
# Shortest and longest prefix. Services: kube-apiserver refuses more than 20 bits, and cluster DNS is the 10th address.
_SIZES = {MESH: (8, 30), PODS: (8, POD_PREFIX), SERVICES: (12, 28)}


def _own(desk: Desk) -> dict[Path, str]:
    return {MESH: desk.spec.mesh.cidr, PODS: desk.spec.network.pods, SERVICES: desk.spec.network.services}


def shape(desk: Desk) -> Iterator[Finding]:
    """Network addresses without host bits, in private space, of a usable size."""
    for path, text in _own(desk).items():
        network = IPv4Network(text, strict=False)
        shortest, longest = _SIZES[path]
        if str(network) != text:
            yield desk.find(
                "config/cidr-host-bits",
                path,
                f"`{text}` is an address inside a network, not a network",
                f"write {network}",
                rule="the bits after the prefix are zero",
                value=text,
            )
        elif not shortest <= network.prefixlen <= longest:
            yield desk.find(
                "config/cidr-size",
                path,
                f"`{show_path(path)}` is a /{network.prefixlen}",
                f"write {IPv4Network((int(network.network_address), 16), strict=False)}",
                rule=f"a prefix from /{shortest} to /{longest}",
                value=text,
            )
        elif not any(network.subnet_of(private) for private in _PRIVATE):
            yield desk.find(
                "config/cidr-public",
                path,
                f"`{text}` is not a private network: real addresses in it could not be reached any more",
                "write a network from 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10",
                rule="pods, services and mesh use private addresses",
                value=text,
            )


def overlap(desk: Desk) -> Iterator[Finding]:
    """No two of pods, services, mesh and the networks of different providers share an address."""
    own = {path: IPv4Network(text, strict=False) for path, text in _own(desk).items()}
    for first, second in combinations([*own.items(), *_foreign(desk)], 2):
        one_provider = first[0][:3] == second[0][:3] and first[0][:2] == ("spec", "providers")
        if one_provider or not first[1].overlaps(second[1]):
            continue
        later, earlier = sorted((first, second), key=lambda item: (*desk.places.of(item[0])[1:], item[0] in own), reverse=True)
        yield desk.find(
            "config/cidr-overlap",
            later[0],
            f"`{show_path(later[0])}` ({later[1]}) overlaps `{show_path(earlier[0])}` ({earlier[1]})",
            f"write {_free([*own.values(), *(network for _, network in _foreign(desk))])}",
            rule="pods, services, mesh and provider networks do not overlap",
            value=later[1],
            depends=(first[0], second[0]),
        )


def _foreign(desk: Desk) -> list[tuple[Path, IPv4Network]]:
    found = []
    for name in sorted({pool.provider for pool in desk.spec.pools} & set(registry.names("providers"))):
        for where, text in registry.provider(name).networks(desk.spec).items():
            parts = as_path(where) or ("spec", "providers", name)
            try:
                found.append((parts, IPv4Network(text, strict=False)))
            except ValueError:
                continue  # no network at all: the provider's schema or its own check says so
    return found


def _free(taken: list[IPv4Network]) -> str:
    """A /16 of 10.0.0.0/8 that is not taken, from 10.42.0.0/16 on."""
    candidates = (IPv4Network(f"10.{number % 256}.0.0/16") for number in range(42, 42 + 256))
    return str(next((item for item in candidates if not any(item.overlaps(other) for other in taken)), "a smaller network"))


def capacity(desk: Desk) -> Iterator[Finding]:
    """An address in the mesh and a pod network for every node."""
    nodes = sum(pool.count for pool in desk.spec.pools)
    mesh = IPv4Network(desk.spec.mesh.cidr, strict=False)
    pods = IPv4Network(desk.spec.network.pods, strict=False)
    room = {MESH: max(0, mesh.num_addresses - 2), PODS: 2 ** max(0, POD_PREFIX - pods.prefixlen)}
    what = {MESH: "addresses for nodes", PODS: f"pod networks (/{POD_PREFIX}, one for each node)"}
    for path, network in ((MESH, mesh), (PODS, pods)):
        if nodes > room[path] and _SIZES[path][0] <= network.prefixlen <= _SIZES[path][1]:
            yield desk.find(
                "config/capacity",
                path,
                f"{network} has {room[path]} {what[path]}, but the pools have {nodes} nodes",
                f"write a network that is at least a /{_needed(path, nodes)}",
                rule="every node has one mesh address and one pod network",
                value=network,
                depends=desk.sizes(),
            )


def _needed(path: Path, nodes: int) -> int:
    """Longest prefix that has room for so many nodes."""
    return 32 - (nodes + 1).bit_length() if path == MESH else POD_PREFIX - (nodes - 1).bit_length()


RULES: tuple[Rule, ...] = (shape, overlap, capacity)
