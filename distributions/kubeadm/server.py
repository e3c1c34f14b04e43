"""The first control-plane node: `kubeadm init`, resumable at every point."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from sloth.api import CONTROL_PLANE_PORTS, WHY, Ask, Cluster, Do, Node, Put, Result, Script, Step, Wait, listeners, taken_port

from . import encryption
from .config import init_text
from .layout import CONFIG, MEMBER, OWN_API_ANSWERS, QUICK
from .reset import reset

# What `kubeadm init` does after the API server answers. Each is safe to repeat.
_LAST_PHASES = ("upload-config all", "mark-control-plane", "bootstrap-token", "kubelet-finalize all", "addon kube-proxy")


def look() -> Ask:
    """How far this node is: `member`, `answers` (its API server does), `left` (something is there), `port N NAME`."""
    return Ask(
        title="look how far the node is",
        run=f"test -s {MEMBER} && echo member; {OWN_API_ANSWERS} && echo answers; "
        "ls -d /etc/kubernetes/manifests/*.yaml /etc/kubernetes/pki /etc/kubernetes/*.conf /var/lib/etcd/member "
        "/var/lib/kubelet/config.yaml 2>/dev/null | grep -q . && echo left; "
        f"{listeners(CONTROL_PLANE_PORTS)}",
        check=False,
        expected="",
    )


def first_server(node: Node, cluster: Cluster) -> Script[None]:
    """Start the cluster here. A finished node is left alone, an answering one is finished, a half-made one is made anew."""
    seen = cast(Result, (yield look())).out.splitlines()
    config = Put(path=CONFIG, content=init_text(node, cluster), mode=0o600)
    if "member" in seen:
        yield [_revive()]
    elif "answers" in seen:
        yield [config, *[_phase(phase) for phase in _LAST_PHASES], _dns(), _done()]
    else:
        error = None if "left" in seen else taken_port(node, seen)
        if error:
            raise error
        # Nothing of value can be lost: no node but this one was ever a member, and its API never answered.
        before: list[Step] = [reset(node, cluster)] if "left" in seen else []
        yield [*before, config, *encryption.files(cluster), _init(), _done()]


def _init() -> Do:
    return Do(
        title="kubeadm init",
        run=f"kubeadm init --config {CONFIG} --skip-token-print --skip-certificate-key-print || {{ {WHY} >&2; false; }}",
        timeout=420.0,
        hint="sloth up resumes; the node's own words: journalctl -u kubelet -n 100",
    )


def _phase(name: str) -> Do:
    return Do(title=f"kubeadm init phase {name}", run=f"kubeadm init phase {name} --config {CONFIG} >/dev/null")


def _dns() -> Do:
    # A second time kubeadm would migrate it, which it cannot from a version newer than its own (built from source).
    step = _phase("addon coredns")
    return replace(step, unless=f"kubectl get deployment coredns -n kube-system {QUICK} >/dev/null 2>&1")


def _done() -> Do:
    return member("first")


def member(how: str) -> Do:
    """Note that this node is a member for good: from now on it is never reset by a join or an init."""
    return Do(
        title="note the membership",
        unless=f"[ -s {MEMBER} ]",
        run=f"mkdir -p {MEMBER.rpartition('/')[0]} && echo {how} >{MEMBER}.new && sync {MEMBER}.new && mv {MEMBER}.new {MEMBER}",
    )


def _revive() -> Step:
    return Wait(
        title="wait for the API server of this node",
        until=f"systemctl is-active -q kubelet || systemctl start kubelet; {OWN_API_ANSWERS}",
        timeout=120.0,
        diagnose=WHY,
        hint="journalctl -u kubelet -n 100 on the node says why the API server does not come up",
    )
