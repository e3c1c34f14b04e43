"""Phase: control-plane nodes make backups by themselves, as the spec says, or not at all; and what their timers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from sloth.backup.scripts import CURL, RUN, SEND, UNIT, service, timer
from sloth.contracts.distribution import Distribution
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Script, Step
from sloth.phases.backup_create import files

_UNITS = "/etc/systemd/system"
# The times of a timer are printed as dates, empty or `n/a` where there is none (systemctl(1), show).
_WHEN = (
    f'when() {{ t=$(systemctl show -p "$1" --value {UNIT}.timer 2>/dev/null); '
    'case $t in ""|n/a) echo 0 ;; *) date -d "$t" +%s ;; esac; }'
    "; echo last $(when LastTriggerUSec); echo next $(when NextElapseUSecRealtime)"
)


@dataclass(frozen=True)
class Sending:
    """How a node brings a backup to its place."""

    program: str
    curl: Secret | None = None  # configuration of curl with the credentials; none for a folder


@dataclass(frozen=True)
class Schedule:
    """The timer is on every control-plane node; whoever leads etcd makes the backup, the others skip it."""

    distribution: Distribution
    on_calendar: str = ""  # empty = no schedule
    sending: Sending | None = None
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)  # node -> what its timer says
    title: str = "Schedule backups"

    def run(self, cluster: Cluster) -> PhaseRun:
        """All control-plane nodes side by side."""
        scripts = {node.name: self._script(node, cluster) for node in cluster.control_plane}
        self.seen.update((yield Each(title=self.title, scripts=scripts)))
        return cluster

    def _script(self, node: Node, cluster: Cluster) -> Script[dict[str, Any]]:
        steps = self._on(node, cluster, self.sending) if self.on_calendar and self.sending else [withdrawn()]
        results = cast(list[Result], (yield [*steps, *_questions()]))
        return read_timer(results[-1].out)

    def _on(self, node: Node, cluster: Cluster, sending: Sending) -> list[Step]:
        curl: list[Step] = [Put(path=CURL, content=sending.curl, mode=0o600)] if sending.curl else []
        return [
            *files(node, cluster, self.distribution),
            *curl,
            Put(path=SEND, content=sending.program, mode=0o700),
            Put(path=f"{_UNITS}/{UNIT}.service", content=service(), then="systemctl daemon-reload"),
            Put(path=f"{_UNITS}/{UNIT}.timer", content=timer(self.on_calendar), then=_RESTART),
            Do(
                title="start the timer",
                unless=f"systemctl is-active -q {UNIT}.timer",
                run=f"systemctl enable -q --now {UNIT}.timer",
            ),
        ]


_RESTART = f"systemctl daemon-reload && systemctl enable -q {UNIT}.timer && systemctl restart {UNIT}.timer"


def withdrawn() -> Do:
    """No timer, no way to the place, no credentials of it. Where there are none, nothing is changed."""
    units = f"{_UNITS}/{UNIT}.timer {_UNITS}/{UNIT}.service"
    return Do(
        title="take the schedule away",
        unless=f"! ls {units} {SEND} {CURL} 2>/dev/null | grep -q .",
        run=f"systemctl disable -q --now {UNIT}.timer 2>/dev/null; rm -f {units} {SEND} {CURL} && systemctl daemon-reload",
    )


def _questions() -> list[Step]:
    text = (
        f"echo active $(systemctl is-active {UNIT}.timer); {_WHEN}; "
        f"echo result $(systemctl show -p Result --value {UNIT}.service 2>/dev/null); echo sent $(cat {RUN}/sent 2>/dev/null); "
        f"journalctl -u {UNIT}.service -n 1 -o cat --no-pager 2>/dev/null | sed 's/^/said /'"
    )
    return [Ask(title="ask the timer", run=text, check=False)]


def read_timer(text: str) -> dict[str, Any]:
    """What a node's timer says: `active`, `last` and `next` (Unix seconds, 0 = never), `result`, `sent` (name), `said`."""
    words = {line.partition(" ")[0]: line.partition(" ")[2].strip() for line in text.splitlines()}
    sent = words.get("sent", "").split()
    return {
        "active": words.get("active") == "active",
        "last": _number(words.get("last", "")),
        "next": _number(words.get("next", "")),
        "result": words.get("result", "") or "unknown",
        "sent": sent[1] if len(sent) == 2 else "",
        "said": words.get("said", ""),
    }


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
