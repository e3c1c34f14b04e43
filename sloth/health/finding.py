"""One thing that was looked at, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sloth.health.severity import Severity

Area = Literal["machines", "nodes", "etcd", "certificates", "mesh", "pods", "disk", "clock", "versions", "drift"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`summary` says what is so; `hint` is one thing to type, for all that is not healthy."""

    area: Area
    subject: str  # a node, a pair of nodes, a workload; "" = the whole cluster
    severity: Severity
    summary: str
    hint: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "area": self.area,
            "subject": self.subject,
            "severity": self.severity.word,
            "summary": self.summary,
            "hint": self.hint,
        }


def healthy(area: Area, subject: str, summary: str) -> Finding:
    """A finding that needs nobody."""
    return Finding(area=area, subject=subject, severity=Severity.HEALTHY, summary=summary)


def warning(area: Area, subject: str, summary: str, hint: str) -> Finding:
    """It works, but somebody should look at it."""
    return Finding(area=area, subject=subject, severity=Severity.WARNING, summary=summary, hint=hint)


def unknown(area: Area, subject: str, summary: str, hint: str) -> Finding:
    """It could not be read."""
    return Finding(area=area, subject=subject, severity=Severity.UNKNOWN, summary=summary, hint=hint)


def critical(area: Area, subject: str, summary: str, hint: str) -> Finding:
    """It does not work."""
    return Finding(area=area, subject=subject, severity=Severity.CRITICAL, summary=summary, hint=hint)
