"""The stories of `sloth backup`: make one, prove one, put one back, and have the control plane make them by itself."""

from __future__ import annotations

from collections.abc import Callable

from sloth.backup.memory import Restoring
from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.backup_create import BackupKeys, Made, MakeBackup, MakeKeys
from sloth.phases.backup_restore import Begin, Finished, PutBack, Revive
from sloth.phases.backup_schedule import Schedule
from sloth.phases.backup_verify import Opened, Verify
from sloth.phases.connect import Connect
from sloth.phases.control_plane import ControlPlane
from sloth.phases.encryption import EncryptSecrets
from sloth.phases.inspect import Inspect
from sloth.phases.kubeconfig import Kubeconfig
from sloth.phases.leases import Leases
from sloth.phases.machines import Machines
from sloth.phases.mesh import Mesh
from sloth.phases.preflight import Preflight
from sloth.phases.prepare import Prepare
from sloth.phases.server import FindServer
from sloth.phases.settle import Settle
from sloth.phases.survey import Survey
from sloth.phases.survivor import CountSurvivor
from sloth.phases.workers import Workers


def create(tools: Tools, make_keys: MakeKeys, made: Made) -> list[Phase]:
    """The phases of `backup create`. Only control-plane nodes are asked."""
    return [*_found(tools), BackupKeys(make_keys), MakeBackup(tools.distribution, made)]


def verify(tools: Tools, backup: Opened) -> list[Phase]:
    """The phases of `backup verify`."""
    return [*_found(tools), Verify(tools.distribution, backup)]


def schedule(tools: Tools, make_keys: MakeKeys, wish: Schedule) -> list[Phase]:
    """The phases of `backup schedule`."""
    return [*_found(tools), BackupKeys(make_keys), wish]


def survivor(tools: Tools, name: str, tell: Callable[[str], None]) -> list[Phase]:
    """Before `backup restore --survivor` asks: the sum. Nothing is changed, and only that node is asked."""
    return [Survey(), Connect(tools.login_for, rotate=False), CountSurvivor(tools.distribution, name, tell)]


def restore(tools: Tools, wish: Restoring, backup: Opened | None) -> list[Phase]:
    """The phases of `backup restore`: those of `up`, with the data put back where `up` would start an empty cluster."""
    return [
        Leases(tools.make_key, tools.make_seed),
        Preflight(),
        Machines(tools.make_key),
        Connect(tools.login_for),
        Inspect(tools.distribution),
        Mesh(),
        Prepare(tools.distribution),
        Begin(wish),
        PutBack(tools.distribution, backup),
        Revive(tools.distribution),
        Inspect(tools.distribution, title="Inspect nodes again"),
        ControlPlane(tools.distribution),
        Workers(tools.distribution),
        EncryptSecrets(tools.distribution),
        Settle(tools.distribution),
        Kubeconfig(tools.distribution),
        Finished(),
    ]


def _found(tools: Tools) -> list[Phase]:
    return [Survey(), Connect(tools.login_for, rotate=False), FindServer(tools.distribution)]
