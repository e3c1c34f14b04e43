"""The observer that writes the audit log.

A call that may change something is written twice: before it goes out, on the disk by then (a log that cannot be written keeps
the call from being made), and with its result after. Dry runs, which change nothing, are written once and not waited for.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sloth.errors import SlothError
from sloth.kube.audit.identity import identity
from sloth.kube.audit.journal import Journal
from sloth.kube.telemetry.observer import About, Begun, Outcome
from sloth.kube.telemetry.subject import is_dry
from sloth.model.secret import mask

_log = logging.getLogger(__name__)


class Auditor:
    """Give it to clients as an observer. Closing a client has its results on the disk, too."""

    def __init__(self, journal: Journal, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._journal, self._now = journal, now
        self._lock = threading.Lock()
        self._run, self._count = secrets.token_hex(6), 0

    def waits(self, about: About) -> bool:
        """For what it writes: an fsync is a matter of milliseconds."""
        return about.subject.changes

    def begin(self, about: About) -> Begun | None:
        """Write that it is about to be sent. Raises StateError."""
        if not about.subject.changes:
            return None
        with self._lock:
            self._count += 1
            call = f"{self._run}-{self._count}"
        entry = {"at": self._at(), "id": call, **describe(about)}
        dry = bool(entry["dry_run"])
        if not dry:
            self._journal.append({"event": "begin", **entry}, durable=True)

        def end(outcome: Outcome) -> None:
            result = {"result": result_of(outcome), "ms": round(outcome.seconds * 1000, 1), "attempts": outcome.attempts}
            line = {"event": "call", **entry, **result} if dry else {"event": "end", "at": self._at(), "id": call, **result}
            try:
                self._journal.append(line, durable=False)
            except SlothError as error:
                # The call is made and stands in the log; raising would say that it was not made.
                _log.warning("the result of %s is missing in the audit log: %s", call, error.detail)

        return Begun(end)

    def flush(self) -> None:
        """Have the last results on the disk. Raises StateError."""
        self._journal.close()

    def _at(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def describe(about: About) -> dict[str, Any]:
    """Who does what to what, in the log's fields."""
    connection, subject = about.connection, about.subject
    acting = connection.acting_as
    return {
        "by": person(),
        "who": identity(connection),
        "as": {"user": acting.user, "groups": acting.groups, "uid": acting.uid, "extra": dict(acting.extra)} if acting else None,
        "cluster": connection.name,
        "server": connection.server,
        "verb": subject.verb,
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "subresource": subject.subresource,
        "path": "" if subject.kind else mask(about.request.path),
        "dry_run": is_dry(about.request),
        "plan": about.plan,
    }


def result_of(outcome: Outcome) -> dict[str, Any]:
    """The result: status or code of a failure, and the number under which the server's own audit log has it."""
    result: dict[str, Any] = {"ok": 0 < outcome.status < 400, "word": outcome.word}
    audit_id = outcome.headers.get("audit-id", "")
    return {**result, "audit_id": audit_id} if audit_id else result


@cache
def person() -> str:
    """The user of this machine, and the machine: `jo@laptop`. By number if it has no name."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
