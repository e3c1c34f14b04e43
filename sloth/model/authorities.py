"""New certificate authorities in place of those that a cluster has, with a time in which both are trusted.

The order is that of kubernetes.io, "Manual Rotation of CA Certificates": everybody trusts both; then everything is signed by the
new ones; then the old ones go. The stage is kept in the record before it is taken, so that a run may be cut off anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sloth.model.secret import Secret

# trust: both are trusted, the old ones sign. leaves: control planes show what the new ones signed. nodes: kubelets do as well.
# drop: only the new ones are trusted.
Stage = Literal["trust", "leaves", "nodes", "drop"]
_END = "-----END CERTIFICATE-----\n"
STAGES: tuple[Stage, ...] = ("trust", "leaves", "nodes", "drop")


@dataclass(frozen=True, kw_only=True)
class Authority:
    """One of them. Certificates are PEM."""

    old: str
    new: str
    key: Secret  # of the new one

    @property
    def chain(self) -> str:
        """Both, where the old one has signed too: who signs, its root by the old one's hand, and then the roots.

        In this order, because OpenSSL goes on with the first certificate that fits: the root itself leads no further.
        """
        (own, *new), (crossed, *old) = _certificates(self.new), _certificates(self.old)
        return "".join((own, crossed, *new, *old))


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One that is under way."""

    id: str  # tells it from an earlier one
    stage: Stage
    authorities: Mapping[str, Authority]  # by the name that the distribution gives it

    def trusted(self, name: str) -> str:
        """What is trusted in this stage. The first one is that which signs."""
        one = self.authorities[name]
        return {"trust": one.old + one.new, "leaves": one.new + one.old, "nodes": one.new + one.old, "drop": one.new}[self.stage]

    def signer(self, name: str) -> str:
        """The certificate of the one that signs in this stage, alone."""
        one = self.authorities[name]
        return one.old if self.stage == "trust" else one.new

    @property
    def mark(self) -> str:
        """What a node notes when it has this stage."""
        return f"{self.id} {self.stage}"

    def next(self) -> Rotation | None:
        """The stage after this one; None after the last."""
        later = STAGES[STAGES.index(self.stage) + 1 :]
        return replace(self, stage=later[0]) if later else None

    def dump(self) -> Secret:
        """As one secret text, for the record."""
        document = asdict(replace(self, authorities={}))
        document["authorities"] = {
            name: {"old": each.old, "new": each.new, "key": each.key.reveal()} for name, each in self.authorities.items()
        }
        return Secret(json.dumps(document, sort_keys=True))


def _certificates(text: str) -> list[str]:
    return [f"{each}{_END}" for each in text.split(_END) if each.strip()]


def parse(text: Secret | None) -> Rotation | None:
    """What `dump` has made; None of None. Raises ValueError, KeyError for anything else."""
    if text is None:
        return None
    document: dict[str, Any] = json.loads(text.reveal())
    found = {
        name: Authority(old=each["old"], new=each["new"], key=Secret(each["key"]))
        for name, each in document["authorities"].items()
    }
    return Rotation(id=document["id"], stage=document["stage"], authorities=found)
