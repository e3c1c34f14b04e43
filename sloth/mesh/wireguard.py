"""What each node must know of the mesh: its own settings and one small file for each peer. Pure functions.

Keys of nodes are made on the nodes and never seen here (wg(8)); preshared keys are derived for each pair. What a node does
with these files is in `templates/mesh/sloth-mesh`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sloth.model.node import Node
from sloth.model.secret import Secret

DEFAULT_MTU = 1420  # bytes: Ethernet's 1500 less OVERHEAD, as in wg-quick(8)
OVERHEAD = 80  # bytes: IPv6, UDP and WireGuard headers
SMALLEST_MTU = 1280  # bytes: IPv6 needs that much, and so do many images' defaults
KEEPALIVE = 25  # seconds, under the UDP timeout of common NATs (wg(8))
FOLDER = "/etc/wireguard"
PEERS = f"{FOLDER}/peers.d"
INCOMING = f"{FOLDER}/peers.incoming"
SETTINGS = f"{FOLDER}/sloth-mesh.env"
PRIVATE_KEY = f"{FOLDER}/private.key"
# Addresses that mean something else in every network: RFC 1918, RFC 6598, RFC 4193. (`is_private` counts more as private.)
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))


@dataclass(frozen=True, kw_only=True)
class MeshView:
    """Everything that all peer files depend on. `keys`: node name -> public key; a node without one is nobody's peer yet."""

    nodes: Sequence[Node]
    keys: Mapping[str, str]
    seed: Secret
    port: int
    mtu: int


def settings(node: Node, view: MeshView) -> str:
    """The node's own part, as shell assignments."""
    lease = node.lease
    return f"NAME={lease.name}\nADDRESS={lease.mesh_address}\nPODS={lease.pod_cidr}\nPORT={view.port}\nMTU={view.mtu}\n"


def peer_files(node: Node, view: MeshView) -> dict[str, str]:
    """Peer name -> the text of its file on `node`. Kept lean: a cluster of 500 nodes has 250,000 of these."""
    seed, own = view.seed.reveal().encode(), node.lease.name
    keys = ((peer, peer.lease.name, view.keys.get(peer.lease.name)) for peer in view.nodes)
    return {name: _peer_file(node, peer, key, view.port, seed) for peer, name, key in keys if key and name != own}


def _peer_file(node: Node, peer: Node, key: str, port: int, seed: bytes) -> str:
    lease = peer.lease
    host = endpoint(peer, seen_from=node)
    way = f"Endpoint = {host}:{port}\n" if host else ""
    # Where only this side can begin, its NAT must not forget the way back.
    kept = "" if endpoint(node, seen_from=peer) else f"PersistentKeepalive = {KEEPALIVE}\n"
    return (
        f"[Peer]\nPublicKey = {key}\nPresharedKey = {preshared_key(seed, node.lease.name, lease.name)}\n"
        f"AllowedIPs = {lease.mesh_address}/32, {lease.pod_cidr}\n{way}{kept}"
    )


def preshared_key(seed: bytes, one: str, other: str) -> str:
    """The key of one pair, the same from both sides: n² keys need not be kept, and no node learns another pair's."""
    pair = f"{one}|{other}" if one < other else f"{other}|{one}"
    return base64.b64encode(hmac.digest(seed, pair.encode(), "sha256")).decode()


def endpoint(peer: Node, *, seen_from: Node) -> str:
    """The address under which `seen_from` reaches `peer`; "" if there is none (`peer` is behind a NAT, seen from there).

    Private addresses count on a common network. Where a provider names no network (existing hosts), a private address may
    well be reachable and is tried.
    """
    here, there = seen_from.machine, peer.machine
    common = bool(there.network) and there.network == here.network
    if common and there.private_address:
        return _host(there.private_address)
    foreign = bool(there.network) and not common
    return "" if (foreign and _is_private(there.address)) or _is_local(there.address) else _host(there.address)


@cache
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address, or None of a DNS name, which wg resolves itself (and of a machine that is not made yet)."""
    try:
        return ip_address(address)
    except ValueError:
        return None


@cache
def _is_local(address: str) -> bool:
    """Whether it is a way for this machine only, such as a published port."""
    known = _parsed(address)
    return known is not None and (known.is_loopback or known.is_unspecified or known.is_link_local)


@cache
def _is_private(address: str) -> bool:
    known = _parsed(address)
    return known is not None and any(known in network for network in _PRIVATE)


@cache
def _host(address: str) -> str:
    return f"[{address}]" if isinstance(_parsed(address), IPv6Address) else address


def files_digest(own: str, peers: Mapping[str, str]) -> str:
    """What `sloth-mesh state` prints as mesh.files when a node's files are exactly these."""
    texts = [own, *(peers[name] for name in in_order(peers))]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def in_order(names: Mapping[str, str]) -> list[str]:
    """Peer names in the order of their files in a listing (`LC_ALL=C`)."""
    return sorted(names, key=lambda name: f"{name}.conf")


def peer_path(name: str) -> str:
    """The file of one peer."""
    return f"{PEERS}/{name}.conf"


class Bundle(Secret):
    """All peers of one node in one text for INCOMING; what is not in it is forgotten.

    Rendered when it is sent: a plan of hundreds of new nodes, which sends nothing, does not pay for it.
    """

    __slots__ = ("_peers",)

    def __init__(self, peers: Callable[[], Mapping[str, str]]) -> None:
        super().__init__("", known=False)
        self._peers = peers

    def reveal(self) -> str:
        """The text itself."""
        peers = self._peers()
        return "".join(["#clear\n", *(f"#put {name}\n{peers[name]}" for name in in_order(peers))])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        return hash(self.reveal())


def fitting_mtu(wanted: int, links: Sequence[int]) -> int:
    """MTU of the mesh, bytes: as asked for, else what fits through every node's link (their MTUs in `links`)."""
    if wanted:
        return wanted
    return max(SMALLEST_MTU, min([DEFAULT_MTU, *(link - OVERHEAD for link in links)]))
