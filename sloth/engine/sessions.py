"""The connections of a run: one per node, opened on first use, kept, opened anew once if lost."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from sloth.contracts.transport import Session, Transport
from sloth.errors import ConnectError, InternalError
from sloth.model.node import Login
from sloth.model.step import Result, Step


class Sessions:
    """Hands out one `Session` per node; safe from many threads, as long as each node is used by one at a time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}

    def use(self, logins: Iterable[Login]) -> None:
        """Reach these nodes this way from now on; older connections to them are closed."""
        for login in logins:
            with self._lock:
                old = self._kept.get(login.node)
                self._kept[login.node] = Kept(self._transport, login)
            if old is not None:
                old.close()

    def session(self, node: str) -> Session:
        """The session of a node; it connects when it is first run. Raises InternalError for a node without login."""
        kept = self._kept.get(node)
        if kept is None:
            raise InternalError("engine/no-login", f"{node}: a script wants it before any `Connect`", hint="sloth up --debug")
        return kept

    def login(self, node: str) -> Login:
        """How that node is logged in to. Raises InternalError for a node without login."""
        self.session(node)
        return self._kept[node].login

    def close(self) -> None:
        """Close all."""
        for kept in self._kept.values():
            kept.close()


class Kept:
    """A session that connects lazily, and once more if the connection is lost."""

    def __init__(self, transport: Transport, login: Login) -> None:
        self._transport = transport
        self.login = login
        self._session: Session | None = None

    def run(self, steps: Sequence[Step]) -> Sequence[Result]:
        """As the contract says. A batch whose connection was lost is sent once more: every step looks before it changes."""
        session = self._connected()
        try:
            return session.run(steps)
        except ConnectError:
            self.close()
            return self._connected().run(steps)

    def _connected(self) -> Session:
        if self._session is None:
            self._session = self._transport.open(self.login)
        return self._session

    def close(self) -> None:
        """End the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
