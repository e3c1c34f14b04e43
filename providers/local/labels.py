"""Names and labels of what this provider makes, and the one listing that reads them back."""

from __future__ import annotations

from dataclasses import dataclass

from .docker import Docker

CLUSTER, NODE, BALANCER = "sloth.cluster", "sloth.node", "sloth.balancer"
# Everything a later run must know is on the container itself, so that one `docker ps` answers all questions.
ROLE, POOL, ADDRESS, SSH, API, IMAGE, MODE, CGROUP = (
    "sloth.role", "sloth.pool", "sloth.address", "sloth.ssh", "sloth.api", "sloth.image", "sloth.mode", "sloth.cgroup",
)  # fmt: skip
GONE = ("dead", "removing")  # states of containers that Docker has begun to remove and that never start again


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a cluster, as its labels tell."""

    id: str
    state: str  # `created`, `running`, `paused`, `exited`, `dead`, …
    cluster: str = ""
    node: str = ""  # "" for the balancer
    role: str = ""
    address: str = ""  # on the cluster's network
    ssh: int = 0  # port on 127.0.0.1; 0 = none
    api: int = 0
    image: str = ""  # key of the node image
    cgroup: str = ""  # `1` or `2`, the engine's when this was made

    @property
    def name(self) -> str:
        """The container's name."""
        return container_name(self.cluster, self.node or "api")


def container_name(cluster: str, node: str) -> str:
    """Name of the container for a node (`api` for the balancer: no node has a name without an ordinal)."""
    return f"sloth-{cluster}-{node}"


def listing(docker: Docker, label: str) -> list[Container]:
    """Every container with this label (`key` or `key=value`), in one call, by name."""
    fields = {"cluster": CLUSTER, "node": NODE, "role": ROLE, "address": ADDRESS, "image": IMAGE, "cgroup": CGROUP}
    ports = {"ssh": SSH, "api": API}
    rows = docker.rows(
        "ps", "--all", "--no-trunc", "--filter", f"label={label}",
        id=".ID", state=".State", **{key: f'(.Label "{name}")' for key, name in {**fields, **ports}.items()},
    )  # fmt: skip
    numbers = [{key: int(row[key] or 0) for key in ports} for row in rows]
    found = [Container(**{**row, **number}) for row, number in zip(rows, numbers, strict=True)]
    return sorted(found, key=lambda container: container.name)
