"""What only this distribution can see to be wrong in a spec: flags and fields that sloth must set itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloth.api import OWN_FLAGS, ClusterSpec, ConfigError, SlothError

_OWN_FIELDS = {
    "apiVersion", "kind", "cgroupDriver", "staticPodPath", "clusterDNS", "clusterDomain", "podCIDR", "containerRuntimeEndpoint",
    "authentication", "authorization", "rotateCertificates", "port", "address",
}  # fmt: skip


def problems(spec: ClusterSpec) -> list[SlothError]:
    """Every problem, in spec order."""
    found: list[SlothError] = []
    for part, flags in spec.kubernetes.args.items():
        found += _flags(part, flags)
    if spec.kubernetes.encryption and "encryption-provider-config" in spec.kubernetes.args.get("apiServer", {}):
        found.append(_two_encryptions())
    found += _fields("spec.kubernetes.kubelet", spec.kubernetes.kubelet)
    for pool in spec.pools:
        found += _fields(f"spec.pools[{pool.name}].kubelet", pool.kubelet)
    return found


def _two_encryptions() -> ConfigError:
    return ConfigError(
        "kubeadm/two-encryptions",
        "spec.kubernetes.apiServer.args names an encryption configuration of its own, and sloth makes one, too",
        where="spec.kubernetes.apiServer.args.encryption-provider-config",
        hint="remove the flag, or set spec.kubernetes.encryption.enabled to false",
    )


def _flags(part: str, flags: Mapping[str, str]) -> list[SlothError]:
    where = f"spec.kubernetes.{part}.args"
    found: list[SlothError] = []
    for flag in flags:
        if flag.startswith("-"):
            found.append(
                ConfigError(
                    "kubeadm/flag-dashes",
                    f"{where}: write flag `{flag}` without its dashes",
                    where=f"{where}.{flag}",
                    hint=f"write `{flag.lstrip('-')}`",
                )
            )
        elif flag in OWN_FLAGS.get(part, ()):
            found.append(
                ConfigError(
                    "kubeadm/own-flag",
                    f"{where}: sloth sets flag `{flag}` itself, the cluster would not work with another value",
                    where=f"{where}.{flag}",
                    hint=f"remove `{flag}`",
                )
            )
    return found


def _fields(where: str, fields: Mapping[str, Any]) -> list[SlothError]:
    return [
        ConfigError(
            "kubeadm/own-kubelet-field",
            f"{where}: sloth sets field `{field}` itself, the node would not work with another value",
            where=f"{where}.{field}",
            hint=f"remove `{field}`",
        )
        for field in fields
        if field in _OWN_FIELDS
    ]
