"""What nodes report of their peers (`sloth-mesh check`), and what is wrong with a pair, told from both ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sloth.errors import ConnectError, SlothError

Verdict = Literal["ok", "small", "silent"]  # `small`: only small packets get through


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One peer, as one node saw it while it tried. Counters are of that time only."""

    verdict: Verdict
    largest: int = 0  # bytes; the largest size that got through, of `small`
    handshake: str = "never"  # seconds since the latest one
    received: int = 0  # bytes
    sent: int = 0  # bytes
    endpoint: str = "none"

    @property
    def words(self) -> str:
        """The evidence, for an error's detail."""
        age = "no handshake ever" if self.handshake == "never" else f"last handshake {self.handshake} s ago"
        return f"{age}; {self.sent} bytes sent to {self.endpoint}, {self.received} received while trying"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that one node reported."""

    public_key: str = ""
    peers: Mapping[str, Seen] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a pair: what it is and what it saw of the other (None = did not try)."""

    name: str
    key: str  # the public key that its peers were given
    reachable: str  # the address that the other end was given for it; "" = none
    report: Report
    seen: Seen | None


def parse(text: str) -> Report:
    """The report in the output of `sloth-mesh check`. Lines that are not of its form are passed over."""
    key, whole, peers = "", False, {}
    for line in text.splitlines():
        match line.split():
            case ["self", key, *_]:
                pass
            case ["peer", name, "ok"]:
                peers[name] = Seen(verdict="ok")
            case ["peer", name, ("small" | "silent") as verdict, largest, age, received, sent, endpoint]:
                peers[name] = Seen(
                    verdict=verdict,
                    largest=int(largest),
                    handshake=age,
                    received=int(received),
                    sent=int(sent),
                    endpoint=endpoint,
                )
            case ["end"]:
                whole = True
    return Report(public_key=key, peers=peers, whole=whole)


def fault(one: End, other: End, *, port: int, mtu: int) -> SlothError:
    """The error of a pair of which at least one end did not get a full-size answer."""
    cause, hint = _cause(one, other, port, mtu)
    ends = ((one, other), (other, one))
    evidence = [f"{end.name} of {peer.name}: {end.seen.words}" for end, peer in ends if end.seen and end.seen.verdict != "ok"]
    fine = [f"{end.name} of {peer.name}: answers" for end, peer in ends if end.seen and end.seen.verdict == "ok"]
    return ConnectError(
        "mesh/pair-unreachable",
        f"{one.name} and {other.name} do not reach each other in the mesh: {cause}",
        detail="\n".join([*evidence, *fine]),
        where=f"{one.name} {other.name}",
        hint=hint,
    )


def _cause(one: End, other: End, port: int, mtu: int) -> tuple[str, str]:
    for end in (one, other):
        if end.report.public_key and end.report.public_key != end.key:
            return (
                f"{end.name} has another key than its peers were given",
                f"sloth ssh {end.name} -- systemctl restart sloth-mesh, then sloth up",
            )
    sizes = [end.seen.largest for end in (one, other) if end.seen and end.seen.verdict == "small"]
    if sizes:
        return _too_large(mtu, min(sizes))
    if not one.reachable and not other.reachable:
        return (
            "neither has an address that the other can reach (both are behind a NAT, or on different private networks)",
            f"give {one.name} or {other.name} a public address, then sloth up",
        )
    return _silence(one, other, port)


def _too_large(mtu: int, largest: int) -> tuple[str, str]:
    return (
        f"small packets get through, but none of {mtu} bytes (the mesh's MTU); {largest} bytes do",
        f"set spec.mesh.mtu: {largest} and run sloth up",
    )


def _silence(one: End, other: End, port: int) -> tuple[str, str]:
    """Whose packets arrive nowhere, told from what each end has received from the other while both were trying."""
    heard = {end.name: bool(end.seen and end.seen.received) for end in (one, other)}
    if heard[one.name] and heard[other.name]:
        return (
            "encrypted packets arrive at both, but pings inside the mesh are not answered",
            f"see what the firewall of {other.name} does on interface wg0: sloth ssh {other.name} -- nft list ruleset",
        )
    for end, peer in ((one, other), (other, one)):
        if heard[peer.name] and end.seen and end.seen.verdict != "ok":
            where = end.reachable or "its address"
            return (
                f"packets go one way only: UDP port {port} from {peer.name} to {end.name} is blocked",
                f"open UDP port {port} at {end.name} ({where}) for {peer.name}, then sloth up",
            )
    open_at, wanting = (other, one) if other.reachable else (one, other)
    where = f"{open_at.name} ({open_at.reachable})"
    return (
        f"UDP port {port} is blocked between them in both directions, or {where} is not where {open_at.name} is",
        f"open UDP port {port} between {where} and {wanting.name}, then sloth up",
    )
