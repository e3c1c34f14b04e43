"""One run of one verb on one cluster: the record and its lock, the adapters, the views, the journal.

`desk(...)` builds all of it and takes it down again, whatever happens; verbs ask it to run phases.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sloth import registry
from sloth.app import data_root, login_for, make_key, make_seed, state_of
from sloth.clouds import cloud_machines, forget_engine
from sloth.contracts.cloud import Cloud
from sloth.contracts.provider import Emit, Ends, Machines, MakesMachines, Provider
from sloth.contracts.sink import Sink
from sloth.contracts.transport import Session, Transport
from sloth.engine.rehearse import Rehearsal, rehearsing
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.engine.stop import Stop
from sloth.errors import InternalError, ManyErrors, SlothError
from sloth.flows.up import Tools
from sloth.model.artifact import Delivery
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.node import Login, Node
from sloth.model.options import Options
from sloth.model.phase import Phase
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.phases.connect import accepted
from sloth.phases.dns import published
from sloth.phases.plan import plan
from sloth.supply import pin_images, pinned_images, version_of

if TYPE_CHECKING:
    from pathlib import Path

    from sloth.config.load import Loaded
    from sloth.contracts.state import Kept

LOGS_KEPT = 50  # of each cluster

_log = logging.getLogger(__name__)


class Counted:
    """A transport that knows how many batches each node was sent."""

    def __init__(self, real: Transport) -> None:
        self._real = real
        self.sessions: list[tuple[str, Session]] = []

    def open(self, login: Login) -> Session:
        """The real session, remembered."""
        session = self._real.open(login)
        self.sessions.append((login.node, session))
        return session

    @property
    def round_trips(self) -> dict[str, int]:
        """Node -> requests sent."""
        count: Counter[str] = Counter()
        for node, session in self.sessions:
            count[node] += getattr(session, "round_trips", 0)
        return dict(count)


@dataclass
class Desk:
    """What a verb works with. Made by `desk`."""

    options: Options
    loaded: Loaded
    rig: Rig
    record: Record
    delivery: Delivery
    transport: Counted
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)  # by version, where there are several
    rehearsal: Rehearsal | None = None
    started: float = field(default_factory=time.monotonic)
    _made: dict[str, Machines] = field(default_factory=dict)

    @property
    def elapsed(self) -> float:
        """Seconds since the verb began."""
        return time.monotonic() - self.started

    @property
    def tools(self) -> Tools:
        """What the phases need from outside."""
        spec = self.loaded.spec
        return Tools(
            distribution=registry.distribution(spec.kubernetes.distribution),
            make_key=make_key,
            make_seed=make_seed,
            login_for=lambda node, record: login_for(node, record, spec),
        )

    def machines(self, provider: str) -> Machines:
        """The cluster's machines at a provider; made once."""
        if provider not in self._made:
            self._made[provider] = self._machines(registry.provider(provider))
        return self._made[provider]

    def _machines(self, plugin: Provider) -> Machines:
        if isinstance(plugin, MakesMachines):
            return plugin.machines(self.loaded.spec, self.rig.emit, self.delivery)
        if isinstance(plugin, Cloud):
            return cloud_machines(
                plugin,
                self.loaded.spec,
                root=data_root(self.options),
                state=self.options.state,
                emit=self.rig.emit,
                stop=self.rig.stop,
                record=self.rig.state.load,
                pinned=pinned_images(self.loaded, plugin.name),
            )
        raise InternalError("plugin/no-machines", f"provider {plugin.name} makes no machines", hint="report it to its author")

    def supplied(self, deliveries: Mapping[str, Delivery]) -> None:
        """What there is for nodes, by version; the first is for the version that the cluster runs."""
        self.delivery = next(iter(deliveries.values()), Delivery())
        self.deliveries = deliveries

    def cluster(self, *, as_recorded: bool = False) -> Cluster:
        """The cluster before any phase has run. `as_recorded` = no wish but what the record holds."""
        spec = self.loaded.spec
        wish = Plan(leases=self.record.leases) if as_recorded else plan(spec, self.record)
        return Cluster(
            spec=spec,
            record=self.record,
            plan=wish,
            delivery=self.delivery,
            deliveries=self.deliveries,
            version=version_of(spec, self.record),
        )

    def run(self, phases: Sequence[Phase], cluster: Cluster) -> Cluster:
        """Run phases with this desk's adapters. Raises SlothError or ManyErrors."""
        cluster = run_phases(phases, cluster, self.rig)
        self.record = cluster.record
        return cluster

    def remember_document(self) -> None:
        """Keep the spec in the record, so that verbs work without its file, and the images of machines in sloth.lock."""
        pin_images(self.loaded, self.record)
        if self.record.document != self.loaded.raw:
            self.record = self.rig.state.save(replace(self.record, document=dict(self.loaded.raw)))

    def planned(self) -> list[dict[str, Any]]:
        """The changing steps that a rehearsal found."""
        lines = self.rehearsal.changes if self.rehearsal else []
        return [{"phase": x.phase, "node": x.node, "title": x.title, "predicted": x.predicted} for x in lines]

    def resources(self) -> list[str]:
        """Everything that carries the cluster's tag at the providers in use, in words."""
        names = dict.fromkeys([p.provider for p in self.loaded.spec.pools] + [x.provider for x in self.record.leases])
        dns = [f"DNS record {known.host} ({name})" for name, known in published(self.cluster(as_recorded=True)).items()]
        return [*dns, *(text for name in names for text in self.machines(name).leftovers())]

    def login(self, node: Node) -> Login:
        """How to log in to a node, host keys included."""
        login = login_for(node, self.record, self.loaded.spec)
        return replace(login, host_keys=accepted(self.record.node(node.name)) or login.host_keys)

    def end(self) -> None:
        """Leave nothing at work."""
        for machines in self._made.values():
            if isinstance(machines, Ends):
                machines.end()

    def forget(self) -> None:
        """Remove all that is kept of the cluster, here and beside shared records."""
        if self.options.state:
            forget_engine(self.loaded.spec.name, data_root(self.options), self.options.state)
        self.rig.state.delete()


@contextmanager
def desk(
    options: Options, loaded: Loaded, verb: str, *, rehearse: bool = False, lock: bool = True, quiet: bool = False
) -> Iterator[Desk]:
    """Everything one run needs; lock, connections, views and log are given back at the end. Raises StateError."""
    from sloth.adapters.api_transport import KubeTransport
    from sloth.adapters.backup_place import sweep
    from sloth.adapters.ssh import SshTransport
    from sloth.engine.bus import Bus
    from sloth.engine.journal import Journal
    from sloth.supply import supplies
    from sloth.ui.streams import LogFile

    spec = loaded.spec
    state = state_of(options, spec.name)
    lock = lock and not rehearse
    with ExitStack() as stack:
        folder = data_root(options) / "clusters" / spec.name
        if lock:
            state.lock(verb)
            stack.callback(state.unlock)
        record = state.load() or Record(cluster=spec.name)
        log = LogFile(_log_path(data_root(options) / "logs" / spec.name, verb))
        bus = stack.enter_context(Bus([log, *views(options, quiet=quiet)]))
        transport = Counted(SshTransport())
        rig = Rig(
            transport=transport,
            api=KubeTransport(),
            state=state,
            machines=lambda name: here.machines(name),  # noqa: PLW0108  `here` is made below, of this very rig
            emit=bus.emit,
            stop=Stop(verb),
            verb=verb,
        )
        if lock:
            sweep(folder)
            for text in _news(state, folder / "journal.jsonl"):
                bus.emit(Event(kind="note", title=text))
            journal = Journal(folder / "journal.jsonl")
            stack.callback(journal.close)
            rig = replace(rig, journal=journal)
        here = Desk(options, loaded, rig, record, Delivery(), transport)
        stack.callback(here.end)
        try:
            here.supplied(supplies(loaded, verb, bus.emit, record))
            if rehearse:
                here.rig, here.rehearsal = rehearsing(rig)
            yield here
        except (Exception, KeyboardInterrupt) as error:
            if not isinstance(error, (SlothError, ManyErrors)):
                _log.error("%s ended with %s", verb, type(error).__name__, exc_info=error)
            error.log_path = str(log.path)  # type: ignore[union-attr]
            raise


def _news(state: Kept, journal: Path) -> list[str]:
    """What the user should know of earlier runs: a lock that was taken over, a run that was cut off."""
    from sloth.engine.journal import unfinished

    cut = unfinished(journal)
    return [text for text in (state.note, f"{cut.text()}; going on" if cut else "") if text]


def _log_path(folder: Path, verb: str) -> Path:
    """A new log's path; the oldest logs beyond LOGS_KEPT are deleted."""
    for old in sorted(folder.glob("*.log"))[: -LOGS_KEPT + 1]:
        old.unlink(missing_ok=True)
    return folder / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{verb}.log"


def views(options: Options, *, quiet: bool) -> list[Sink]:
    """Who shows the events on stderr: nobody, JSON lines, a live picture on a terminal, plain lines, or groups in CI."""
    if quiet:
        return []
    if options.log_format == "json":
        from sloth.ui.streams import JsonLines

        return [JsonLines(sys.stderr)]
    if sys.stderr.isatty() and not options.debug:
        from sloth.ui.console import stderr
        from sloth.ui.rich_view import RichView

        return [RichView(stderr(options))]
    from sloth.ui.actions_view import ActionsView, on_actions
    from sloth.ui.streams import PlainView

    if on_actions(sys.stderr):
        return [ActionsView(sys.stderr, debug=options.debug)]
    return [PlainView(sys.stderr, debug=options.debug)]


__all__ = ["Desk", "Emit", "Event", "desk"]
