"""The stories of `sloth upgrade`: look, and then node after node, each gated by health."""

from __future__ import annotations

from dataclasses import dataclass

from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.connect import Connect
from sloth.phases.inspect import Inspect
from sloth.phases.kubeconfig import ReadKubeconfig
from sloth.phases.settle import Settle
from sloth.phases.survey import Survey
from sloth.phases.upgrade_begin import Begin
from sloth.phases.upgrade_finish import Finish
from sloth.phases.upgrade_look import Look
from sloth.phases.upgrade_nodes import Preload, UpgradeControlPlane, UpgradeWorkers


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How workers are taken: `spec.upgrade`, or what the command line says in its place."""

    batch: str = "25%"
    canary: bool = True
    pause: int = 0  # seconds


def look(tools: Tools) -> list[Phase]:
    """The phases of `upgrade plan`: one question to each node, one about the whole cluster; nothing is changed."""
    return [
        Survey(),
        Connect(tools.login_for, rotate=False),
        Inspect(tools.distribution, lenient=True),
        Look(tools.distribution),
    ]


def apply(tools: Tools, pace: Pace) -> list[Phase]:
    """The phases of `upgrade apply`, in order."""
    return [
        *look(tools),
        Begin(tools.distribution),
        Preload(tools.distribution),
        UpgradeControlPlane(tools.distribution),
        UpgradeWorkers(tools.distribution, batch=pace.batch, canary=pace.canary, pause=pace.pause),
        Settle(tools.distribution),
        ReadKubeconfig(tools.distribution),  # its certificate was renewed with the control planes' own
        Finish(tools.distribution),
    ]
