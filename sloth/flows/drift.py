"""The story of `sloth status --drift`: look at machines, mesh, hosts and Kubernetes, and say what `sloth up` would change.

It runs with rehearsing adapters. Unlike `sloth plan` it goes on where a node does not answer, and it believes no stamp.
"""

from __future__ import annotations

from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.connect import Connect
from sloth.phases.drift import HostDrift, KubernetesDrift, MachineDrift, MeshDrift, Tell
from sloth.phases.inspect import Inspect
from sloth.phases.leases import Leases
from sloth.phases.machines import Machines
from sloth.phases.preflight import Preflight


def phases(tools: Tools, tell: Tell) -> list[Phase]:
    """The phases; each thing that differs goes to `tell`, and to the rehearsal what concerns machines."""
    return [
        Leases(tools.make_key, tools.make_seed),
        Preflight(),
        Machines(tools.make_key),
        MachineDrift(tell),
        Connect(tools.login_for, rotate=False),
        Inspect(tools.distribution, lenient=True),
        MeshDrift(tell),
        HostDrift(tools.distribution, tell),
        KubernetesDrift(tools.distribution, tell),
    ]
