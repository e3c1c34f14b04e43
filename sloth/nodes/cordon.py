"""Pods again for nodes that sloth had cordoned for a while."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from sloth.model.step import Ask, Do, Result, Script

HELD = "sloth.dev/cordoned"  # annotation: sloth has cordoned the node for a while; the value says for what
# `null` takes a field away (RFC 7386).
_FREE = json.dumps({"metadata": {"annotations": {HELD: None}}, "spec": {"unschedulable": None}})
HELD_PATH = HELD.replace(".", "\\.")  # its key, as kubectl's JSONPath wants it


def release(name: str, kubectl: str) -> Do:
    """The end of `sloth.kube.workloads.draining.hold`: a node without its note stays as it is, somebody else has cordoned it."""
    # Looked at once more right before: a question that failed must not end in an uncordoned node.
    ask = f"held=$({kubectl} get node {name} -o jsonpath='{{.metadata.annotations.{HELD_PATH}}}')"
    return Do(
        title=f"uncordon {name}",
        unless=f'{ask} && [ -z "$held" ]',
        run=f"{ask} && {{ [ -z \"$held\" ] || {kubectl} patch node {name} --type merge -p '{_FREE}' >/dev/null; }}",
        hint=f"sloth nodes uncordon {name}",
    )


def release_all(names: Sequence[str], kubectl: str) -> Script[None]:
    """`release` for many."""
    seen = yield from _look(names, kubectl)
    mine = [name for name in names if seen[name] not in ("", "somebody")]
    if mine:
        listed = " ".join(mine)
        forget = f"{kubectl} annotate nodes {listed} {HELD}- >/dev/null"
        yield Do(title=f"uncordon {few(mine)}", run=f"{kubectl} uncordon {listed} >/dev/null && {forget}", hint="sloth status")


def few(names: Sequence[str]) -> str:
    """Names for a title: all of up to three, else the first and how many more."""
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} more"


def _look(names: Sequence[str], kubectl: str) -> Script[dict[str, str]]:
    """Node -> for what sloth holds it, `somebody` if it is cordoned without a note, or ""."""
    columns = f"NAME:.metadata.name,CORDONED:.spec.unschedulable,BY:.metadata.annotations.{HELD_PATH}"
    what = f"get nodes {' '.join(names)} --no-headers -o custom-columns='{columns}'"
    answer = cast(Result, (yield Ask(title=f"look who cordoned {few(names)}", run=f"{kubectl} {what}")))
    found = dict.fromkeys(names, "")
    for line in answer.out.splitlines():
        name, cordoned, why, *_ = [*line.split(), "<none>", "<none>"]
        found[name] = why if why != "<none>" else "somebody" if cordoned == "true" else ""
    return found
