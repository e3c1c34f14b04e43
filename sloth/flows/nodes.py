"""The stories of `sloth nodes`: verbs about single nodes. Each finds the machines, logs in, and works through a server."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.connect import Connect
from sloth.phases.cordon import Cordon, Drain, Uncordon
from sloth.phases.leave_check import LeaveCheck, MarkLeaving
from sloth.phases.reboot import Reboot
from sloth.phases.server import FindServer
from sloth.phases.survey import Survey


def look(tools: Tools) -> list[Phase]:
    """What verbs that work on a server begin with: nothing is changed, and only control-plane nodes are asked."""
    return [Survey(), Connect(tools.login_for, rotate=False), FindServer(tools.distribution)]


def cordon(tools: Tools, names: Sequence[str]) -> list[Phase]:
    """No new pods for these nodes."""
    return [*reach(tools), Cordon(tuple(names))]


def uncordon(tools: Tools, names: Sequence[str]) -> list[Phase]:
    """Pods again for these nodes."""
    return [*reach(tools), Uncordon(tuple(names))]


def drain(tools: Tools, names: Sequence[str], *, seconds: float = 0.0, force: Collection[str] = ()) -> list[Phase]:
    """Empty these nodes."""
    return [*look(tools), Drain(tools.distribution, tuple(names), seconds, tuple(force))]


def reboot(
    tools: Tools, names: Sequence[str], *, seconds: float = 0.0, force: Collection[str] = (), accept_outage: bool = False
) -> list[Phase]:
    """Reboot these nodes, one at a time."""
    work = Reboot(tools.distribution, tools.login_for, tuple(names), seconds, tuple(force), accept_outage)
    return [*look(tools), work]


def may_leave(tools: Tools, names: Sequence[str], *, mark: bool = False) -> list[Phase]:
    """Whether etcd keeps its majority without these nodes, asked before anything is begun; with `mark`, they leave next."""
    check: list[Phase] = [*look(tools), LeaveCheck(tools.distribution, tuple(names))]
    return [*check, MarkLeaving(tuple(names))] if mark else check


def reach(tools: Tools) -> list[Phase]:
    """The nodes that run, and how to log in: for verbs that need no Kubernetes, or no more of it than its API."""
    return [Survey(), Connect(tools.login_for, rotate=False)]
