"""`sloth nodes cordon|uncordon|drain|reboot`: work on single nodes through a control-plane node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.nodes_change import Names
from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.flows.up import Tools
    from sloth.model.phase import Phase

Timeout = Annotated[
    str,
    typer.Option(
        "--timeout", help="How long the drain of one node may take: 90s, 1h. Default: as its pool says, 5m.", show_default=False
    ),
]
Force = Annotated[
    list[str] | None,
    typer.Option(
        "--force-budget",
        metavar="NAMESPACE/NAME",
        help="Delete this disruption budget's pods on the node although it allows none to go; repeat.",
        show_default=False,
    ),
]
Outage = Annotated[bool, typer.Option("--accept-outage", help="Go on although etcd loses its majority while the node is down.")]


@dataclass(frozen=True)
class Work:
    """What a verb does with which nodes, and in what words its end is told."""

    verb: str
    names: Sequence[str]
    phases: Callable[[Tools], list[Phase]]
    done: str


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @verb(group, "cordon")
    def cordon(options: Options, names: Names) -> Outcome:
        """Have no new pods put on these nodes."""
        from sloth.flows import nodes

        return work(options, Work("cordon", names, lambda tools: nodes.cordon(tools, names), "cordoned"))

    @verb(group, "uncordon")
    def uncordon(options: Options, names: Names) -> Outcome:
        """Have pods put on these nodes again."""
        from sloth.flows import nodes

        return work(options, Work("uncordon", names, lambda tools: nodes.uncordon(tools, names), "uncordoned"))

    @verb(group, "drain")
    def drain(options: Options, names: Names, *, timeout: Timeout = "", force_budget: Force = None) -> Outcome:
        """Empty these nodes, one after the other, as disruption budgets allow; they stay cordoned."""
        from sloth.flows import nodes

        seconds, force = duration(timeout), tuple(force_budget or ())
        return work(options, Work("drain", names, lambda x: nodes.drain(x, names, seconds=seconds, force=force), "drained"))

    @verb(group, "reboot")
    def reboot(
        options: Options, names: Names, *, timeout: Timeout = "", force_budget: Force = None, accept_outage: Outage = False
    ) -> Outcome:
        """Reboot these nodes, one at a time: drained before, Ready again and uncordoned before the next one."""
        from sloth.flows import nodes

        seconds, force = duration(timeout), tuple(force_budget or ())

        def phases(tools: Tools) -> list[Phase]:
            return nodes.reboot(tools, names, seconds=seconds, force=force, accept_outage=accept_outage)

        return work(options, Work("reboot", names, phases, "rebooted"))


def work(options: Options, what: Work) -> Outcome:
    """Any of the verbs without its command line. Raises SlothError."""
    from sloth.app import known_spec
    from sloth.desk import desk

    with desk(options, known_spec(options), f"nodes-{what.verb}") as here:
        here.rig.stop.verb = f"nodes {what.verb} {' '.join(what.names)}"
        cluster = here.run(what.phases(here.tools), here.cluster(as_recorded=True))
        names = list(dict.fromkeys(what.names))
        data = {
            "cluster": cluster.spec.name,
            "verb": what.verb,
            "nodes": names,
            "round_trips": here.transport.round_trips,
            "seconds": round(here.elapsed, 1),
        }
    return Outcome("NodesWork", data=data, text=f"{what.done}: {', '.join(names)}")


def duration(text: str) -> float:
    """Seconds of a duration such as `90s` or `5m`; 0 if none is given. Raises UsageError."""
    from sloth.upgrade.batches import seconds

    try:
        return float(seconds(text)) if text else 0.0
    except ValueError:
        raise UsageError("usage/duration", f"`{text}` is no duration", hint="--timeout 90s, or 5m, or 1h30m") from None
