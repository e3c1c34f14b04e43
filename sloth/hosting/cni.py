"""The standard CNI plugins that the pod network calls: which, of which version, and every way to get them."""

from __future__ import annotations

from sloth.model.artifact import Need

_VERSION = "v1.9.1"
_URL = "https://github.com/containernetworking/plugins/releases/download/{version}/cni-plugins-linux-{arch}-{version}.tgz"
# Kind, which is upstream's folder, and name.
_PLUGINS = (("main", "bridge"), ("ipam", "host-local"), ("meta", "portmap"), ("main", "loopback"), ("meta", "firewall"))


def cni_needs(source: str = "") -> tuple[Need, ...]:
    """One need for each plugin. `source`: folder of their module files below the distribution's `source/`; "" = none."""
    return tuple(_need(kind, name, source) for kind, name in _PLUGINS)


def _need(kind: str, name: str, source: str) -> Need:
    return Need(
        name=f"cni-{name}",
        version=_VERSION,
        kind="binary",
        path=f"/opt/cni/bin/{name}",
        url=_URL,
        checksum_url=f"{_URL}.sha256",
        member=name,
        source=source,
        package=f"github.com/containernetworking/plugins/plugins/{kind}/{name}" if source else "",
    )
