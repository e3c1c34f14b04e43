"""What nodes of one Kubernetes version need, with every way to get it. Versions that belong together are written here once."""

from __future__ import annotations

from dataclasses import dataclass

from sloth.api import Need, cni_needs


@dataclass(frozen=True, kw_only=True)
class Set:
    """What belongs to one exact Kubernetes version.

    The tags are those that kubeadm of that version asks for (kubernetes/kubernetes: cmd/kubeadm/app/constants/constants.go);
    `*_source` is what the module folders below source/ give. The images' tags say which of the two it is; kubeadm is told it.
    """

    etcd: str  # tag of the image
    etcd_source: str
    etcd_folder: str
    coredns: str
    coredns_source: str
    pause: str
    folder: str  # the module folder of Kubernetes itself


SETS = {  # newest first
    "v1.36.3": Set(
        etcd="3.6.8-0", etcd_source="v3.7.3", etcd_folder="etcd", coredns="v1.14.2", coredns_source="v1.15.0", pause="3.10.2",
        folder="kubernetes",
    ),
    "v1.35.4": Set(
        etcd="3.6.6-0", etcd_source="v3.6.8", etcd_folder="etcd-3.6", coredns="v1.13.1", coredns_source="v1.15.0", pause="3.10.1",
        folder="kubernetes-1.35",
    ),
}  # fmt: skip
VERSIONS = tuple(SETS)

_CONTAINERD = "v2.4.2"
_KUBERNETES_URL = "https://dl.k8s.io/release/{version}/bin/linux/{arch}/"
_CONTAINERD_URL = (
    "https://github.com/containerd/containerd/releases/download/{version}/containerd-static-{number}-linux-{arch}.tar.gz"
)
_ETCD_URL = "https://github.com/etcd-io/etcd/releases/download/{version}/"
_CONTROL_PLANE = ("control-plane",)


def components(version: str) -> dict[str, tuple[str, ...]]:
    """What kubeadm of that version runs in kube-system, by name: versions from upstream and from source. Unknown: nothing."""
    own = SETS.get(version)
    return {"coredns": (own.coredns, own.coredns_source), "kube-proxy": (version,)} if own else {}


def needs(version: str) -> tuple[Need, ...]:
    """Everything for that exact version (`v1.36.3`): binaries first, then images. Raises KeyError for an unknown version."""
    own = SETS[version]
    return (
        *(_kubernetes_binary(name, version) for name in ("kubeadm", "kubelet", "kubectl")),
        *(_containerd(name) for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
        *cni_needs("cni-plugins"),
        *(_etcd_tool(name, own) for name in ("etcdctl", "etcdutl")),
        *(_kubernetes_image(name, version, _CONTROL_PLANE) for name in _SERVERS),
        _kube_proxy(version),
        _coredns(own),
        _etcd(own),
        _pause(own),
    )


_SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def _stamp(version: str) -> str:
    """Linker flags that make the binaries report their version; without them they say v0.0.0 and refuse version skew."""
    major, minor, _ = version.removeprefix("v").split(".")
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "source",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items())])


def _kubernetes_binary(name: str, version: str) -> Need:
    return Need(
        name=name,
        version=version,
        kind="binary",
        path=f"/usr/local/bin/{name}",
        url=f"{_KUBERNETES_URL}{name}",
        checksum_url=f"{_KUBERNETES_URL}{name}.sha256",
        source=SETS[version].folder,
        package=f"k8s.io/kubernetes/cmd/{name}",
        ldflags=_stamp(version),
    )


def _kubernetes_image(
    name: str, version: str, roles: tuple[str, ...] = ("control-plane", "worker"), packages: tuple[str, ...] = ()
) -> Need:
    return Need(
        name=name,
        version=version,
        kind="image",
        path=f"/usr/local/bin/{name}",
        ref=f"registry.k8s.io/{name}:{{version}}",
        source=SETS[version].folder,
        package=f"k8s.io/kubernetes/cmd/{name}",
        ldflags=_stamp(version),
        packages=packages,
        roles=roles,
    )


def _kube_proxy(version: str) -> Need:
    return _kubernetes_image("kube-proxy", version, packages=("nftables", "iptables", "conntrack"))


def _containerd(name: str) -> Need:
    return Need(
        name=name,
        version=_CONTAINERD,
        kind="binary",
        path=f"/usr/local/bin/{name}",
        url=_CONTAINERD_URL,
        checksum_url=f"{_CONTAINERD_URL}.sha256sum",
        member=f"bin/{name}",
        source="containerd",
        package=f"github.com/containerd/containerd/v2/cmd/{name}",
        tags="no_btrfs",
    )


def _etcd_tool(name: str, own: Set) -> Need:
    return Need(
        name=name,
        version=f"v{own.etcd.partition('-')[0]}",
        kind="binary",
        path=f"/usr/local/bin/{name}",
        url=f"{_ETCD_URL}etcd-{{version}}-linux-{{arch}}.tar.gz",
        checksum_url=f"{_ETCD_URL}SHA256SUMS",
        member=f"etcd-{{version}}-linux-{{arch}}/{name}",
        source=own.etcd_folder,
        package=f"go.etcd.io/etcd/{name}/v3",
        source_version=own.etcd_source,
        roles=_CONTROL_PLANE,
    )


def _etcd(own: Set) -> Need:
    return Need(
        name="etcd",
        version=own.etcd,
        kind="image",
        path="/usr/local/bin/etcd",
        ref="registry.k8s.io/etcd:{version}",
        source=own.etcd_folder,
        package="go.etcd.io/etcd/server/v3",
        source_version=own.etcd_source,
        roles=_CONTROL_PLANE,
    )


def _coredns(own: Set) -> Need:
    return Need(
        name="coredns",
        version=own.coredns,
        kind="image",
        path="/coredns",
        ref="registry.k8s.io/coredns/coredns:{version}",
        source="coredns",
        package="github.com/coredns/coredns",
        source_version=own.coredns_source,
    )


def _pause(own: Set) -> Need:
    return Need(
        name="pause",
        version=own.pause,
        kind="image",
        path="/pause",
        ref="registry.k8s.io/pause:{version}",
        source="pause",
        package="sloth.dev/source/pause",
    )
