"""The connection of a pod to its own cluster (kubernetes.io, "Accessing the Kubernetes API from a Pod")."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sloth.errors import UsageError
from sloth.kube.connection import Connection

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def in_cluster(env: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> Connection:
    """From the service account that the kubelet mounts; its token is read again when it is renewed. Raises UsageError."""
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "")
    token = account / "token"
    if not host or not port or not token.is_file():
        raise UsageError(
            "kube/not-in-cluster", "this process does not run in a pod with a service account", hint="sloth kubeconfig --merge"
        )
    namespace = account / "namespace"
    return Connection(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca=(account / "ca.crt").read_bytes(),
        token_file=token,
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        name="in-cluster",
    )
