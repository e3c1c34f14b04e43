"""The last part of `up`: labels, taints, CoreDNS; then the wait until kube-proxy, CoreDNS and every node are ready."""

from __future__ import annotations

from sloth.api import Settling

from .layout import ADMIN

SETTLING = Settling(admin=ADMIN, rollouts=("daemonset/kube-proxy", "deployment/coredns"), dns="coredns", static_pods=True)
