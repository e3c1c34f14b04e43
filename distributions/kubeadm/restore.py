"""Putting a control plane's data back: stop and set aside, restore a snapshot on one node, or go on alone with what is left.

Facts: kubeadm uses authorities that it finds in /etc/kubernetes/pki (kubernetes.io, “Certificate Management with kubeadm”,
custom certificates), and etcd ignores `--initial-cluster` where its data exists (etcd.io, “Configuration options”, clustering).
Revisions are raised by a milliard, older ones marked compacted, because watchers that are ahead of the snapshot would otherwise
wait for ever without noticing (kubernetes.io, “Operating etcd clusters”, restoring; etcdutl README, SNAPSHOT RESTORE). A member
whose others are lost goes on with `--force-new-cluster` (etcd.io, “Configuration options”, unsafe features).
"""

from __future__ import annotations

from sloth.api import Ask, Cluster, Do, Node, Put, Result, Script, Step, Wait

from .config import init_text
from .encryption import files
from .layout import CONFIG, ENCRYPTION, ETCD_PKI, MEMBER, OWN_API_ANSWERS, WHY, image
from .leaving import ETCD
from .server import member
from .text import text

PATHS = (
    "/etc/kubernetes/pki/ca.crt",
    "/etc/kubernetes/pki/ca.key",
    "/etc/kubernetes/pki/front-proxy-ca.crt",
    "/etc/kubernetes/pki/front-proxy-ca.key",
    "/etc/kubernetes/pki/sa.key",
    "/etc/kubernetes/pki/sa.pub",
    f"{ETCD_PKI}/ca.crt",
    f"{ETCD_PKI}/ca.key",
    ENCRYPTION,  # kept for people; what is in force comes from the record
)
ASIDE = "/var/lib/sloth/aside"  # data of earlier control planes of this node: the last two
_BUMP = 1_000_000_000  # revisions


def halt(node: Node, cluster: Cluster) -> Script[None]:
    """Nothing is deleted: etcd's data and the keys are moved to ASIDE."""
    yield Do(
        title="stop the control plane and put its data aside",
        unless="! ls -d /etc/kubernetes/manifests/*.yaml /etc/kubernetes/pki /etc/kubernetes/*.conf /var/lib/etcd/member "
        f"/var/lib/kubelet/config.yaml {MEMBER} 2>/dev/null | grep -q .",
        run=text("halt.sh", ASIDE=ASIDE),
        timeout=240.0,
        hint=f"sloth ssh {node.name} -- journalctl -u kubelet -n 50",
    )


def restore(node: Node, cluster: Cluster, snapshot: str) -> Script[None]:
    """A finished node is left alone; anything else is made anew from the backup."""
    name = f"{node.name}=https://{node.mesh_address}:2380"
    data = (
        f"rm -rf /var/lib/etcd.restored && etcdutl snapshot restore {snapshot}/etcd.db --data-dir /var/lib/etcd.restored "
        f"--name {node.name} --initial-cluster {name} --initial-advertise-peer-urls {name.partition('=')[2]} "
        f"--bump-revision {_BUMP} --mark-compacted >/dev/null 2>{snapshot}/said || {{ cat {snapshot}/said >&2; false; }}"
    )
    place = (
        "mkdir -p -m 0700 /var/lib/etcd && rm -rf /var/lib/etcd/member && "
        "mv /var/lib/etcd.restored/member /var/lib/etcd/member && rm -rf /var/lib/etcd.restored"
    )
    # Without the key that Secrets were written with, every one of them would be lost: then nothing is begun.
    kept = ENCRYPTION.lstrip("/")
    readable = (
        f'umask 077; tar -xOf {snapshot}/files.tar {kept} 2>/dev/null | grep -o \'"secret": *"[^"]*"\' | head -n 1 '
        f"| sed 's/.*: *//' >{snapshot}/key; [ ! -s {snapshot}/key ] || grep -qFf {snapshot}/key {ENCRYPTION}"
    )
    keys = f"(umask 022; mkdir -p {ETCD_PKI}) && tar -C / --no-overwrite-dir --exclude={kept} -xpf {snapshot}/files.tar"
    steps: list[Step] = [
        *files(cluster),
        Do(
            title="look whether the Secrets in the backup can be read",
            unless=readable,
            run="echo 'Secrets were encrypted with another key when this backup was made' >&2; false",
            hint="sloth state list, then sloth state rollback to a revision of that time, then the same restore again",
        ),
        Do(title="put the cluster's keys back", run=keys),
        Do(title="restore the snapshot", run=data, timeout=600.0, hint=f"sloth ssh {node.name} -- df -h /var/lib"),
        Do(title="have etcd use it", run=place),
        Put(path=CONFIG, content=init_text(node, cluster), mode=0o600),
        # CoreDNS came with the data; kubeadm takes it for one to migrate, which it cannot from a version newer than its own.
        Do(
            title="kubeadm init on the restored data",
            run=f"kubeadm init --config {CONFIG} --ignore-preflight-errors=DirAvailable--var-lib-etcd "
            f"--skip-phases=addon/coredns --skip-token-print --skip-certificate-key-print || {{ {WHY} >&2; false; }}",
            timeout=420.0,
            hint="the same command resumes; the node's own words: journalctl -u kubelet -n 100",
        ),
        member("restored"),
    ]
    yield steps


def force_alone(node: Node, cluster: Cluster) -> Script[None]:
    """By a flag in etcd's manifest, which is taken out once the member is alone: every restart with it would force anew."""
    flags = ETCD.flags(node.mesh_address)
    only = f'[ "$(etcdctl member list -w simple {flags} 2>/dev/null | wc -l)" = 1 ]'
    manifest = "/etc/kubernetes/manifests/etcd.yaml"
    copy = f"{ASIDE}/etcd-before-alone"
    running = f"etcdctl endpoint health {flags} >/dev/null 2>&1 && {only}"
    result = yield Ask(title="look whether etcd is alone already", run=f"test -s {manifest} && {running}", check=False)
    assert isinstance(result, Result)  # noqa: S101  one step, one result
    if not result.ok:
        yield [
            Do(
                title="keep a copy of etcd's data",
                run=f"umask 077; mkdir -p {ASIDE} && rm -rf {copy} && cp -a /var/lib/etcd {copy}",
                timeout=300.0,
                hint=f"sloth ssh {node.name} -- df -h /var/lib",
            ),
            Do(
                title="have etcd go on alone",
                unless=f"grep -q -- --force-new-cluster {manifest}",
                run=_edit(r"s/^\( *\)- etcd$/&\n\1- --force-new-cluster=true/", manifest)
                + f" && grep -q force-new {manifest} && "
                "{ systemctl is-active -q kubelet || systemctl start kubelet; }",
            ),
            Wait(
                title="wait until etcd is alone",
                until=running,
                timeout=180.0,
                diagnose=WHY,
                hint=f"sloth ssh {node.name} -- journalctl -u kubelet -n 50",
            ),
        ]
    yield [
        Do(
            title="have etcd start as usual again",
            unless=f"! grep -q -- --force-new-cluster {manifest}",
            run=_edit("/--force-new-cluster/d", manifest),
        ),
        Wait(
            title="wait for the API server of this node",
            until=f"{running} && {OWN_API_ANSWERS}",
            timeout=240.0,
            diagnose=WHY,
            hint="journalctl -u kubelet -n 100 on the node says why the API server does not come up",
        ),
    ]


def scratch_etcd(cluster: Cluster) -> tuple[str, str]:
    """The image of etcd, unpacked for a moment: its program is static."""
    ref = image(cluster.delivery, "etcd")
    find = f"ref={ref}" if ref else "ref=$(ctr -n k8s.io images ls -q | grep '^registry.k8s.io/etcd:' | sort -V | tail -n 1)"
    begin = f'{find}; mkdir -p "$work/image" && ctr -n k8s.io images mount "$ref" "$work/image" >/dev/null || exit 1\n'
    begin += 'etcd="$work/image/usr/local/bin/etcd"'
    return begin, 'ctr -n k8s.io images unmount --rm "$work/image" >/dev/null 2>&1'


def _edit(change: str, manifest: str) -> str:
    """Beside the folder and renamed: the kubelet runs whatever file it sees in it."""
    aside = "/etc/kubernetes/sloth-etcd.new"
    return f"(umask 077; sed '{change}' {manifest} >{aside}) && mv {aside} {manifest}"


def revive(node: Node, cluster: Cluster) -> Script[None]:
    """The kubelet registers its node when it starts, and only then."""
    yield Do(title="have the kubelet register again", run="systemctl restart kubelet")
