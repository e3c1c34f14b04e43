"""What nodes of one Kubernetes version need, with every way to get it. Versions that belong together are written here once."""

from __future__ import annotations

from sloth.api import Need

VERSIONS = ("v1.36.3",)  # newest first

_CONTAINERD = "v2.4.2"
_CNI = "v1.9.1"
_PAUSE = "3.10.2"
# What kubeadm of that Kubernetes asks for (kubernetes/kubernetes: cmd/kubeadm/app/constants/constants.go), then what the
# modules in source/ give. The images' tags say which of the two it is; kubeadm is told the tag.
_ETCD, _ETCD_SOURCE = "v3.6.8", "v3.7.3"
_ETCD_IMAGE = "3.6.8-0"
_COREDNS, _COREDNS_SOURCE = "v1.14.2", "v1.15.0"

_KUBERNETES_URL = "https://dl.k8s.io/release/{version}/bin/linux/{arch}/"
_CONTAINERD_URL = (
    "https://github.com/containerd/containerd/releases/download/{version}/containerd-static-{number}-linux-{arch}.tar.gz"
)
_CNI_URL = "https://github.com/containernetworking/plugins/releases/download/{version}/cni-plugins-linux-{arch}-{version}.tgz"
_ETCD_URL = "https://github.com/etcd-io/etcd/releases/download/{version}/"
_CONTROL_PLANE = ("control-plane",)


def needs(version: str) -> tuple[Need, ...]:
    """Everything for that exact version (`v1.36.3`): binaries first, then images."""
    return (
        *(_kubernetes_binary(name, version) for name in ("kubeadm", "kubelet", "kubectl")),
        *(_containerd(name) for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
        *(_cni(kind, name) for kind, name in _PLUGINS),
        _etcdctl(),
        *(_kubernetes_image(name, version, _CONTROL_PLANE) for name in _SERVERS),
        _kube_proxy(version),
        _coredns(),
        _etcd(),
        _pause(),
    )


_PLUGINS = (("main", "bridge"), ("ipam", "host-local"), ("meta", "portmap"), ("main", "loopback"), ("meta", "firewall"))
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
        source="kubernetes",
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
        source="kubernetes",
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


def _cni(kind: str, name: str) -> Need:
    return Need(
        name=f"cni-{name}",
        version=_CNI,
        kind="binary",
        path=f"/opt/cni/bin/{name}",
        url=_CNI_URL,
        checksum_url=f"{_CNI_URL}.sha256",
        member=name,
        source="cni-plugins",
        package=f"github.com/containernetworking/plugins/plugins/{kind}/{name}",
    )


def _etcdctl() -> Need:
    return Need(
        name="etcdctl",
        version=_ETCD,
        kind="binary",
        path="/usr/local/bin/etcdctl",
        url=f"{_ETCD_URL}etcd-{{version}}-linux-{{arch}}.tar.gz",
        checksum_url=f"{_ETCD_URL}SHA256SUMS",
        member="etcd-{version}-linux-{arch}/etcdctl",
        source="etcd",
        package="go.etcd.io/etcd/etcdctl/v3",
        source_version=_ETCD_SOURCE,
        roles=_CONTROL_PLANE,
    )


def _etcd() -> Need:
    return Need(
        name="etcd",
        version=_ETCD_IMAGE,
        kind="image",
        path="/usr/local/bin/etcd",
        ref="registry.k8s.io/etcd:{version}",
        source="etcd",
        package="go.etcd.io/etcd/server/v3",
        source_version=_ETCD_SOURCE,
        roles=_CONTROL_PLANE,
    )


def _coredns() -> Need:
    return Need(
        name="coredns",
        version=_COREDNS,
        kind="image",
        path="/coredns",
        ref="registry.k8s.io/coredns/coredns:{version}",
        source="coredns",
        package="github.com/coredns/coredns",
        source_version=_COREDNS_SOURCE,
    )


def _pause() -> Need:
    return Need(
        name="pause",
        version=_PAUSE,
        kind="image",
        path="/pause",
        ref="registry.k8s.io/pause:{version}",
        source="pause",
        package="sloth.dev/source/pause",
    )
