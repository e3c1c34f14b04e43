"""Orders to talk to the Kubernetes API: one session for a run, opened when the first of them comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sloth.contracts.api import ApiSession, doors
from sloth.engine.relay import relayed
from sloth.engine.rig import Rig
from sloth.engine.sessions import Sessions
from sloth.errors import InternalError, SlothError, UsageError
from sloth.model.event import Event
from sloth.model.phase import Api
from sloth.model.record import Record


class Talks:
    """The talks of one run."""

    def __init__(self, rig: Rig, sessions: Sessions) -> None:
        self._rig, self._sessions = rig, sessions
        self._session: ApiSession | None = None
        self._servers: tuple[str, ...] = ()

    def carry_out(self, order: Api, record: Record, phase: str, emit: Callable[[Event], None]) -> Any:
        """What the talk returns. Shown and journalled as a step of its node.

        Raises what the talk raises, UsageError, and Interrupted between two requests when the end was asked for. In a rehearsal
        an order that awaits something answers True: it would be done.
        """
        if self._rig.rehearsing and order.awaits:
            emit(Event(kind="step-finished", phase=phase, node=order.node, title=order.title, changed=True, predicted=True))
            return True
        session = self._opened(order, record)

        def say(text: str) -> None:
            emit(Event(kind="note", phase=phase, node=order.node, title=text))

        if order.changes:
            self._rig.journal.before(phase, order.node, [order.title])
        emit(Event(kind="script-started", phase=phase, node=order.node, total=1))
        emit(Event(kind="step-started", phase=phase, node=order.node, title=order.title))
        ok, changed = False, False
        try:
            answer = session.run(lambda api: relayed(order.talk(api, say), self._unless_stopped))
            ok, changed = True, order.changes and answer is True
            return answer
        except SlothError as error:
            if error.code == "kube/unauthorized":  # the kubeconfig is the record's own: its certificate has run out
                error.hint = "sloth certs rotate"
            raise
        finally:
            if order.changes:
                self._rig.journal.after(phase, order.node, [(order.title, ok, changed)])
            emit(Event(kind="step-finished", phase=phase, node=order.node, title=order.title, changed=changed, ok=ok))
            emit(Event(kind="script-finished", phase=phase, node=order.node, changed=changed, ok=ok))

    def _unless_stopped(self, wanted: Any) -> Any:
        self._rig.stop.check()
        return wanted

    def _opened(self, order: Api, record: Record) -> ApiSession:
        names = tuple(server.name for server in order.servers)
        if self._session is not None and names == self._servers:
            return self._session
        self.close()
        if self._rig.api is None:
            raise InternalError("engine/no-api", f"“{order.title}”: this run has no way to the API", hint="report it")
        kubeconfig = record.kubeconfig or order.kubeconfig
        if kubeconfig is None:
            raise UsageError("kubeconfig/none", f"{record.cluster} has no kubeconfig yet", hint="sloth up")
        ways = [(server.mesh_address, self._sessions.login(server.name)) for server in order.servers]
        self._session, self._servers = self._rig.api.open(kubeconfig, doors(ways)), names
        return self._session

    def close(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
