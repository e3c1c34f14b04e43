"""sloth's Kubernetes client: sync and async fronts over one protocol layer without I/O.

    from sloth.kube import Client

Names are imported when they are first used: a program that only reads a kubeconfig pays for no HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sloth.kube.async_client import AsyncClient as AsyncClient
    from sloth.kube.client import Client as Client
    from sloth.kube.connection import Connection as Connection
    from sloth.kube.connection import Impersonation as Impersonation
    from sloth.kube.faults import ApiError as ApiError
    from sloth.kube.fronts.logs import LogLine as LogLine
    from sloth.kube.informer import Informer as Informer
    from sloth.kube.informer_async import AsyncInformer as AsyncInformer
    from sloth.kube.resource import EVERYWHERE as EVERYWHERE
    from sloth.kube.resource import Resource as Resource
    from sloth.kube.watch import Event as Event
    from sloth.kube.workloads.views import view as view

_HOME = {
    "ApiError": "faults",
    "AsyncClient": "async_client",
    "AsyncInformer": "informer_async",
    "Client": "client",
    "Connection": "connection",
    "EVERYWHERE": "resource",
    "Event": "watch",
    "Impersonation": "connection",
    "Informer": "informer",
    "LogLine": "fronts.logs",
    "Resource": "resource",
    "view": "workloads.views",
}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name on first use. Raises AttributeError."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
