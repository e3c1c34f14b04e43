"""Kubernetes versions: which may follow which, and which may run beside which.

Source of the rules: Kubernetes documentation, "Version Skew Policy" (control planes differ by one minor at most, a kubelet is
never newer than an API server and at most three minors older, kube-proxy likewise) and kubernetes/kubernetes,
cmd/kubeadm/app/phases/upgrade/policy.go (kubeadm goes up one minor at a time, never down).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sloth.errors import UsageError

KUBELET_SKEW = 3  # minors that a kubelet may be older than an API server
# `v1.36.3`, and what distributions add to it: `v1.36.3+k3s1`, `v1.36.3+rke2r1`
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:\+[a-z0-9]*?(\d+))?\Z")
_ONE_AT_A_TIME = "upgrade one minor at a time: sloth upgrade apply --to "


def parse(version: str) -> tuple[int, int, int, int]:
    """Major, minor, patch, and a distribution's own number behind a `+`. Raises ValueError for what is no exact version."""
    found = _VERSION.match(version)
    if not found:
        raise ValueError(f"{version!r} is no exact version")
    major, minor, patch, own = found.groups()
    return int(major), int(minor), int(patch), int(own or 0)


def minor(version: str) -> tuple[int, int]:
    """`(1, 36)` of `v1.36.3`. Raises ValueError."""
    return parse(version)[:2]


def minor_text(version: str) -> str:
    """`1.36` of `v1.36.3`. Raises ValueError."""
    return "{}.{}".format(*minor(version))


def allows(asked: str, version: str) -> bool:
    """Whether what somebody asked for, a minor (`1.36`) or an exact version (with or without `v`), means this exact version."""
    wanted = "v" + asked.removeprefix("v")
    return version == wanted or version.startswith((f"{wanted}.", f"{wanted}+"))


def newest_first(versions: Iterable[str]) -> list[str]:
    """Sorted, each once. Raises ValueError."""
    return sorted(set(versions), key=parse, reverse=True)


def reachable(running: str, known: Iterable[str]) -> list[str]:
    """The known versions to which a cluster may go in one step, newest first: later patches, and the next minor's."""
    return [version for version in newest_first(known) if version != running and not step_problem(running, version)]


def step_problem(running: str, target: str) -> str:
    """Why a cluster may not go from one version to the other in one step, in words; "" if it may."""
    now, then = parse(running), parse(target)
    if then < now:
        return f"{target} is older than {running}, which the cluster runs: a downgrade is not possible"
    if then[0] != now[0] or then[1] > now[1] + 1:
        return f"{target} skips a minor version: {running} can only go to {now[0]}.{now[1]} or {now[0]}.{now[1] + 1}"
    return ""


def check_step(running: str, target: str, known: Sequence[str]) -> None:
    """Raises UsageError `upgrade/downgrade` or `upgrade/skipped-minor` for a step that is not possible."""
    problem = step_problem(running, target)
    if not problem:
        return
    if parse(target) < parse(running):
        raise UsageError(
            "upgrade/downgrade",
            problem,
            detail="etcd's data and the API's stored objects may already be in a form that the older version cannot read",
            hint=f'set spec.kubernetes.version to "{minor_text(running)}"',
        )
    between = [version for version in reachable(running, known) if minor(version) != minor(running)]
    raise UsageError(
        "upgrade/skipped-minor",
        problem,
        detail=f"known and reachable in one step: {', '.join(reachable(running, known)) or 'none'}",
        hint=f"{_ONE_AT_A_TIME}{minor_text(between[0])}" if between else "a later sloth may know the version in between",
    )


def skew_problems(servers: Iterable[str], kubelets: Iterable[str], target: str) -> list[str]:
    """What the target would make of the versions that run now, in words: API servers and kubelets that would not go together.

    `servers` and `kubelets` are exact versions as they run now. Empty if an upgrade to `target` may begin.
    """
    found = []
    for server in newest_first(servers):
        if abs(minor(target)[1] - minor(server)[1]) > 1:
            found.append(f"an API server runs {server}: beside {target} it may be one minor older at most")
    for kubelet in newest_first(kubelets):
        if minor(target)[1] - minor(kubelet)[1] > KUBELET_SKEW:
            found.append(f"a kubelet runs {kubelet}: with {target} it may be {KUBELET_SKEW} minors older at most")
        if parse(kubelet) > parse(target):
            found.append(f"a kubelet runs {kubelet}, which is newer than {target}")
    return found


def join_version(role: str, servers: Sequence[str]) -> str:
    """The version at which a new node joins while control planes differ: the newest as a control plane, the oldest as a worker.

    A control-plane node starts what the cluster's stored configuration says, which is the newest once one control plane has
    it; a worker's kubelet must not be newer than any API server it may reach. Raises ValueError without any server.
    """
    ordered = newest_first(servers)
    if not ordered:
        raise ValueError("no control plane runs")
    return ordered[0] if role == "control-plane" else ordered[-1]
