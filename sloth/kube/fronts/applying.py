"""The apply engine for both clients: what is given as manifests, a plan that knows how it is carried out, and carrying it out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sloth.errors import UsageError
from sloth.kube.api import Api
from sloth.kube.applying.compare import make_plan
from sloth.kube.applying.history import Kept, Note, chosen_one, history, objects, recorded
from sloth.kube.applying.inventory import Entry
from sloth.kube.applying.manifests import Manifest, read
from sloth.kube.applying.plan import ApplySet, Change, Plan
from sloth.kube.applying.run import carry_out
from sloth.kube.decode import dumps
from sloth.kube.waiting import wait_current
from sloth.kube.wire import Call, Object

if TYPE_CHECKING:
    from sloth.kube.applying.veil import Seal

Given: TypeAlias = str | Path | Object | tuple[str, bytes] | Manifest
"""YAML or JSON text, a file, an object, a named text, or what `manifests.read` made of one."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan, and how it is to be carried out. `digest` names it in the audit log."""

    plan: Plan
    chosen: ApplySet | None = None
    force: bool = False
    why: str = ""

    @property
    def changes(self) -> tuple[Change, ...]:
        """What becomes of each object: `create`, `change`, `recreate`, `same`, `delete`, `keep`."""
        return self.plan.changes

    @property
    def digest(self) -> str:
        """SHA-256 of what would be sent and deleted."""
        return self.plan.digest


def read_all(given: Iterable[Given]) -> list[Manifest]:
    """Manifests of all that was given, those that were read already last. Raises UsageError: no YAML, no object, one twice."""
    texts: list[tuple[str, bytes]] = []
    made: list[Manifest] = []
    for number, each in enumerate(given, 1):
        if isinstance(each, Manifest):
            made.append(each)
        elif isinstance(each, Path):
            texts.append((str(each), _content(each)))
        elif isinstance(each, tuple):
            texts.append(each)
        else:
            texts.append((f"argument {number}", each.encode() if isinstance(each, str) else dumps(each)))
    return [*read(texts), *made]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror or error}"
        raise UsageError("kube/no-file", why, where=str(path), hint="name files; of a folder: *folder.rglob('*.yaml')") from error


def propose(
    api: Api, given: Sequence[Given], set_name: str, namespace: str | None, *, prune: bool, guarded: bool, force: bool,
    recreate: bool, why: str = "",
) -> Call[Proposal]:  # fmt: skip
    """Compare with the cluster. Raises UsageError, and what `make_plan` does."""
    if (prune or guarded) and not set_name:
        raise UsageError("kube/no-set", "only what left a named set can be pruned", hint='plan(…, set_name="NAME", prune=True)')
    chosen = ApplySet(set_name, namespace or api.namespace, prune or guarded, guarded) if set_name else None
    plan = yield from make_plan(api, read_all(given), chosen, force=force, recreate=recreate)
    return Proposal(plan, chosen, force, why)


def carried_out(api: Api, proposal: Proposal, seal: Seal | None, wait: float) -> Call[list[Entry]]:
    """Make it true, keep it in the set's history if there is a seal, and wait so many seconds until all is ready."""
    plan, chosen = proposal.plan, proposal.chosen
    if chosen is None or seal is None:
        done = yield from carry_out(api, plan, chosen, force=proposal.force)
    else:
        note = Note(datetime.now(UTC).isoformat(timespec="seconds"), digest=plan.digest, why=proposal.why)
        done = yield from recorded(api, plan, chosen, seal, note, force=proposal.force)
    if wait:
        targets = []
        for each in done:
            targets.append(((yield from api.kinds.find(each.resource)), each.namespace, each.name))
        yield from wait_current(api, targets, wait)
    return done


def kept(api: Api, set_name: str, namespace: str | None) -> Call[list[Kept]]:
    """The applies of a set that are kept, the last one first. Raises ApiError."""
    return (yield from history(api, ApplySet(set_name, namespace or api.namespace)))


def back(api: Api, set_name: str, namespace: str | None, number: int, seal: Seal, *, force: bool) -> Call[Proposal]:
    """The plan of going back to an earlier apply; what came to the set since is deleted. Raises UsageError, KubernetesError."""
    chosen = ApplySet(set_name, namespace or api.namespace)
    found = chosen_one((yield from history(api, chosen)), chosen, number)
    given = objects(found, chosen, seal)
    return (
        yield from propose(
            api, given, set_name, namespace, prune=True, guarded=False, force=force, recreate=False,
            why=f"rollback to {found.number}",
        )
    )  # fmt: skip
