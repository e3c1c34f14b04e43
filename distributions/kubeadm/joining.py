"""Joining further nodes: what they need from a member, and `kubeadm join`, resumable at every point."""

from __future__ import annotations

import re
from typing import cast

from sloth.api import WHY, Ask, Cluster, Do, JoinInfo, KubernetesError, Node, Put, Result, Script, Secret, Step, Wait, taken_port

from . import encryption
from .config import init_text, join_text
from .layout import API_ANSWERS, CONFIG, JOIN_CONFIG, OWN_API_ANSWERS, QUICK
from .reset import reset
from .server import look, member

_JOIN_COMMAND = re.compile(r"--token\s+(\S+)\s.*--discovery-token-ca-cert-hash\s+(\S+)")
_CERTIFICATE_KEY = re.compile(r"^([0-9a-f]{64})$", re.M)
_END_NUDGE = '[ -z "$nudge" ] || kill $nudge 2>/dev/null; '
_AS_KUBELET = "--kubeconfig /etc/kubernetes/kubelet.conf --cache-dir /run/sloth/kubectl --request-timeout=3s"


def join_info(node: Node, cluster: Cluster) -> Script[JoinInfo]:
    """A token of half an hour, the CA's hash and, while control-plane nodes are missing, the key to the shared certificates."""
    # The token is good for joining once a controller has signed the cluster's address with it; a node that asks earlier
    # waits for five seconds before it asks again.
    newest = "kubectl get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o name"
    newest += f" --sort-by=.metadata.creationTimestamp {QUICK} | tail -n 1 | sed 's/.*bootstrap-token-//'"
    signed = f"kubectl get configmap cluster-info -n kube-public -o jsonpath='{{.data}}' {QUICK}"
    more_servers = any(cluster.fact(other.name).get("kube.state") != "joined" for other in cluster.control_plane)
    steps: list[Step] = [
        Wait(title="wait for the Kubernetes API", until=API_ANSWERS, diagnose=WHY, hint="sloth status"),
        Do(
            title="make a join token",
            run="kubeadm token create --ttl 30m --description 'made by sloth' --print-join-command",
            secret=True,
            expected="kubeadm join --token predicted.token0000000000 --discovery-token-ca-cert-hash sha256:predicted",
            hint="sloth status",
        ),
        Wait(
            title="wait until the join token is signed",
            until=f'{signed} | grep -qF "jws-kubeconfig-$({newest})"',
            timeout=60.0,
            every=0.3,
            diagnose=WHY,
            hint="sloth status",
        ),
    ]
    if more_servers:
        # The uploaded ClusterConfiguration carries the names for certificates: those of the nodes about to join as well.
        steps += [
            Put(path=CONFIG, content=init_text(node, cluster), mode=0o600),
            Do(
                title="share the cluster's certificates",
                run=f"kubeadm init phase upload-config kubeadm --config {CONFIG} >/dev/null && "
                f"kubeadm init phase upload-certs --upload-certs --config {CONFIG}",
                secret=True,
                expected="0" * 64,
                hint="sloth status",
            ),
        ]
    results = cast(list[Result], (yield steps))
    return _read(node, results[1].out, results[4].out if more_servers else "")


def revoke() -> Script[None]:
    """Delete every bootstrap token, and the Secret in which control planes share certificates while one joins."""
    kind = "-n kube-system --field-selector type=bootstrap.kubernetes.io/token"
    yield Do(
        title="revoke join tokens",
        run=f"kubectl delete secrets {kind} {QUICK} >/dev/null && "
        f"kubectl delete secret kubeadm-certs -n kube-system --ignore-not-found {QUICK} >/dev/null",
        hint="kubeadm token list on a control-plane node",
    )


def _read(node: Node, command: str, certificates: str) -> JoinInfo:
    found = _JOIN_COMMAND.search(command)
    key = _CERTIFICATE_KEY.search(certificates)
    if not found or (certificates and not key):
        raise KubernetesError(
            "kubeadm/no-join-token",
            f"kubeadm on {node.name} gave no usable join token",
            where=node.name,
            hint=f"sloth ssh {node.name} -- kubeadm token list",
        )
    return JoinInfo(token=Secret(found[1]), ca_hash=found[2], certificate_key=Secret(key[1]) if key else None)


def join(node: Node, cluster: Cluster, info: JoinInfo) -> Script[None]:
    """Make this node a member. What works is finished, what is half made is taken back and made anew."""
    seen = cast(Result, (yield look())).out.splitlines()
    if "member" in seen:
        yield _revive(node)
        return
    if "left" not in seen:
        error = taken_port(node, seen)
        if error:
            raise error
        yield _join(node, cluster, info)
        return
    works = cast(Result, (yield _works(node))).ok
    yield [member("joined")] if works else [_until_unready(node), reset(node, cluster), *_join(node, cluster, info)]


def _join(node: Node, cluster: Cluster, info: JoinInfo) -> list[Step]:
    return [
        Wait(
            title="wait for the Kubernetes API",
            until=API_ANSWERS,
            diagnose="systemctl --no-pager status sloth-api-balancer; journalctl -u sloth-api-balancer -n 20 --no-pager -o cat",
            hint=f"no control-plane node is reachable from {node.name}: sloth status",
        ),
        *(encryption.files(cluster) if node.is_control_plane else []),
        Put(path=JOIN_CONFIG, content=join_text(node, cluster, info), mode=0o600),
        Do(
            title="kubeadm join",
            run=f"{_nudge(node)}kubeadm join --config {JOIN_CONFIG}; code=$?; {_END_NUDGE}"
            f"[ $code = 0 ] || {{ rm -f {JOIN_CONFIG}; {WHY} >&2; false; }}",
            timeout=420.0,
            hint=f"sloth up resumes; the node's own words: sloth ssh {node.name} -- journalctl -u kubelet -n 100",
        ),
        Do(title="delete the join secrets", unless=f"! [ -e {JOIN_CONFIG} ]", run=f"rm -f {JOIN_CONFIG}"),
        member("joined"),
    ]


def _nudge(node: Node) -> str:
    # The kubelet of a control-plane node asks its own API server for its certificate, long before that one runs, and then
    # waits ever longer between tries. Restarted when the API server is ready, it asks at once: this saves some five seconds.
    if not node.is_control_plane:
        return "nudge=''; "
    ask_again = "[ -e /etc/kubernetes/kubelet.conf ] || systemctl restart kubelet"
    return f"(until {OWN_API_ANSWERS}; do sleep 0.5; done; {ask_again}) & nudge=$!; "


def _works(node: Node) -> Ask:
    """Whether an unfinished-looking join had in fact come to its end: the node is Ready, and its API server (if any) answers."""
    api = f" && {OWN_API_ANSWERS}" if node.is_control_plane else ""
    return Ask(
        title="look whether the membership works",
        run=f"test -s /etc/kubernetes/kubelet.conf && systemctl is-active -q kubelet && {_ready(node)}{api}",
        check=False,
    )


def _ready(node: Node) -> str:
    path = "'{.status.conditions[?(@.type==\"Ready\")].status}'"
    return f'[ "$(kubectl get node {node.name} -o jsonpath={path} {_AS_KUBELET} 2>/dev/null)" = True ]'


def _until_unready(node: Node) -> Wait:
    # kubeadm refuses to join under the name of a Ready node; a kubelet that stops is noticed after some 40 s.
    return Wait(
        title="wait until Kubernetes sees the old membership as ended",
        until=f"systemctl stop kubelet; ! {_ready(node)}",
        every=3.0,
        timeout=120.0,
        hint=f"kubectl delete node {node.name}",
    )


def _revive(node: Node) -> Wait:
    """A finished member that does not look like one: its services are started; its data is never touched."""
    check = OWN_API_ANSWERS if node.is_control_plane else _ready(node)
    return Wait(
        title="wait for the node to be a working member again",
        until=f"systemctl is-active -q kubelet || systemctl start kubelet; {check}",
        timeout=120.0,
        diagnose=WHY,
        hint=f"if the node was deleted from Kubernetes by hand: sloth ssh {node.name} -- kubeadm reset, then sloth up",
    )
