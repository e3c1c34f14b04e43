"""Bringing a member to a newer version: `kubeadm upgrade`, and how it is resumed.

Order and commands: Kubernetes documentation, "Upgrading kubeadm clusters". kubeadm is brought first; the kubelet and all else
come with the preparation that follows, when the node's control plane is new already.
"""

from __future__ import annotations

from shlex import quote

from sloth.api import Artifact, Cluster, Do, Node, Put, Script, Step, Wait, deliver

from .config import init_text
from .layout import API_ANSWERS, CONFIG, PATCHES, QUICK

UPGRADED = "/etc/sloth/kubeadm/upgraded"  # the version that `kubeadm upgrade` has brought this node to
# kubeadm's own checks that cannot hold for a CoreDNS that it does not know.
_DNS_IGNORED = ("CoreDNSMigration", "CoreDNSUnsupportedPlugins")
_DNS_PHASE = "addon/coredns"
_OWN_PATCHES = "/etc/sloth/kubeadm/patches-upgrade"
# All patches but the one that lets a new cluster begin with a single DNS server.
_CHOOSE = f"rm -rf {_OWN_PATCHES} && cp -r {PATCHES} {_OWN_PATCHES} && rm -f {_OWN_PATCHES}/corednsdeployment.json"


def preload(node: Node, cluster: Cluster) -> list[Step]:
    """The new version's images: with the last control plane kube-proxy and CoreDNS become new on every node at once."""
    return [step for each in cluster.delivery.artifacts if each.kind == "image" for step in _deliver(each, node, cluster)]


def upgrade(node: Node, cluster: Cluster, *, first: bool) -> Script[None]:
    """kubeadm, then the control plane (or what a worker keeps of the cluster's configuration). Noted when it is done."""
    kubeadm = [step for each in cluster.delivery.artifacts if each.name == "kubeadm" for step in _deliver(each, node, cluster)]
    work = _server(node, cluster, first=first) if node.is_control_plane else [_worker(node, cluster)]
    yield [*kubeadm, *work, _note(cluster.version)]


def _deliver(artifact: Artifact, node: Node, cluster: Cluster) -> list[Step]:
    wanted = node.role in artifact.roles
    return deliver(artifact, cluster.delivery, baked=node.machine.profile.baked) if wanted else []


def _server(node: Node, cluster: Cluster, *, first: bool) -> list[Step]:
    own_dns = _own_dns(cluster)
    ignored = ",".join([*(_DNS_IGNORED if own_dns else ()), *node.machine.profile.ignore_preflight])
    flags = "".join(
        [
            f" --patches={_OWN_PATCHES}",
            f" --ignore-preflight-errors={ignored}" if ignored else "",
            f" --skip-phases={_DNS_PHASE}" if own_dns else "",
        ]
    )
    verb = f"apply {cluster.version} --yes" if first else "node"
    answers = Wait(
        title="wait for the Kubernetes API",
        until=API_ANSWERS,
        diagnose="systemctl --no-pager status kubelet; journalctl -u kubelet -n 20 --no-pager -o cat",
        hint="journalctl -u kubelet -n 100 on the node",
    )
    config: list[Step] = [
        Put(path=CONFIG, content=init_text(node, cluster), mode=0o600),
        Do(
            title="give the cluster the new version's configuration",
            # The images' tags and the flags of the spec; kubeadm takes them from the cluster, not from a file.
            unless=_done(cluster.version),
            run=f"kubeadm init phase upload-config kubeadm --config {CONFIG} >/dev/null",
            hint="kubeadm config validate on the node",
        ),
    ]
    return [
        answers,
        *(config if first else []),
        _kubeadm(f"kubeadm upgrade {verb}{flags}", cluster.version, before=_CHOOSE),
        *([_dns(cluster)] if own_dns else []),
    ]


def _worker(node: Node, cluster: Cluster) -> Do:
    ignored = ",".join(node.machine.profile.ignore_preflight)
    flags = f" --ignore-preflight-errors={ignored}" if ignored else ""
    return _kubeadm(f"kubeadm upgrade node{flags}", cluster.version)


def _kubeadm(command: str, version: str, before: str = "true") -> Do:
    shown = command.partition(" --")[0]
    return Do(
        title=shown,
        unless=_done(version),
        # Only its last lines are evidence; all of it is kept on the node.
        run=f"mkdir -p /var/lib/sloth && {before} && {command} >/var/lib/sloth/kubeadm-upgrade.log 2>&1 "
        "|| { tail -n 25 /var/lib/sloth/kubeadm-upgrade.log >&2; false; }",
        timeout=1200.0,
        hint="its own words are in /var/lib/sloth/kubeadm-upgrade.log on the node",
    )


def _done(version: str) -> str:
    manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    here = f"{{ ! [ -e {manifest} ] || grep -q 'kube-apiserver:{version}$' {manifest}; }}"
    return f'[ "$(cat {UPGRADED} 2>/dev/null)" = {version} ] && {here}'


def _note(version: str) -> Do:
    return Do(
        title="note the new version",
        unless=f'[ "$(cat {UPGRADED} 2>/dev/null)" = {version} ]',
        run=f"mkdir -p {UPGRADED.rpartition('/')[0]} && echo {version} >{UPGRADED}.new && sync {UPGRADED}.new && "
        f"mv {UPGRADED}.new {UPGRADED}",
    )


def _own_dns(cluster: Cluster) -> bool:
    """Whether CoreDNS is one that kubeadm does not know: its table of migrations ends with the versions that it brings."""
    return any(each.name == "coredns" and each.origin == "source" for each in cluster.delivery.artifacts)


def _dns(cluster: Cluster) -> Do:
    ref = next(each.ref for each in cluster.delivery.artifacts if each.name == "coredns")
    have = f"kubectl get deployment coredns -n kube-system -o jsonpath='{{.spec.template.spec.containers[0].image}}' {QUICK}"
    return Do(
        title=f"run {ref}",
        unless=f'[ "$({have})" = {quote(ref)} ]',
        run=f"kubectl set image deployment/coredns coredns={quote(ref)} -n kube-system {QUICK} >/dev/null",
        hint="kubectl -n kube-system describe deployment coredns",
    )
