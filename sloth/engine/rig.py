"""What the runner needs from outside: real adapters for a run, rehearsing ones for a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sloth.contracts.api import ApiTransport
from sloth.contracts.provider import Machines
from sloth.contracts.state import State
from sloth.contracts.transport import Transport
from sloth.engine.journal import NoJournal, Recorder
from sloth.engine.stop import Stop
from sloth.model.event import Event


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The adapters of one run."""

    transport: Transport
    state: State
    machines: Callable[[str], Machines]  # provider name -> this cluster's machines there
    emit: Callable[[Event], None]
    api: ApiTransport | None = None  # for phases that talk to the Kubernetes API
    journal: Recorder = field(default_factory=NoJournal)
    stop: Stop = field(default_factory=Stop)
    verb: str = "up"
    rehearsing: bool = False  # nothing is changed
