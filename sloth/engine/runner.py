"""Takes phases one after the other: what a phase orders is done with the rig's adapters, and the answer goes back in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from sloth.contracts.provider import Balancer, Prepares, Publishes
from sloth.engine.drive import drive
from sloth.engine.fan_out import fan_out
from sloth.engine.rig import Rig
from sloth.engine.sessions import Sessions
from sloth.engine.talks import Talks
from sloth.errors import InternalError, ManyErrors, SlothError
from sloth.model.cluster import Cluster
from sloth.model.event import Event, Kind
from sloth.model.phase import (
    Api,
    Balance,
    Connect,
    DeleteMachines,
    DestroyMachines,
    Each,
    Keep,
    MakeMachines,
    Order,
    Phase,
    PhaseRun,
    Preflight,
    Publish,
    Say,
    SurveyMachines,
    Together,
)
from sloth.model.record import Record


def run_phases(phases: Sequence[Phase], cluster: Cluster, rig: Rig) -> Cluster:
    """Run all phases and return the cluster as it is known afterwards.

    Raises what a phase does not catch: a SlothError, or ManyErrors of several nodes. After the first Ctrl-C that is
    Interrupted, as soon as the steps in hand are finished; the second raises KeyboardInterrupt at once.
    """
    run = _Run(rig, cluster.record)
    rig.journal.begin(rig.verb)
    rig.emit(Event(kind="run-started", title=rig.verb, total=len(phases)))
    outcome = "run/killed"
    try:
        with rig.stop.on_signals(run.note_stop):
            for phase in phases:
                rig.stop.check()
                cluster = run.phase(phase, cluster)
        outcome = "ok"
    except SlothError as error:
        outcome = error.code
        raise
    except ManyErrors as errors:
        outcome = _first_code(errors)
        raise
    finally:
        run.close()
        rig.journal.finish(outcome)
        rig.emit(Event(kind="run-finished", title=rig.verb, ok=outcome == "ok", changed=run.changed))
    return cluster


def _first_code(errors: ExceptionGroup[SlothError]) -> str:
    first = errors.exceptions[0]
    return first.code if isinstance(first, SlothError) else _first_code(first)


class _Run:
    """One run: its connections, its record, and one method for each kind of order."""

    def __init__(self, rig: Rig, record: Record) -> None:
        self.sessions = Sessions(rig.transport)
        self.changed = False
        self._rig = rig
        self._record = record
        self._talks = Talks(rig, self.sessions)
        self._title = ""
        self._busy = False  # whether the phase ordered anything
        self._phase_changed = False

    def close(self) -> None:
        """End every connection."""
        self.sessions.close()
        self._talks.close()

    def note_stop(self) -> None:
        """Tell the user what the first Ctrl-C means."""
        self._emit("warning", "stopping after the steps in hand; press Ctrl-C again to stop at once")

    def phase(self, phase: Phase, cluster: Cluster) -> Cluster:
        """One phase from its first order to what it returns."""
        self._title, self._busy, self._phase_changed = phase.title, False, False
        self._emit("phase-started")
        ok = False
        try:
            cluster = self._follow(phase.run(cluster))
            ok = True
        finally:
            kind: Kind = "phase-finished" if self._busy or not ok else "phase-skipped"
            event = Event(kind=kind, phase=self._title, title=self._title, ok=ok, changed=self._phase_changed)
            self._rig.emit(event)
        return replace(cluster, record=self._record)

    def _follow(self, orders: PhaseRun) -> Cluster:
        advance: Callable[[], Order] = orders.__next__
        try:
            while True:
                order = advance()
                try:
                    answer = self._carry_out(order)
                except Exception as error:  # whatever it is, the phase may have something to clean up
                    advance = partial(orders.throw, error)
                else:
                    advance = partial(orders.send, answer)
        except StopIteration as end:
            cluster: Cluster = end.value
            return cluster
        finally:
            orders.close()

    def _carry_out(self, order: Order) -> Any:
        if isinstance(order, Each) and not order.scripts:
            return {}
        handler = _HANDLERS.get(type(order))
        if handler is None:
            raise InternalError(
                "engine/unknown-order",
                f"phase “{self._title}” yielded {type(order).__name__}, which is no order",
                hint="sloth up --debug",
            )
        # What is done is saved even after Ctrl-C; nothing else is begun.
        if not isinstance(order, (Keep, Say)):
            self._rig.stop.check()
        self._busy = self._busy or not isinstance(order, (Say, Connect, Preflight))
        return handler(self, order)

    def _each(self, order: Each) -> dict[str, Any]:
        jobs = {node: partial(self._script, node, script) for node, script in order.scripts.items()}
        try:
            return fan_out(jobs, title=order.title, stop=self._rig.stop, width=order.width, gather=order.gather)
        finally:
            for script in order.scripts.values():
                with suppress(ValueError):  # still running: this is the second Ctrl-C
                    script.close()

    def _script(self, node: str, script: Any) -> Any:
        return drive(
            script,
            self.sessions.session(node),
            node=node,
            phase=self._title,
            emit=self._watch,
            journal=self._rig.journal,
            stop=self._rig.stop,
        )

    def _api(self, order: Api) -> Any:
        return self._talks.carry_out(order, self._record, self._title, self._watch)

    def _watch(self, event: Event) -> None:
        if event.changed:
            self._note_change()
        self._rig.emit(event)

    def _note_change(self) -> None:
        self.changed = self._phase_changed = True

    def _keep(self, order: Keep) -> Record:
        wanted = order.change(self._record)
        if wanted != self._record:
            self._record = self._rig.state.save(wanted)
        return self._record

    def _connect(self, order: Connect) -> None:
        self.sessions.use(order.logins)

    def _preflight(self, order: Preflight) -> dict[str, Any]:
        asked, refused = self._asked(list(order.names))
        jobs = {
            name: partial(machines.preflight, order.names[name], order.known.get(name, {}))
            for name, machines in asked.items()
            if isinstance(machines, Prepares) and not refused
        }
        answers = fan_out(jobs, title="preflight", stop=self._rig.stop, gather=True)
        found = {name: answer for name, answer in answers.items() if answer}
        self._busy = self._busy or bool(found)
        return found or refused

    def _asked(self, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Machines by provider; and why there are none: credentials that are missing, at all providers at once."""
        machines: dict[str, Any] = {}
        refused: dict[str, Any] = {}
        for name in names:
            try:
                machines[name] = self._rig.machines(name)
            except SlothError as error:
                refused[name] = error
        return machines, refused

    def _make(self, order: MakeMachines) -> tuple[Any, ...]:
        return tuple(self._rig.machines(order.provider).apply(order.wanted))

    def _delete(self, order: DeleteMachines) -> None:
        if order.names:
            self._rig.machines(order.provider).delete(order.names)
            self._note_change()

    def _destroy(self, order: DestroyMachines) -> tuple[str, ...]:
        machines = self._rig.machines(order.provider)
        machines.destroy()
        self._note_change()
        return tuple(machines.leftovers())

    def _survey(self, order: SurveyMachines) -> tuple[Any, ...]:
        return tuple(self._rig.machines(order.provider).survey())

    def _together(self, order: Together) -> tuple[Any, ...]:
        for each in order.orders:
            self._rig.machines(each.provider)  # made here: not for several threads
        jobs = {f"{number} {each.provider}": partial(self._carry_out, each) for number, each in enumerate(order.orders)}
        return tuple(fan_out(jobs, title=self._title, stop=self._rig.stop).values())

    def _balance(self, order: Balance) -> str:
        machines = self._rig.machines(order.provider)
        return machines.balance(order.targets) if isinstance(machines, Balancer) else ""

    def _publish(self, order: Publish) -> None:
        machines = self._rig.machines(order.provider)
        if isinstance(machines, Publishes) and machines.publish(order.wanted, order.before):  # else the spec's check refused it
            self._note_change()

    def _say(self, order: Say) -> None:
        self._emit("warning" if order.warning else "note", order.text)

    def _emit(self, kind: Kind, title: str = "") -> None:
        self._rig.emit(Event(kind=kind, phase=self._title, title=title or self._title))


_HANDLERS: dict[type, Callable[[_Run, Any], Any]] = {
    Each: _Run._each,
    Api: _Run._api,
    Keep: _Run._keep,
    Connect: _Run._connect,
    Preflight: _Run._preflight,
    MakeMachines: _Run._make,
    DeleteMachines: _Run._delete,
    DestroyMachines: _Run._destroy,
    SurveyMachines: _Run._survey,
    Together: _Run._together,
    Balance: _Run._balance,
    Publish: _Run._publish,
    Say: _Run._say,
}
