"""The story of `sloth status` and `sloth health`: look at every machine and ask every node once; nothing is changed."""

from __future__ import annotations

from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.connect import Connect
from sloth.phases.survey import Survey
from sloth.phases.vitals import Vitals


def phases(tools: Tools) -> list[Phase]:
    """The phases of `status` and `health`."""
    return [Survey(), Connect(tools.login_for, rotate=False), Vitals(tools.distribution)]
