"""The story of `sloth down`: everything that carries the cluster's tag goes, and a survey proves it."""

from __future__ import annotations

from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.clean import CleanHosts
from sloth.phases.connect import Connect
from sloth.phases.destroy import Destroy
from sloth.phases.dns import Withdraw
from sloth.phases.survey import Survey


def phases(tools: Tools, *, existing: bool) -> list[Phase]:
    """The phases of `down`. `existing` = some hosts were there before sloth and must be cleaned, which needs a login."""
    clean: list[Phase] = [Survey(), Connect(tools.login_for), CleanHosts(tools.distribution)] if existing else []
    return [*clean, Withdraw(), Destroy()]
