"""The API's name in a cloud's DNS service: a small stack of its own, made, changed and deleted with the cluster.

Whatever is at that name without the cluster's mark (`sloth.model.names`) is somebody else's, and is left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from sloth.adapters.pulumi import notes
from sloth.adapters.pulumi.notes import Note
from sloth.adapters.pulumi.program import Ids, strays, taking_over
from sloth.adapters.pulumi.questions import ask
from sloth.adapters.pulumi.stack import Engine, EngineStack
from sloth.contracts.cloud import Cloud
from sloth.errors import MachinesError
from sloth.model.event import Event
from sloth.model.names import PARTS, Listed, NamePlan


@dataclass(frozen=True, kw_only=True)
class Names:
    """The name of one cluster's API at one cloud."""

    cloud: Cloud
    engine: Engine

    @property
    def stack(self) -> EngineStack:
        """Where the engine keeps it."""
        return EngineStack(self.engine, stack_name(self.cloud.name))

    def publish(self, wanted: NamePlan, before: NamePlan | None) -> bool:
        """Have the name point there; answers whether anything changed. `before` = what the record knew. Raises SlothError."""
        if not wanted.targets:
            raise MachinesError(
                "cloud/name-without-address",
                f"there is no address yet that {wanted.host} could point at",
                where="spec.network.dns",
                hint="sloth up",
            )
        note = notes.read(self.engine.work, self.stack.name)
        if note is not None and note.digest == _digest(wanted, self.cloud):
            return False
        notes.drop(self.engine.work, self.stack.name)
        if before is not None and before.alias != wanted.alias:  # an address and another name cannot be at one name
            self.stack.destroy()
        changed = self._change(wanted)
        notes.write(self.engine.work, self.stack.name, Note(digest=_digest(wanted, self.cloud)))
        return changed

    def withdraw(self, known: NamePlan) -> None:
        """Delete it, also what no state knows and carries the mark. Raises SlothError."""
        notes.drop(self.engine.work, self.stack.name)
        self.stack.destroy()
        self.stack.remove()
        self._delete(self.stack, [each for each in _marked(known, self._listed(known)) if each.id])

    def _change(self, wanted: NamePlan) -> bool:
        ids: Mapping[tuple[str, str], str] = {}
        if listed := self._listed(wanted):
            report = self.stack.preview(self._program(wanted))
            new = {change.name for change in report.changes.values() if change.action == "create"}
            known = report.kept | {change.name for change in report.changes.values()} - new
            ids = self._claim(wanted, [each for each in listed if each.part not in known], new)
        if ids:
            self.engine.emit(Event(kind="note", title=f"{self.cloud.name}: taking over the records of {wanted.host}"))
            self.stack.up(self._program(wanted, ids))
        done = self.stack.up(self._program(wanted))
        if done.pending:
            self.stack.forget_pending()
        return bool(ids or done.changes)

    def _claim(self, wanted: NamePlan, strange: list[Listed], new: set[str]) -> Ids:
        """Of records that no state knows: those that an earlier run of this cluster made, to be taken over where they are
        wanted, and deleted where they are not. Raises MachinesError for others.
        """
        mine = [each for each in _marked(wanted, strange) if each.id]
        if others := [each for each in strange if each not in mine]:
            raise MachinesError(
                "cloud/name-taken",
                f"{self.cloud.name}: there is something at {wanted.host} already; nothing was changed",
                detail="\n".join(f"{each.name} {each.type} {', '.join(each.values)}" for each in others),
                where="spec.kubernetes.api.hostname",
                hint="delete these records, or choose another hostname",
            )
        self._delete(EngineStack(self.engine, f"{self.stack.name}-old"), [each for each in mine if each.part not in new])
        return {(each.token, each.part): each.id for each in mine if each.part in new}

    def _delete(self, stack: EngineStack, left: list[Listed]) -> None:
        """Records that no state knows: what a stack takes over goes with it."""
        if left:
            stack.up(strays({(each.token, f"{each.part}-left"): each.id for each in left}))
            stack.destroy()
            stack.remove()

    def _listed(self, plan: NamePlan) -> list[Listed]:
        """What is at the two names; nothing where the cloud has no function for it."""
        if not self.cloud.lists_names():
            return []
        found = ask(self.engine, lambda: tuple(self.cloud.listed(plan)))
        return [each for each in found if each.type in PARTS and each.name in plan.names and _counts(plan, each)]

    def _program(self, plan: NamePlan, ids: Ids | None = None) -> Callable[[], None]:
        def run() -> None:
            if ids:
                taking_over(ids)
            self.cloud.records(plan)

        return run


def stack_name(cloud: str) -> str:
    """Of the stack that holds the name."""
    return f"{cloud}-dns"


def _counts(plan: NamePlan, each: Listed) -> bool:
    """At the name itself a text says nothing about addresses; at the mark's name there is nothing but texts."""
    return (each.type == "TXT") is (each.name != plan.host)


def _marked(plan: NamePlan, listed: list[Listed]) -> list[Listed]:
    """All of it, if the mark is the cluster's; else nothing."""
    marks = {value for each in listed if each.type == "TXT" for value in each.values}
    return listed if marks == {plan.mark} else []


def _digest(plan: NamePlan, cloud: Cloud) -> str:
    text = json.dumps([asdict(plan), cloud.sdk.module], sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()
