"""The story of `sloth status`: look at every machine and ask every node once; nothing is changed."""

from __future__ import annotations

from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.connect import Connect
from sloth.phases.inspect import Inspect
from sloth.phases.survey import Survey


def phases(tools: Tools) -> list[Phase]:
    """The phases of `status`."""
    return [Survey(), Connect(tools.login_for, rotate=False), Inspect(tools.distribution, lenient=True)]
