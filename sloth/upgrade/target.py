"""Which version an upgrade goes to: what the command line says, what is under way, or what the spec asks for."""

from __future__ import annotations

from collections.abc import Sequence

from sloth.errors import UsageError
from sloth.upgrade.versions import allows, check_step, newest_first, parse, reachable


def target(*, running: str, spec: str, to: str, under_way: str, known: Sequence[str], resume: bool = False) -> str:
    """The exact version, `running` itself when there is nothing to do, or "" when nobody says where to go.

    `running`: exact, as recorded. `spec`, `to`: a minor or an exact version (`to` may be empty). `under_way`: exact or empty.
    Raises UsageError for versions that are not known or cannot be reached in one step.
    """
    if resume and not under_way:
        raise UsageError(
            "upgrade/nothing-to-resume",
            f"no upgrade is under way: every node was last brought to {running}",
            hint="sloth upgrade plan",
        )
    asked = to or (under_way if under_way else "" if allows(spec, running) else spec)
    if not asked:
        return ""
    found = _exact(asked, running, known)
    if under_way and found != under_way:
        raise UsageError(
            "upgrade/another-under-way",
            f"the upgrade to {under_way} is not complete: {found} comes after it",
            hint="sloth upgrade apply --resume",
        )
    check_step(running, found, known)
    return found


def _exact(asked: str, running: str, known: Sequence[str]) -> str:
    near = ", ".join(reachable(running, known)) or "none"
    matching = newest_first(version for version in known if allows(asked, version))
    if matching:
        return matching[0]
    if allows(asked, running):
        return running
    raise UsageError(
        "upgrade/unknown-version",
        f"Kubernetes {asked} is not known to this sloth",
        detail=f"known: {', '.join(newest_first(known))}; reachable from {running}: {near}",
        hint="sloth upgrade plan",
    )


def proposed(running: str, known: Sequence[str]) -> str:
    """What `plan` looks at when nobody says where to go: the newest version that can be reached, or `running`."""
    return max([running, *reachable(running, known)], key=parse)
