"""Emptying a node: evictions, which respect disruption budgets, and what to say when they do not come to their end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from shlex import quote
from typing import cast

from sloth.errors import KubernetesError, StepError, UsageError
from sloth.model.cluster import Cluster
from sloth.model.step import Do, Result, Script
from sloth.nodes.api import PATIENT, alive, ask_alive, wait_api, wait_led
from sloth.nodes.budgets import Budget, Pod, ask_budgets, ask_pods, blocking, described, read_budgets, read_pods
from sloth.nodes.cordon import cordon, few

SECONDS = 300.0  # that a drain may take where the spec does not know the node's pool any more
_PODS = 50  # in one command
_NODES = 16  # drained side by side
_FAILED = "sloth-drain-failed"  # begins the line that names a node, after the last lines of what kubectl said of it


def drain(name: str, kubectl: str, *, lives: bool = True, seconds: float = SECONDS, force: Collection[str] = ()) -> Script[None]:
    """Cordon node `name` and evict its pods. Runs on a control-plane node; run again, it goes on where it ended.

    A node that does not live (`lives`) never confirms that its pods ended, so nobody waits for that. `force`: budgets by full
    name (`shop/web`) whose pods on this node are deleted although the budget allows none to go. Raises KubernetesError that
    names the budgets in the way, and UsageError for a forced budget that is not there.
    """
    if force:
        yield from _override(name, kubectl, force)
    yield from _evict({name: seconds}, kubectl, lives=lives)


def drain_all(seconds: Mapping[str, float], kubectl: str, *, then: str = "") -> Script[None]:
    """Drain living nodes side by side; `seconds`: node -> how long it may take. One command, whatever their number.

    `then` = what to type when the cause is gone. Raises KubernetesError as `drain` does, for the first that did not end.
    """
    yield from _evict(seconds, kubectl, then=then)


def _evict(seconds: Mapping[str, float], kubectl: str, *, lives: bool = True, then: str = "") -> Script[None]:
    try:
        yield [wait_led(kubectl), _step(seconds, kubectl, lives=lives)]
    except StepError as error:
        failed = [name for line in error.detail.splitlines() for mark, _, name in [line.partition(" ")] if mark == _FAILED]
        failed = failed or list(seconds)[:1]
        pods, budgets = yield from _look(failed[0], kubectl)
        raise undrained(failed, pods, budgets, error, then=then) from error


def _step(seconds: Mapping[str, float], kubectl: str, *, lives: bool) -> Do:
    dead = "" if lives else " --skip-wait-for-delete-timeout=1 --grace-period=0 --force"
    names = list(seconds)

    def command(name: str, limit: str) -> str:
        return f"{kubectl} drain {name} {PATIENT} --ignore-daemonsets --delete-emptydir-data --timeout={limit}s{dead}"

    run = command(names[0], f"{seconds[names[0]]:.0f}")
    if len(names) > 1:
        pairs = " ".join(f"{name} {limit:.0f}" for name, limit in seconds.items())
        failed = f'printf "%s\\n" "$out" | tail -n 8 >&2; echo "{_FAILED} $1" >&2; exit 1'
        one = command('"$1"', "$2")
        each = f"out=$({one} 2>&1) || {{ {failed}; }}"
        run = f"printf '%s\\n' {pairs} | xargs -P {_NODES} -n 2 sh -c {quote(each)} drain"
    return Do(
        title=f"drain {few(names)}",
        run=run,
        timeout=max(seconds.values()) * (1 + (len(names) - 1) // _NODES) + 30.0,
        hint=f"kubectl get pods -A --field-selector spec.nodeName={names[0]}",
    )


def limit(name: str, cluster: Cluster) -> float:
    """Seconds that the drain of that node may take, as its pool says."""
    leases = (*cluster.plan.leases, *cluster.plan.remove, *cluster.record.leases)
    pools = {lease.pool for lease in leases if lease.name == name}
    return next((pool.drain_timeout for pool in cluster.spec.pools if pool.name in pools), SECONDS)


def drain_seen(name: str, cluster: Cluster, kubectl: str, *, seconds: float = 0.0, force: Collection[str] = ()) -> Script[None]:
    """The same for a node of which it is not known whether it lives. Raises KubernetesError also if there is no such node.

    `seconds`: 0 = as the node's pool says. Unlike one that leaves for good, a node that is not Ready and whose kubelet answers is
    not given up: its pods may still run.
    """
    results = cast(list[Result], (yield [wait_api(kubectl), *ask_alive(name, cluster, kubectl)]))
    lives = alive(results[1:], ready=False)
    if lives is None:
        raise unknown(name)
    yield from drain(name, kubectl, lives=lives, seconds=seconds or limit(name, cluster), force=force)


def unknown(name: str) -> KubernetesError:
    """The failure for a node that is in the record, and not in Kubernetes."""
    return KubernetesError(
        "node/not-joined",
        f"Kubernetes does not know {name}: it has not joined, or was deleted by hand",
        where=name,
        hint="sloth up",
    )


def _look(name: str, kubectl: str) -> Script[tuple[list[Pod], list[Budget]]]:
    pods, budgets = cast(list[Result], (yield [ask_pods(name, kubectl), ask_budgets(kubectl)]))
    return read_pods(pods.out), read_budgets(budgets.out)


def _override(name: str, kubectl: str, force: Collection[str]) -> Script[None]:
    yield cordon(name, kubectl)
    pods, budgets = yield from _look(name, kubectl)
    missing = [each for each in force if each not in {budget.full_name for budget in budgets}]
    if missing:
        raise UsageError(
            "usage/unknown-budget",
            f"there is no disruption budget {', '.join(missing)}",
            detail=f"budgets: {', '.join(budget.full_name for budget in budgets) or 'none'}",
            hint="kubectl get poddisruptionbudgets -A",
        )
    held = [(budget, mine) for budget, mine in blocking(pods, budgets) if budget.full_name in force]
    for budget, mine in held:
        for first in range(0, len(mine), _PODS):
            names = " ".join(pod.name for pod in mine[first : first + _PODS])
            yield Do(
                title=f"delete pods on {name} against budget {budget.full_name}",
                run=f"{kubectl} -n {budget.namespace} delete pods {names} --ignore-not-found --wait=false >/dev/null",
                hint="sloth status",
            )


def undrained(
    names: Sequence[str], pods: Sequence[Pod], budgets: Sequence[Budget], error: StepError, *, then: str = ""
) -> KubernetesError:
    """The failure of a drain: by the budgets that hold it up, by pods that nothing would make anew, or by what kubectl said.

    `pods` are those of the first node; `then` = what to type when the cause is gone.
    """
    name, others = names[0], [f"not drained either: {', '.join(names[1:])}"] if names[1:] else []
    stay = "; it stays cordoned" if not others else f" (nor {few(names[1:])}); they stay cordoned"
    after = f"; then {then}" if then else ""
    held = blocking(pods, budgets)
    if held:
        first, mine = held[0]
        owners = ", ".join(dict.fromkeys(pod.owner or pod.name for pod in mine))
        more = f" (and {len(held) - 1} more budgets)" if len(held) > 1 else ""
        forced = " ".join(f"--force-budget {budget.full_name}" for budget, _ in held)
        return KubernetesError(
            "node/drain-blocked",
            f"{name} cannot be drained: disruption budget {first.full_name} lets no pod of {owners} go{more}{stay}",
            detail="\n".join([*(described(budget, pods) for budget, pods in held), *others, error.detail]),
            where=name,
            hint=f"run more replicas elsewhere, or give the budget up for this once: sloth nodes drain {name} {forced}{after}",
        )
    alone = [pod for pod in pods if not pod.owner and not pod.ended]
    if alone:
        return KubernetesError(
            "node/drain-unmanaged",
            f"{name} cannot be drained: nothing would make {alone[0].full_name} anew{stay}",
            detail="\n".join([*(f"{pod.full_name} has no controller" for pod in alone), *others, error.detail]),
            where=name,
            hint=f"if it may go: kubectl -n {alone[0].namespace} delete pod {alone[0].name}{after}",
        )
    return KubernetesError(
        "node/drain-failed",
        f"{name} cannot be drained{stay}",
        detail="\n".join([*others, error.detail]),
        where=name,
        hint=f"kubectl get pods -A --field-selector spec.nodeName={name}{after}",
    )
