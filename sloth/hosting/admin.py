"""How commands on a control-plane node speak to Kubernetes as its administrator, and what tells that its API answers."""

from __future__ import annotations

from dataclasses import dataclass

from sloth.hosting.balancer import API_PORT

WHY = "/usr/local/lib/sloth/kube-why"  # says in some sixty lines why Kubernetes on this node is not as it should be


@dataclass(frozen=True, kw_only=True)
class Admin:
    """The administrator's kubeconfig on control-plane nodes, and the local port of the balancer before all API servers."""

    kubeconfig: str
    port: int
    server: bool = False  # the kubeconfig names the node's own API server: go through the balancer instead

    @property
    def flags(self) -> str:
        """Flags for `kubectl` commands that watch or wait."""
        through = f" --server https://127.0.0.1:{self.port}" if self.server else ""
        return f"--kubeconfig {self.kubeconfig}{through} --cache-dir /run/sloth/kubectl"

    @property
    def quick(self) -> str:
        """Flags for `kubectl` commands that neither watch nor wait."""
        return f"{self.flags} --request-timeout=10s"

    @property
    def api_answers(self) -> str:
        """Shell condition: some API server is ready."""
        return f'[ "$(curl -sk -m 2 https://127.0.0.1:{self.port}/readyz)" = ok ]'

    @property
    def own_api_answers(self) -> str:
        """Shell condition: the API server of this control-plane node is ready."""
        return f'[ "$(curl -sk -m 2 https://127.0.0.1:{API_PORT}/readyz)" = ok ]'
