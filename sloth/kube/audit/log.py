"""The audit log as an observer that costs nothing until something is changed: reading commands load none of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.kube.telemetry.observer import About, Begun

if TYPE_CHECKING:
    from sloth.kube.audit.auditor import Auditor


class AuditLog:
    """An `Auditor` with a `Journal` in this folder, made with the first call that changes something."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._auditor: Auditor | None = None

    def waits(self, about: About) -> bool:
        """For what is written."""
        return about.subject.changes

    def begin(self, about: About) -> Begun | None:
        """Write that it is about to be sent. Raises StateError."""
        return self._made().begin(about) if about.subject.changes else None

    def flush(self) -> None:
        """Have the last results on the disk. Raises StateError."""
        if self._auditor:
            self._auditor.flush()

    def _made(self) -> Auditor:
        from sloth.kube.audit.auditor import Auditor
        from sloth.kube.audit.journal import Journal

        with self._lock:
            self._auditor = self._auditor or Auditor(Journal(self._folder))
            return self._auditor
