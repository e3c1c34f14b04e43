"""What a cloud plugin is given and what it answers: servers to declare, what a survey found, what the catalogue offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from sloth.model.node import Machine
from sloth.model.secret import Secret

EMPTY: Mapping[str, Any] = MappingProxyType({})
CLUSTER_TAG, NODE_TAG = "sloth:cluster", "sloth:node"


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A further disk of a server."""

    name: str
    size: int  # GiB
    mount: str = ""  # directory on the node; "" = not mounted


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """One server, everything decided. Its name is the node's and never changes."""

    name: str
    pool: str
    role: str  # `control-plane` or `worker`
    size: str  # the cloud's own name of a machine type
    location: str  # where in the cloud: its own name of a location, zone or region
    image: str  # the resolved id
    user_data: Secret = field(default_factory=lambda: Secret(""))  # cloud-config
    public: bool = True  # False: private address only
    spot: bool = False
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """How nodes without a public address get out where the cloud has no NAT: a public node forwards for them."""

    network: str  # CIDR of the private network
    router: str  # the network's own router, to which they send everything
    resolvers: tuple[str, ...]  # that answer them


ANYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, kw_only=True)
class Door:
    """Something that a firewall lets in from outside."""

    name: str  # `mesh`, `icmp`, `ssh`, `api`: a part of a resource's name
    text: str  # for people
    protocol: str  # `udp`, `icmp`, `tcp`
    sources: tuple[str, ...]  # CIDRs; never empty
    port: int | None = None  # of ICMP there is none

    @property
    def v4(self) -> list[str]:
        """The sources of IPv4."""
        return [cidr for cidr in self.sources if ":" not in cidr]

    @property
    def v6(self) -> list[str]:
        """The sources of IPv6."""
        return [cidr for cidr in self.sources if ":" in cidr]


@dataclass(frozen=True, kw_only=True)
class CloudPlan:
    """What one stack shall hold at one cloud. A pure function of spec, record and placements makes it."""

    cluster: str
    network: str  # CIDR of the cluster's private network there
    options: Mapping[str, Any]  # `spec.providers.NAME`
    servers: tuple[ServerPlan, ...]  # those of this stack, in plan order
    locations: tuple[str, ...] = ()  # of all servers of the cluster there, whichever stack they are in
    ssh_public_key: str = ""
    access_ssh: tuple[str, ...] = ()  # CIDRs that may reach port 22
    access_api: tuple[str, ...] = ()  # CIDRs that may reach port 6443
    mesh_port: int = 51820  # UDP
    balance: tuple[str, ...] = ()  # names of the servers that an API load balancer shall serve; () = none
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)  # `metadata.labels`, copied to every resource
    private: bool = False  # some server of the cluster here has no public address: it needs a way out (NAT)

    @property
    def location(self) -> str:
        """Where shared resources go that lie in one place: where servers are already, else where the options say.

        Servers come first, since another location in the spec must not move the network under them.
        """
        given = self.options.get("location") or ""
        of_options = (given,) if isinstance(given, str) else given
        return next(iter((*self.locations, *(server.location for server in self.servers), *of_options)), "")

    def doors(self) -> list[Door]:
        """All that is let in from outside; a cloud's firewall refuses the rest."""
        doors = [
            # From anywhere: nodes at other clouds have addresses that nobody knows yet. WireGuard answers only known keys.
            Door(name="mesh", text="mesh", protocol="udp", sources=ANYWHERE, port=self.mesh_port),
            Door(name="icmp", text="ping and path MTU", protocol="icmp", sources=ANYWHERE),
            Door(name="ssh", text="SSH", protocol="tcp", sources=self.access_ssh, port=22),
            Door(name="api", text="Kubernetes API", protocol="tcp", sources=self.access_api, port=6443),
        ]
        return [door for door in doors if door.sources]

    def inner_doors(self) -> list[Door]:
        """What is let in from inside the network, where the cloud's firewall stands before that too."""
        inside: dict[str, Any] = {"protocol": "tcp", "sources": (self.network,)}
        doors = [Door(name="jump", text="SSH among nodes", port=22, **inside)] if self.private else []
        return [*doors, *([Door(name="balancer", text="load balancer", port=6443, **inside)] if self.balance else [])]

    @property
    def forwarder(self) -> str:
        """The node that forwards for private ones where the cloud has no NAT: the first public one of the control plane."""
        able = [server.name for server in self.servers if server.public and server.role == "control-plane"]
        return able[0] if able and self.private else ""

    def tags(self, node: str = "") -> dict[str, str]:
        """Tags of a resource: the cluster's, the node's where it belongs to one, and the user's labels."""
        return {**self.labels, CLUSTER_TAG: self.cluster, **({NODE_TAG: node} if node else {})}

    def named(self, part: str) -> str:
        """The physical name of a resource: `shop-control-1`, `shop-network`."""
        return f"{self.cluster}-{part}"

    def called(self, part: str, field: str = "name") -> dict[str, str]:
        """Logical and physical name of a resource, as the SDK's keywords; `field` is what the cloud calls a name."""
        return {"resource_name": part, field: self.named(part)}


Kind = Literal[
    "server", "network", "subnet", "firewall", "ssh key", "load balancer", "volume", "address", "placement group",
    "interface", "router", "gateway", "record", "group",
]  # fmt: skip
FREE = ("network", "subnet", "firewall", "ssh key", "placement group", "interface", "record", "group")  # no cloud asks money for


@dataclass(frozen=True, kw_only=True)
class Found:
    """One resource that carries the cluster's tag, as a survey sees it."""

    kind: Kind
    id: str
    name: str  # as the cloud shows it
    node: str = ""  # the node that it belongs to
    token: str = ""  # type token of the engine (`hcloud:index/server:Server`), to import it; "" = cannot be imported
    costs: bool | None = None  # money, where the kind does not tell
    machine: Machine | None = None  # of servers

    @property
    def billable(self) -> bool:
        """Whether it costs money."""
        return self.kind not in FREE if self.costs is None else self.costs


def hardware(*words: str) -> str:
    """The architecture that a cloud's own words for it mean: `arm64` or `amd64`."""
    return "arm64" if any(word.lower() in ("arm", "arm64", "aarch64") for word in words) else "amd64"


@dataclass(frozen=True, kw_only=True)
class Size:
    """A machine type."""

    name: str
    cpus: int = 0
    memory: int = 0  # MiB
    architecture: str = "amd64"
    locations: frozenset[str] = frozenset()  # where it can be had now
    prices: Mapping[str, float] = field(default_factory=lambda: EMPTY)  # location -> price per month


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A limit of the account."""

    what: str  # `servers`, `vCPUs`
    limit: float
    used: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the spec names, for clouds whose whole catalogue is too long to list."""

    sizes: tuple[str, ...]
    locations: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the cloud offers this account. What it cannot tell is None or empty, as said here, and is not checked."""

    locations: frozenset[str]  # empty = it does not tell
    sizes: Mapping[str, Size] | None  # None = it does not tell; a size that is not in it does not exist
    # Of those that were asked for: image name as in the spec -> id; a key `NAME@LOCATION` counts for one location only.
    images: Mapping[str, str]
    currency: str = ""
    quotas: tuple[Quota, ...] = ()
