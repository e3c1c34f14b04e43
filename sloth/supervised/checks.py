"""What a flavour can see to be wrong in a spec: flags and fields that sloth must set itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sloth.errors import ConfigError, SlothError
from sloth.hosting.own_flags import OWN_FLAGS
from sloth.model.spec import ClusterSpec
from sloth.supervised.flavour import Flavour

# Besides those of every distribution: what the supervisor itself says to the API server.
_OWN = {**OWN_FLAGS, "apiServer": OWN_FLAGS["apiServer"] | {"advertise-port", "encryption-provider-config"}}


def problems(spec: ClusterSpec, flavour: Flavour) -> list[SlothError]:
    """Every problem, in spec order."""
    found: list[SlothError] = []
    for part, flags in spec.kubernetes.args.items():
        found += _flags(part, flags, flavour)
    found += _fields("spec.kubernetes.kubelet.config", spec.kubernetes.kubelet, flavour)
    for pool in spec.pools:
        found += _fields(f"spec.pools[{pool.name}].kubelet", pool.kubelet, flavour)
    return found


def _flags(part: str, flags: Mapping[str, str], flavour: Flavour) -> Iterator[SlothError]:
    where = f"spec.kubernetes.{part}.args"
    for flag in flags:
        # A sign at the end would be read as "put before" or "add to" (k3s-io/k3s: pkg/util/args.go).
        if flag.startswith("-") or flag.endswith(("-", "+")):
            yield ConfigError(
                "kubernetes/flag-dashes",
                f"{where}: write flag `{flag}` without dashes or signs around it",
                where=f"{where}.{flag}",
                hint=f"write `{flag.strip('-+')}`",
            )
        elif flag in _OWN.get(part, ()):
            yield ConfigError(
                "kubernetes/own-flag",
                f"{where}: {flavour.name} or sloth sets flag `{flag}` itself, the cluster would not work with another value",
                where=f"{where}.{flag}",
                hint=f"remove `{flag}`",
            )


def _fields(where: str, fields: Mapping[str, Any], flavour: Flavour) -> Iterator[SlothError]:
    for name in ("cgroupDriver", "containerRuntimeEndpoint", "staticPodPath"):
        if name in fields:
            yield ConfigError(
                "kubernetes/own-kubelet-field",
                f"{where}: {flavour.name} sets field `{name}` itself, the node would not work with another value",
                where=f"{where}.{name}",
                hint=f"remove `{name}`",
            )
