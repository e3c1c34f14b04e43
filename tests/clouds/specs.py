"""The five standard specs, as plans for a given cloud: made by hand from what the plugin says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from sloth.contracts.cloud import Cloud
from sloth.model.cloud import CloudPlan, ServerPlan, Volume
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec, Role

NAMES = ("single", "ha", "pools", "private", "balanced")
USER_DATA = "#cloud-config\nusers: [{name: sloth}]\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9zVbK2cW5aLJ0Q3mZ4oF0m7d7n3y0dYbB0bWQm3X1c sloth"


def possible(cloud: Cloud) -> tuple[str, ...]:
    """The specs that a cloud can do."""
    needs = {"private": cloud.abilities.private, "balanced": cloud.abilities.balancer}
    return tuple(name for name in NAMES if needs.get(name, True))


def plan(cloud: Cloud, name: str) -> CloudPlan:
    """The plan of one standard spec."""
    return {"single": _single, "ha": _ha, "pools": _pools, "private": _private, "balanced": _balanced}[name](cloud)


def whole(cloud: Cloud) -> CloudPlan:
    """All that the cloud can do, in one small plan: what the real engine is tried with."""
    balanced = _plan(cloud, *_servers(cloud, 2, 1))
    disks = (Volume(name="data", size=100, mount="/var/lib/data"), Volume(name="logs", size=20))
    hidden = replace(server(cloud, "hidden", 1), public=not cloud.abilities.private)
    data = replace(server(cloud, "data", 1), volumes=disks if cloud.abilities.volumes else (), spot=cloud.abilities.spot)
    members = ("control-1", "control-2") if cloud.abilities.balancer else ()
    return replace(balanced, servers=(*balanced.servers, hidden, data), private=cloud.abilities.private, balance=members)


def spec(cloud: Cloud, plan: CloudPlan) -> ClusterSpec:
    """The spec that a plan could come from, as far as a survey looks at it."""
    pools = {server.pool: [other for other in plan.servers if other.pool == server.pool] for server in plan.servers}
    return ClusterSpec(
        name=plan.cluster,
        providers={cloud.name: dict(plan.options)},
        pools=tuple(
            PoolSpec(
                name=name,
                role=cast(Role, servers[0].role),
                provider=cloud.name,
                count=len(servers),
                options={"volumes": [{"name": each.name, "size": f"{each.size}Gi"} for each in servers[0].volumes]},
            )
            for name, servers in pools.items()
        ),
    )


def server(cloud: Cloud, pool: str, ordinal: int) -> ServerPlan:
    """One server of a pool; pool `control` is the control plane."""
    return ServerPlan(
        name=f"{pool}-{ordinal}",
        pool=pool,
        role="control-plane" if pool == "control" else "worker",
        size=cloud.example["size"],
        location=cloud.example["location"],
        image=cloud.example.get("image", "image-1"),
        user_data=Secret(USER_DATA, known=False),
    )


def with_one_more(cloud: Cloud, plan: CloudPlan) -> tuple[CloudPlan, str]:
    """The plan with one more worker, like its last server; and the new one's name."""
    last = plan.servers[-1]
    new = replace(last, name="extra-1", pool="extra", role="worker")
    return replace(plan, servers=(*plan.servers, new)), new.name


def _plan(cloud: Cloud, *servers: ServerPlan) -> CloudPlan:
    known = cloud.options_schema()["provider"]["properties"]
    return CloudPlan(
        cluster="shop",
        network="10.110.0.0/16",
        options={key: value for key, value in cloud.example.items() if key in known},
        servers=servers,
        ssh_public_key=KEY,
        access_ssh=("198.51.100.7/32", "2001:db8::7/128"),
        access_api=("198.51.100.0/24",),
        labels={"team": "web"},
    )


def _servers(cloud: Cloud, control: int, work: int) -> list[ServerPlan]:
    return [
        *(server(cloud, "control", ordinal) for ordinal in range(1, control + 1)),
        *(server(cloud, "work", ordinal) for ordinal in range(1, work + 1)),
    ]


def _single(cloud: Cloud) -> CloudPlan:
    return _plan(cloud, server(cloud, "control", 1))


def _ha(cloud: Cloud) -> CloudPlan:
    return _plan(cloud, *_servers(cloud, 3, 2))


def _pools(cloud: Cloud) -> CloudPlan:
    """Pools of several kinds: a spot pool and a pool with disks, where the cloud can do them."""
    spot = replace(server(cloud, "spot", 1), spot=cloud.abilities.spot)
    disks = (Volume(name="data", size=100, mount="/var/lib/data"), Volume(name="logs", size=20))
    data = replace(server(cloud, "data", 1), volumes=disks if cloud.abilities.volumes else ())
    return _plan(cloud, *_servers(cloud, 1, 2), spot, data)


def _private(cloud: Cloud) -> CloudPlan:
    servers = [replace(item, public=item.name == "control-1") for item in _servers(cloud, 3, 2)]
    return replace(_plan(cloud, *servers), private=True)


def _balanced(cloud: Cloud) -> CloudPlan:
    return replace(_ha(cloud), balance=("control-1", "control-2", "control-3"))
