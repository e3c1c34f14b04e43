"""Mirrors of image registries (`spec.kubernetes.registries`), as each container runtime wants to be told of them.

Sources: containerd docs/hosts.md (hosts.toml below config_path); docs.k3s.io and docs.rke2.io "Private Registry Configuration".
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from sloth.hosting.text import yaml_text
from sloth.model.spec import ClusterSpec
from sloth.model.step import Do, Put, Step

_LIST = "/etc/sloth/registries"  # those that sloth wrote, so that it can take them back
_FOLDER = "/etc/containerd/certs.d"
# Where a registry is reached that is not called after its server.
_SERVERS = {"docker.io": "https://registry-1.docker.io"}


def registries_text(spec: ClusterSpec) -> str:
    """registries.yaml of K3s and RKE2."""
    mirrors = {name: {"endpoint": list(urls)} for name, urls in spec.kubernetes.registries.items()}
    return yaml_text({"mirrors": mirrors})


def registries_steps(spec: ClusterSpec) -> list[Step]:
    """A hosts.toml for each registry, as containerd reads it anew for every pull; those that the spec dropped go."""
    mirrors = spec.kubernetes.registries
    wanted = " ".join(sorted(mirrors))
    keep = f'case " {wanted} " in *" $name "*) ;; *) rm -rf "{_FOLDER}/$name" ;; esac'
    drop = f"for name in $(cat {_LIST} 2>/dev/null); do {keep}; done"
    forget = Do(
        title="forget registry mirrors that are not asked for any more",
        unless=f'[ "$(cat {_LIST} 2>/dev/null)" = {quote(wanted)} ]',
        run=f"{drop}; mkdir -p {_LIST.rpartition('/')[0]} && echo {quote(wanted)} >{_LIST}",
        hint=f"ls {_FOLDER} on the node",
    )
    files = [Put(path=f"{_FOLDER}/{name}/hosts.toml", content=_hosts(name, mirrors[name])) for name in sorted(mirrors)]
    return [*files, forget]


def _hosts(name: str, urls: Sequence[str]) -> str:
    hosts = "".join(f'\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n' for url in urls)
    return f'# Written by sloth.\nserver = "{_SERVERS.get(name, f"https://{name}")}"\n{hosts}'
