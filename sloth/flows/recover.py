"""The stories of `sloth recover`: the diagnosis first, then a cure for each kind of ailment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sloth.flows.up import Tools
from sloth.flows.up import phases as up
from sloth.health.diagnosis import Ailment
from sloth.model.phase import Phase
from sloth.phases.certs import RenewCertificates
from sloth.phases.connect import Connect
from sloth.phases.inspect import Inspect
from sloth.phases.kubeconfig import ReadKubeconfig
from sloth.phases.recover import Diagnose, StartServices, TakeOutMembers
from sloth.phases.survey import Survey
from sloth.phases.vitals import Vitals


def diagnosis(tools: Tools, tell: Callable[[Sequence[Ailment]], None]) -> list[Phase]:
    """Look at everything; change nothing."""
    return [
        Survey(),
        Connect(tools.login_for, rotate=False),
        Vitals(tools.distribution),
        Diagnose(tools.distribution, tell),
    ]


def services(tools: Tools, names: Sequence[str]) -> list[Phase]:
    """Start what should run on these nodes."""
    look: list[Phase] = [Survey(), Connect(tools.login_for, rotate=False), Inspect(tools.distribution, lenient=True)]
    return [*look, StartServices(tools.distribution, names)]


def certificates(tools: Tools, names: Sequence[str]) -> list[Phase]:
    """New certificates where they expired: nobody waits for other control planes, which may be no better off."""
    look: list[Phase] = [Survey(), Connect(tools.login_for, rotate=False), Inspect(tools.distribution, lenient=True)]
    return [*look, RenewCertificates(tools.distribution, names, expired=True), ReadKubeconfig(tools.distribution)]


def members(tools: Tools, names: Sequence[str]) -> list[Phase]:
    """These control-plane nodes leave etcd and Kubernetes and put their data aside; `again` has them join, as new members do."""
    look: list[Phase] = [Survey(), Connect(tools.login_for, rotate=False), Inspect(tools.distribution, lenient=True)]
    return [*look, TakeOutMembers(tools.distribution, names)]


def again(tools: Tools) -> list[Phase]:
    """The phases of `up`: machines are started or made anew, half-made members finished, the mesh corrected."""
    return up(tools)
