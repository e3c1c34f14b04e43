"""How one of sloth's own clusters is reached by its Kubernetes client: directly, or through SSH to a control-plane node.

    with Client(connection(Options(cluster="shop"))) as client: …

Nothing is connected, and no provider is asked, before the first request needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sloth.app import cluster_name, known_spec, say, state_of
from sloth.contracts.api import Door, doors
from sloth.errors import UsageError
from sloth.model.options import Options
from sloth.model.record import Record

if TYPE_CHECKING:
    from sloth.kube.connection import Connection
    from sloth.kube.route import Route


def administrator(options: Options) -> tuple[Record, str]:
    """The record of the cluster that is meant, and its administrator's kubeconfig. Raises UsageError, StateError."""
    name = cluster_name(options)
    record = state_of(options, name).load()
    if record is None or record.kubeconfig is None:
        raise UsageError("kubeconfig/none", f"{name} has no kubeconfig yet", hint="sloth up")
    return record, record.kubeconfig.reveal()


def connection(options: Options, *, via_ssh: bool = False, namespace: str = "", tell: Callable[[str], None] = say) -> Connection:
    """The cluster as its administrator. `via_ssh`: not even tried directly. `tell` hears which way is taken, if another one.

    Raises UsageError, StateError, KubernetesError.
    """
    from sloth.kube.kubeconfig import merge, read

    record, text = administrator(options)
    found = merge([(read(text.encode(), "of sloth"), Path.cwd())]).connection(namespace=namespace)
    return replace(found, route=_route(options, record, found.server, tell, via_ssh=via_ssh))


def closed(record: Record) -> bool:
    """Whether the spec lets nobody reach the API from outside, as far as the record knows it."""
    spec = record.document.get("spec") or {}
    return (spec.get("access") or {}).get("api") == []


def _route(options: Options, record: Record, server: str, tell: Callable[[str], None], *, via_ssh: bool) -> Route | None:
    from sloth.adapters.direct_route import DirectFirst
    from sloth.adapters.ssh_route import SshRoute

    members = [lease for lease in record.leases if lease.role == "control-plane" and record.node(lease.name).joined]
    if via_ssh and not members:
        raise UsageError("kube/no-way", f"{record.cluster} has no control-plane node to go through yet", hint="sloth up")
    at = urlsplit(server)
    if not members or not at.hostname:
        return None
    through = SshRoute(lambda: ways_in(options), tell)
    if via_ssh or closed(record):
        return through
    return None if _proxied(server) else DirectFirst(at.hostname, at.port or 443, through, tell)


def _proxied(server: str) -> bool:
    """Whether the environment names a proxy for it: then that is the way."""
    from urllib.request import getproxies, proxy_bypass

    at = urlsplit(server)
    proxies = getproxies()
    return bool(proxies.get(at.scheme) or proxies.get("all")) and not proxy_bypass(at.hostname or "")


def ways_in(options: Options) -> list[Door]:
    """The control-plane nodes that run, as their providers say. Raises SlothError."""
    from sloth.desk import desk
    from sloth.phases.survey import Survey

    with desk(options, known_spec(options), "kube", lock=False, quiet=True) as here:
        cluster = here.run([Survey()], here.cluster(as_recorded=True))
        members = [node for node in cluster.control_plane if here.record.node(node.name).joined]
        found = [(node.mesh_address, here.login(node)) for node in members]
    if not found:
        raise UsageError(
            "kube/no-way",
            f"no control-plane node of {cluster.spec.name} runs, so there is none to go through",
            hint="sloth up starts machines that are off",
        )
    return doors(found)
