"""New passwords for joining, in place of those that a cluster has, where every node keeps them.

The record has them before a node takes them, so that a run may be cut off anywhere; afterwards they are on nodes only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sloth.model.secret import Secret


@dataclass(frozen=True, kw_only=True)
class JoinTokens:
    """A rotation of them that is under way."""

    id: str  # tells it from an earlier one
    agent: Secret  # what workers join with
    server: Secret | None = None  # what servers join with, as the first of them has made it; None = not yet

    def dump(self) -> Secret:
        """As one secret text, for the record."""
        kept = {"id": self.id, "agent": self.agent.reveal(), "server": self.server.reveal() if self.server else None}
        return Secret(json.dumps(kept, sort_keys=True))


def parse(text: Secret | None) -> JoinTokens | None:
    """What `dump` has made; None of None. Raises ValueError, KeyError for anything else."""
    if text is None:
        return None
    kept: dict[str, Any] = json.loads(text.reveal())
    server = Secret(kept["server"]) if kept["server"] else None
    return JoinTokens(id=kept["id"], agent=Secret(kept["agent"]), server=server)
