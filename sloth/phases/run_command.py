"""Phase: run one command on many nodes, and keep what each of them said."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import cast

from sloth.errors import InternalError, SlothError
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Do, Result, Script

_END = re.compile(r"\n?sloth-exit (\d+)\Z")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What came of the command on one node."""

    node: str
    exit: int  # of the command; of the failure if it could not be run
    out: str = ""
    err: str = ""
    error: SlothError | None = None  # it could not be run, or did not end in time


@dataclass
class RunCommand:
    """`said` is filled by the run, in the order of the nodes. A command that fails is an answer, no failure."""

    choose: Callable[[Cluster], Sequence[Node]]  # which of the cluster's nodes; may refuse
    command: str  # shell text
    seconds: float = 300.0
    width: int = 64  # nodes at once
    said: list[Said] = field(default_factory=list)
    title: str = "Run a command"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One round trip to each node, side by side."""
        scripts = {node.name: self._script() for node in self.choose(cluster)}
        answers = yield Each(title=self.title, scripts=scripts, width=self.width, gather=True)
        self.said = [_said(name, answer) for name, answer in answers.items()]
        return cluster

    def _script(self) -> Script[Result]:
        # In a shell of its own, so that `exit` and a syntax error are its own; its status is told in place of this step's.
        run = f"(eval {quote(self.command)})\ncode=$?\nprintf '\\nsloth-exit %s\\n' $code"
        return cast(Result, (yield Do(title="run a command", run=run, timeout=self.seconds)))


def _said(name: str, answer: Result | Exception) -> Said:
    """Raises what is no failure of the node."""
    if isinstance(answer, Result):
        end = _END.search(answer.out)
        if end is None:
            raise InternalError(
                "engine/results-missing", f"{name} did not tell how the command ended", hint="sloth nodes exec --debug"
            )
        return Said(node=name, exit=int(end[1]), out=answer.out[: end.start()].rstrip("\n"), err=answer.err)
    if isinstance(answer, SlothError):
        return Said(node=name, exit=answer.exit, error=answer)
    raise answer
