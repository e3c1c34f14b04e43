"""Which stack holds which server, and what each stack shall hold. Pure functions.

One stack has room for STACK_SIZE servers: beyond that the SDK's work grows with the square of their number, and so do the bytes
that the engine writes. The first stack holds the network and all control-plane nodes; it is the only one in most clusters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sloth.contracts.cloud import Cloud
from sloth.model.cloud import CloudPlan, ServerPlan, Volume
from sloth.model.secret import Secret
from sloth.model.spec import AccessSpec, ClusterSpec

STACK_SIZE = 100  # servers
Placement = Mapping[str, Any]


def assign(names: Sequence[str], roles: Mapping[str, str], known: Mapping[str, Placement]) -> dict[str, int]:
    """A stack's number for each new node: with few of them the first; else the first that has room, control planes always 0."""
    used = Counter(int(placement.get("stack", 0)) for placement in known.values())
    large = len(names) + len(known) > STACK_SIZE
    answer = {}
    for name in names:
        number = 0
        if large and roles.get(name) != "control-plane":
            number = next(number for number in range(1, len(names) + len(known) + 2) if used[number] < STACK_SIZE)
        used[number] += 1
        answer[name] = number
    return answer


def details(spec: ClusterSpec, pool_name: str) -> dict[str, Any]:
    """What a placement keeps of its pool, so that the server stays declared as it was made when the pool changes or goes."""
    pool = spec.pool(pool_name)
    options = pool.options
    return {
        "pool": pool.name,
        "role": pool.role,
        "public": options.get("public", True),
        "spot": options.get("spot", False),
        "volumes": [dict(volume) for volume in options.get("volumes", ())],
    }


def server(name: str, placement: Placement, user_data: Secret | None) -> ServerPlan:
    """One server as its placement has it."""
    return ServerPlan(
        name=name,
        pool=str(placement["pool"]),
        role=str(placement["role"]),
        size=str(placement["size"]),
        location=str(placement["location"]),
        image=str(placement["image"]),
        user_data=user_data or Secret("", known=False),
        public=bool(placement.get("public", True)),
        spot=bool(placement.get("spot", False)),
        volumes=tuple(
            Volume(name=each["name"], size=int(str(each["size"]).removesuffix("Gi")), mount=each.get("mount", ""))
            for each in placement.get("volumes", ())
        ),
    )


def plans(
    cloud: Cloud,
    spec: ClusterSpec,
    placements: Mapping[str, Placement],
    *,
    access: AccessSpec,
    ssh_public_key: str,
    user_data: Mapping[str, Secret],
) -> dict[int, CloudPlan]:
    """Number -> what that stack shall hold. The first stack is always there: it has the network."""
    servers = {name: server(name, placement, user_data.get(name)) for name, placement in placements.items()}
    numbers = {name: int(placement.get("stack", 0)) for name, placement in placements.items()}
    members = tuple(name for name, one in servers.items() if one.role == "control-plane")
    balance = members if spec.kubernetes.load_balancer == "provider" and cloud.abilities.balancer else ()
    base = CloudPlan(
        cluster=spec.name,
        network=cloud.cidr(spec),
        options=cloud.options(spec),
        servers=(),
        # Without servers, as when the last one leaves, the spec says where what they share is.
        locations=tuple(sorted({one.location for one in servers.values()})) or cloud.places(spec)[:1],
        ssh_public_key=ssh_public_key,
        access_ssh=access.ssh,
        access_api=access.api,
        mesh_port=spec.mesh.port,
        labels=spec.labels,
        private=any(not one.public for one in servers.values()),
    )
    return {
        number: replace(
            base,
            servers=tuple(servers[name] for name in servers if numbers[name] == number),
            balance=balance if number == 0 else (),
        )
        for number in sorted({0, *numbers.values()})
    }


def stack_name(cloud: str, number: int) -> str:
    """`hcloud`, then `hcloud-1`, …"""
    return f"{cloud}-{number}" if number else cloud
