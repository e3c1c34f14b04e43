"""Which cluster a verb below `sloth kube` means, as whom, and the way to a client from that.

Without Typer: `sloth kube get` reads the usual command lines without it (`quick`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sloth.model.options import Options

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.connection import Connection
    from sloth.kube.telemetry.metrics import Metrics
    from sloth.kube.telemetry.observer import Observer

T = TypeVar("T")


class Once:
    """What the clusters of one command share: what is read once, who may ask now, and the numbers of all requests."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.kept: dict[str, Any] = {}
        self.metrics: Metrics | None = None


@dataclass(frozen=True)
class Where:
    """The shared options of `sloth kube`, and the way to a client from them."""

    options: Options
    namespace: str = ""
    context: str = ""
    kubeconfig: Path | None = None
    user: str = ""
    groups: tuple[str, ...] = ()
    as_uid: str = ""
    as_extra: tuple[str, ...] = ()
    via_ssh: bool = False
    label: str = ""
    """The cluster's name, where it is one of several."""
    once: Once = field(default_factory=Once, compare=False)

    def connection(self) -> Connection:
        """The kubeconfig that is named, else the cluster of sloth that is meant, else the user's own. Raises SlothError."""
        from sloth.kube import kubeconfig
        from sloth.kube.connection import Impersonation

        ours = self._is_ours()
        connection = self._stored() if ours and self.options.cluster and not self.via_ssh else None
        if connection is None and ours:
            connection = self._of_sloth()
        if connection is None:
            connection = kubeconfig.load(self.kubeconfig).connection(self.context, namespace=self.namespace)
        if self.user:
            connection = replace(connection, acting_as=Impersonation(self.user, self.groups, self.as_uid, _extra(self.as_extra)))
        return connection

    def _stored(self) -> Connection | None:
        """What is kept of that cluster, if sloth has none of that name of its own."""
        from sloth.cli.kube_stored import kept

        found = kept(self)
        return replace(found, namespace=self.namespace or found.namespace) if found else None

    def _is_ours(self) -> bool:
        """Whether a cluster that sloth made is meant, whose nodes it can log in to. Raises UsageError."""
        from sloth.errors import UsageError

        if self.context or self.kubeconfig:
            if self.via_ssh:
                raise UsageError(
                    "kube/via-ssh", "a kubeconfig names no nodes: --via-ssh is for clusters of sloth", hint="--cluster NAME"
                )
            return False
        return bool(self.via_ssh or self.options.cluster or Path("sloth.yaml").is_file())

    def _of_sloth(self) -> Connection:
        from sloth.reach import connection

        return connection(self.options, via_ssh=self.via_ssh, namespace=self.namespace, tell=self.say)

    def client(self, **settings: Any) -> Client:
        """A client with these settings, its discoveries kept in the cache folder. Raises SlothError."""
        from sloth.adapters.paths import cache_dir, data_dir
        from sloth.kube.audit.log import AuditLog
        from sloth.kube.client import Client

        observers: list[Observer] = [
            AuditLog(data_dir(self.options.state_dir) / "audit"),
            *([self.once.metrics] if self.once.metrics else []),
        ]
        return Client(self.connection(), cache=cache_dir() / "kube", observers=observers, **settings)

    def say(self, text: str) -> None:
        """Progress on stderr: which cluster, where there are several."""
        from sloth.app import say

        with self.once.lock:
            say("\n".join(f"{self.label}: {line}" for line in text.split("\n")) if self.label else text)

    def confirm(self, question: str, shown: str = "") -> None:
        """Go on only after a yes; clusters ask one after the other. `shown` is said before. Raises UsageError."""
        from sloth.app import confirm

        with self.once.lock:
            if shown:
                self.say(shown)
            confirm(f"{self.label}: {question}" if self.label else question)

    def shared(self, name: str, make: Callable[[], T]) -> T:
        """Of one command, made by the first cluster that wants it: standard input is there but once."""
        with self.once.lock:
            if name not in self.once.kept:
                self.once.kept[name] = make()
            return cast(T, self.once.kept[name])


def _extra(given: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    from sloth.errors import UsageError

    found: dict[str, list[str]] = {}
    for each in given:
        key, sign, value = each.partition("=")
        if not sign or not key:
            raise UsageError("kube/as-extra", f"`{each}` is no KEY=VALUE", hint="--as-user-extra example.org/reason=drill")
        found.setdefault(key, []).append(value)
    return tuple((key, tuple(values)) for key, values in found.items())
