"""Emptying nodes before their turn and letting pods back in afterwards, with kubectl on a control-plane node.

Disruption budgets are respected: pods are evicted, never deleted. A node that somebody else cordoned stays cordoned.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from shlex import quote
from typing import Any, cast

from sloth.errors import KubernetesError, StepError
from sloth.model.step import Ask, Do, Result, Script
from sloth.upgrade.look import DRAINED

DRAIN_SECONDS = 300  # until a drain that is held up ends in failure
AT_ONCE = 16  # drains side by side
_STATE = "NAME:.metadata.name,CORDONED:.spec.unschedulable,BY:.metadata.annotations.sloth\\.dev/drained-by"
_BUDGETS = (
    '{range .items[?(@.status.disruptionsAllowed==0)]}{.metadata.namespace}/{.metadata.name} allows no disruption{"\\n"}{end}'
)
_FAILED = "sloth-drain-failed"  # begins the line that names a node, after the last lines of what kubectl said


def empty(kubectl: str, names: Sequence[str]) -> Script[None]:
    """Cordon and drain these nodes. Raises KubernetesError `upgrade/drain-blocked` that names what is in the way."""
    cordoned = yield from _state(kubectl, names)
    ours = [name for name in names if cordoned.get(name) != "somebody"]
    mark = " ".join(ours)
    steps: list[Do] = []
    if any(not cordoned.get(name) for name in ours):
        steps.append(
            Do(
                title=f"cordon {_few(ours)}",
                run=f"{kubectl} annotate nodes {mark} --overwrite {DRAINED}=upgrade >/dev/null && "
                f"{kubectl} cordon {mark} >/dev/null",
                hint="sloth status",
            )
        )
    try:
        yield [*steps, _drain(kubectl, names)]
    except StepError as error:
        ask = Ask(
            title="list the budgets that block",
            run=f"{kubectl} get poddisruptionbudgets -A -o jsonpath='{_BUDGETS}'",
            check=False,
        )
        budgets = cast(Result, (yield ask)).out.strip()
        raise blocked(names, budgets, error) from error


def let_in(kubectl: str, names: Sequence[str]) -> Script[None]:
    """Let pods onto these nodes again, those excepted that somebody else had cordoned."""
    cordoned = yield from _state(kubectl, names)
    ours = [name for name in names if cordoned.get(name) == "upgrade"]
    if ours:
        mark = " ".join(ours)
        yield Do(
            title=f"uncordon {_few(ours)}",
            run=f"{kubectl} uncordon {mark} >/dev/null && {kubectl} annotate nodes {mark} {DRAINED}- >/dev/null",
            hint="sloth status",
        )


def _state(kubectl: str, names: Sequence[str]) -> Generator[Any, Any, dict[str, str]]:
    """Node -> who cordoned it: `upgrade`, `somebody`, or "" for nobody."""
    ask = Ask(
        title=f"look who cordoned {_few(names)}",
        run=f"{kubectl} get nodes {' '.join(names)} --no-headers -o custom-columns='{_STATE}'",
    )
    found = {}
    for line in cast(Result, (yield ask)).out.splitlines():
        name, cordoned, drained, *_ = [*line.split(), "<none>", "<none>"]
        marked = drained not in ("<none>", "")
        found[name] = "upgrade" if marked else "somebody" if cordoned == "true" else ""
    return found


def _drain(kubectl: str, names: Sequence[str]) -> Do:
    flags = f"--ignore-daemonsets --delete-emptydir-data --timeout={DRAIN_SECONDS}s"
    failed = f'printf "%s\\n" "$out" | tail -n 8 >&2; echo "{_FAILED} $1" >&2; exit 1'
    each = f'out=$({kubectl} drain "$1" {flags} 2>&1) || {{ {failed}; }}'
    return Do(
        title=f"drain {_few(names)}",
        run=f"printf '%s\\n' {' '.join(names)} | xargs -P {AT_ONCE} -n 1 sh -c {quote(each)} drain",
        timeout=DRAIN_SECONDS * (1 + len(names) // AT_ONCE) + 30.0,
        hint=f"kubectl get pods -A --field-selector spec.nodeName={names[0]}",
    )


def blocked(names: Sequence[str], budgets: str, error: StepError) -> KubernetesError:
    """The error for a drain that did not come to its end: by the budgets that hold it up, or by what kubectl said."""
    failed = [line.split()[1] for line in error.detail.splitlines() if line.startswith(_FAILED)] or list(names)
    if budgets and "disruption budget" in error.detail:
        first = budgets.split(maxsplit=1)[0]
        namespace, _, budget = first.partition("/")
        return KubernetesError(
            "upgrade/drain-blocked",
            f"{', '.join(failed)} cannot be drained: disruption budget {first} allows no pod to go",
            detail=f"{budgets}\n{error.detail}",
            where=failed[0],
            hint=f"kubectl -n {namespace} describe poddisruptionbudget {budget}; then sloth upgrade apply --resume",
        )
    return KubernetesError(
        "upgrade/drain-failed",
        f"{', '.join(failed)} cannot be drained; cordoned as before the next try",
        detail=error.detail,
        where=failed[0],
        hint=f"kubectl get pods -A --field-selector spec.nodeName={failed[0]}; then sloth upgrade apply --resume",
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} more"
