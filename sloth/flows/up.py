"""The story of `sloth up`: from a spec to a cluster whose every node is Ready.

Each phase looks first and orders only what is missing, so that running it again changes nothing, and a run that was cut off
at any point is simply continued by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sloth.contracts.distribution import Distribution
from sloth.model.node import Login, Node
from sloth.model.phase import Phase
from sloth.model.record import Record
from sloth.phases.backup_restore import NothingUnderWay
from sloth.phases.connect import Connect
from sloth.phases.control_plane import ControlPlane
from sloth.phases.depart import Depart
from sloth.phases.dns import Dns
from sloth.phases.encryption import EncryptionKey, EncryptSecrets
from sloth.phases.inspect import Inspect
from sloth.phases.kubeconfig import Kubeconfig
from sloth.phases.latency import Latency
from sloth.phases.leases import Leases, MakeKey, MakeSeed
from sloth.phases.machines import Machines
from sloth.phases.mesh import Mesh
from sloth.phases.preflight import Preflight
from sloth.phases.prepare import Prepare
from sloth.phases.settings import Settings
from sloth.phases.settle import Settle
from sloth.phases.upgrade_versions import Versions
from sloth.phases.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What phases need from outside: a distribution, a source of keys, and how to log in."""

    distribution: Distribution
    make_key: MakeKey
    make_seed: MakeSeed
    login_for: Callable[[Node, Record], Login]


def phases(tools: Tools) -> list[Phase]:
    """The phases of `up`, in order."""
    return [
        NothingUnderWay(),
        Leases(tools.make_key, tools.make_seed),
        Preflight(),
        Machines(tools.make_key),
        Connect(tools.login_for),
        Inspect(tools.distribution),
        Versions(),
        Dns(),
        Depart(tools.distribution, tools.login_for),
        Mesh(),
        Latency(),
        EncryptionKey(tools.distribution, tools.make_seed),
        Prepare(tools.distribution),
        ControlPlane(tools.distribution),
        Settings(tools.distribution),
        Workers(tools.distribution),
        EncryptSecrets(tools.distribution),
        Settle(tools.distribution),
        Kubeconfig(tools.distribution),
    ]
