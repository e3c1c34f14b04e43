"""One thing that the look before an upgrade has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["blocks", "warns", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing. `blocks`: the upgrade does not begin before it is gone."""

    level: Level
    check: str  # `skew`, `nodes`, `apis`, `budgets`, `webhooks`, `services`, `components`, `addons`, `disruption`, `snapshot`
    text: str
    hint: str

    def as_dict(self) -> dict[str, str]:
        """The JSON form."""
        return {"level": self.level, "check": self.check, "text": self.text, "hint": self.hint}


def blocks(check: str, text: str, hint: str) -> Finding:
    """One that blocks."""
    return Finding(level="blocks", check=check, text=text, hint=hint)


def unknown(check: str, text: str, hint: str) -> Finding:
    """One that could not be found out."""
    return Finding(level="unknown", check=check, text=text, hint=hint)


def warns(check: str, text: str, hint: str) -> Finding:
    """One that should be known."""
    return Finding(level="warns", check=check, text=text, hint=hint)
