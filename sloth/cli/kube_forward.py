"""`sloth kube port-forward`: ports of this machine that lead into a pod."""

from __future__ import annotations

import sys
import threading
from typing import Annotated

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import SlothError
from sloth.model.options import Outcome


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "port-forward")
    def port_forward(
        where: Where,
        pod: Annotated[str, typer.Argument(help="POD, or what owns it: deploy/NAME, svc/NAME …")],
        ports: Annotated[list[str], typer.Argument(help="PORT, LOCAL:PORT or :PORT (any free one); PORT may be a name.")],
        *,
        address: Annotated[str, typer.Option("--address", help="Address of this machine to listen on.")] = "127.0.0.1",
    ) -> Outcome:
        """Lead ports of this machine to a pod's, until Ctrl-C."""
        return forward(where, pod, ports, address)


def forward(where: Where, pod: str, ports: list[str], address: str, stop: threading.Event | None = None) -> Outcome:
    """The verb without its command line; `stop` ends it. Raises SlothError."""
    from ipaddress import ip_address

    from sloth.errors import UsageError

    bare = "127.0.0.1" if address == "localhost" else address
    try:
        everywhere = ip_address(bare).is_unspecified
    except ValueError:
        everywhere = True
    if everywhere:
        raise UsageError(
            "kube/bind-all", f"{address} is not one address of this machine",
            hint="whoever reaches the port reaches the pod: give one address, 127.0.0.1 for this machine alone",
        )  # fmt: skip
    stop = stop or threading.Event()
    with where.client() as client, client.forward(pod, *ports, address=bare, failed=_failed) as forwarder:
        try:
            _say(forwarder.ports, forwarder.pod, ports, f"[{bare}]" if ":" in bare else bare)
            stop.wait()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
    return Outcome("")


def _say(local: list[int], pod: str, ports: list[str], address: str) -> None:
    """Where what leads to, a line for each."""
    for here, wanted in zip(local, ports, strict=True):
        sys.stdout.write(f"{address}:{here} -> {pod}:{wanted.rpartition(':')[2]}\n")
    sys.stdout.flush()


def _failed(error: SlothError) -> None:
    """One connection failed; others go on."""
    from sloth.kube.streams.landing import printable

    sys.stderr.write(f"{error.summary}: {printable(error.detail)} ({error.code})\n")
