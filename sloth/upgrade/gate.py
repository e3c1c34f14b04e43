"""The health gate after each step, as steps that wait on a control-plane node: one round trip, however long it takes.

First what was upgraded must be well itself; then, when it takes pods again, the share of failing workloads must not be higher
than it was before the upgrade began.
"""

from __future__ import annotations

from collections.abc import Sequence

from sloth.model.step import Wait
from sloth.upgrade.look import SYSTEM, WORKLOADS

PATIENCE = 300.0  # seconds for nodes and system pods
CALM = 300.0  # seconds for workloads to come back
_NODE = 'NAME:.metadata.name,VERSION:.status.nodeInfo.kubeletVersion,READY:.status.conditions[?(@.type=="Ready")].status'
_POD = "NODE:.spec.nodeName,NAME:.metadata.name,PHASE:.status.phase,READY:.status.containerStatuses[*].ready"
_LOAD = (
    "KIND:.kind,SPACE:.metadata.namespace,NAME:.metadata.name,WANT:.spec.replicas,READY:.status.readyReplicas,"
    "DWANT:.status.desiredNumberScheduled,DREADY:.status.numberReady"
)
# Rows of pods that are not as they should be; those of finished jobs are.
_BAD_POD = '$3 != "Succeeded" && ($3 != "Running" || $4 !~ /^(true,)*true$/)'
# What a workload wants ($4 or $6) and has ($5 or $7); kubectl writes <none> for a field that is not there.
_COUNT = '{want = ($4 == "<none>" ? $6 : $4) + 0; ready = ($5 == "<none>" ? $7 : $5) + 0}'


def nodes_are_well(kubectl: str, names: Sequence[str], version: str, etcd: str = "") -> Wait:
    """Each of these nodes is Ready with a kubelet of that version, and its system pods run; etcd is healthy.

    `etcd`: shell text that succeeds when every member is; "" where there is none to ask.
    """
    listed = " ".join(names)
    nodes = f"{kubectl} get nodes {listed} --no-headers -o custom-columns='{_NODE}'"
    fine = f'[ "$({nodes} | awk \'$2 == "{version}" && $3 == "True"\' | wc -l)" = {len(names)} ]'
    pods = f"{kubectl} get pods -n {SYSTEM} --no-headers -o custom-columns='{_POD}'"
    # Keys of `on` are the nodes in question: pods elsewhere are none of this step's business.
    ours = f'BEGIN {{split("{listed}", names, " "); for (i in names) on[names[i]]}} $1 in on'
    ill = f"{pods} | awk '{ours} && {_BAD_POD}'"
    quiet = f"{{ pods=$({pods}) && [ -z \"$(printf '%s\\n' \"$pods\" | awk '{ours} && {_BAD_POD}')\" ]; }}"
    return Wait(
        title=f"wait until {_names(names)} run{'s' if len(names) == 1 else ''} {version} and {_are(names)} well",
        until=" && ".join(filter(None, (fine, quiet, etcd))),
        timeout=PATIENCE,
        every=0.5,
        diagnose=f"{nodes}; {ill}{f'; {etcd} || echo etcd is not healthy' if etcd else ''}",
        hint="sloth status",
    )


def workloads_are_well(kubectl: str, failing: int, total: int) -> Wait:
    """The share of workloads with too few ready pods is at most `failing` of `total`. System workloads are not counted."""
    listing = f"{kubectl} get {WORKLOADS} -A --no-headers -o custom-columns='{_LOAD}' 2>/dev/null"
    count = f'$2 != "{SYSTEM}" {_COUNT} $2 != "{SYSTEM}" {{total++; if (ready < want) failing++}}'
    until = f"{listing} | awk '{count} END {{exit !(failing * {max(total, 1)} <= {failing} * total)}}'"
    show = (
        f'$2 != "{SYSTEM}" {_COUNT} $2 != "{SYSTEM}" && ready < want {{print $1, $2 "/" $3 ": " ready " of " want " pods ready"}}'
    )
    return Wait(
        title="wait until no more workloads fail than before",
        until=until,
        timeout=CALM,
        every=0.5,
        diagnose=f"{listing} | awk '{show}'; echo 'before the upgrade: {failing} of {total} workloads'",
        hint="kubectl get pods -A -o wide shows what is not running, and where",
    )


def pause(seconds: int) -> list[Wait]:
    """Let time pass, in pieces short enough that Ctrl-C is heeded soon."""
    pieces = [min(5, seconds - start) for start in range(0, seconds, 5)]
    return [
        Wait(title=f"pause ({sum(pieces[: n + 1])} of {seconds} s)", until=f"sleep {piece}", timeout=30.0)
        for n, piece in enumerate(pieces)
    ]


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} nodes"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
