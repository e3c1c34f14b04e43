"""The cluster's own bridge network: a subnet that nobody else uses, and an address for each container."""

from __future__ import annotations

import json
import subprocess
import zlib
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, ip_network

from sloth.api import ClusterSpec, MachinesError

from .docker import Docker
from .labels import CLUSTER

# 172.16.0.0/12 is where Docker itself looks for networks; a /22 holds 1000 nodes.
_POOL, _PREFIX = IPv4Network("172.16.0.0/12"), 22
_FIRST_NODE = 10  # host numbers below are the gateway's and the balancer's
BALANCER_HOST = 2


def network_name(cluster: str) -> str:
    """Name of the cluster's network."""
    return f"sloth-{cluster}"


def ensure(docker: Docker, spec: ClusterSpec) -> IPv4Network:
    """Have the cluster's network; returns its subnet. Raises MachinesError when no subnet is free."""
    known = subnets(docker, "--filter", f"label={CLUSTER}={spec.name}")
    if known:
        return known[0]
    options = spec.providers.get("local", {})
    taken = [*subnets(docker), *host_routes(), *_networks_of(spec)]
    fixed = options.get("network")
    for subnet in [IPv4Network(fixed)] if fixed else candidates(spec.name, taken):
        done = docker.attempt(
            "network", "create", "--driver", "bridge", "--subnet", str(subnet), "--gateway", str(subnet[1]),
            "--label", f"{CLUSTER}={spec.name}", network_name(spec.name),
        )  # fmt: skip
        if done.returncode == 0:
            return subnet
        error = done.stderr.decode(errors="replace").strip()
        if "overlap" not in error.lower():  # another cluster took it meanwhile: try the next one
            raise MachinesError(
                "local/network", f"network `{network_name(spec.name)}` cannot be made", detail=error,
                hint="see what is there: docker network ls",
            )  # fmt: skip
    raise MachinesError(
        "local/no-subnet",
        f"no free subnet for network `{network_name(spec.name)}`" + (f": {fixed} is in use" if fixed else ""),
        detail="in use: " + ", ".join(sorted({str(net) for net in taken})),
        hint="set spec.providers.local.network to a free CIDR such as 10.213.0.0/22",
    )


def candidates(cluster: str, taken: Iterable[IPv4Network]) -> Iterable[IPv4Network]:
    """Subnets that overlap nothing taken, beginning at a place that follows from the cluster's name."""
    busy = list(taken)
    count = 2 ** (_PREFIX - _POOL.prefixlen)
    start = zlib.crc32(cluster.encode()) % count
    for index in range(count):
        offset = (start + index) % count * 2 ** (32 - _PREFIX)
        subnet = IPv4Network((int(_POOL.network_address) + offset, _PREFIX))
        if not any(subnet.overlaps(other) for other in busy):
            yield subnet


def next_address(subnet: IPv4Network, used: Collection[str]) -> str:
    """The lowest free node address. Raises MachinesError when the subnet is full."""
    for number in range(_FIRST_NODE, subnet.num_addresses - 1):
        if str(subnet[number]) not in used:
            return str(subnet[number])
    raise MachinesError(
        "local/subnet-full", f"no free address is left in {subnet}", hint="set a larger spec.providers.local.network"
    )


def balancer_address(subnet: IPv4Network) -> str:
    """The balancer's address."""
    return str(IPv4Address(int(subnet.network_address) + BALANCER_HOST))


def subnets(docker: Docker, *filters: str) -> list[IPv4Network]:
    """IPv4 subnets of the engine's networks."""
    ids = docker.call("network", "ls", "--quiet", "--no-trunc", *filters).split()
    if not ids:
        return []
    # A network that goes away between the two calls makes the second one fail, with the others still listed.
    found = docker.attempt("network", "inspect", "--format", "{{json .IPAM.Config}}", *ids)
    configs = [json.loads(line) or [] for line in found.stdout.decode().splitlines() if line.startswith(("[", "n"))]
    return _ipv4(entry.get("Subnet", "") for config in configs for entry in config)


def host_routes() -> list[IPv4Network]:
    """Where this machine's IPv4 routes lead, but for default ones; empty where there is no `ip` command."""
    try:
        done = subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, check=False, timeout=10)
        routes = json.loads(done.stdout or b"[]")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    return [net for net in _ipv4(route.get("dst", "") for route in routes) if net.prefixlen > 0]


def _networks_of(spec: ClusterSpec) -> list[IPv4Network]:
    return _ipv4(
        [spec.mesh.cidr, spec.network.pods, spec.network.services,
         *(str(options.get("network", "")) for name, options in spec.providers.items() if name != "local")]
    )  # fmt: skip


def _ipv4(texts: Iterable[str]) -> list[IPv4Network]:
    found = []
    for text in texts:
        try:
            network = ip_network(text, strict=False)
        except ValueError:  # `default`, `unreachable …`, an option that is not a CIDR
            continue
        if isinstance(network, IPv4Network):
            found.append(network)
    return found
