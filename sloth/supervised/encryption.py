"""Another key for Secrets at rest: the supervisor makes it and writes all Secrets anew by itself; the other servers learn it when
they start.

`secrets-encrypt rotate-keys`, then a restart of every server: docs.k3s.io "k3s secrets-encrypt", "New Encryption Key Rotation",
High-Availability; docs.rke2.io "Secrets Encryption". What `status --output json` says (`stage`, `hashmatch`, which is left out
where it is false): k3s-io/k3s pkg/cli/secretsencrypt and pkg/server/types.
"""

from __future__ import annotations

from sloth.hosting.admin import WHY
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Do, Script, Wait
from sloth.supervised.flavour import Flavour
from sloth.supervised.prepare import RESTART
from sloth.supervised.state import wait_working

_PATIENCE = 3600.0  # seconds: some five Secrets are written anew in a second


def rotate(flavour: Flavour) -> Script[None]:
    """On one server. A rotation that was cut off, after which servers do not agree, is gone on with and not begun again."""
    status = f"{flavour.binary} secrets-encrypt status {flavour.itself} --output json"
    yield [
        Do(
            title="make a new key for Secrets",
            unless=f'now=$({status}) && ! echo "$now" | grep -qE \'"hashmatch": ?true\'',
            run=f"{flavour.binary} secrets-encrypt rotate-keys {flavour.itself} >/dev/null",
            timeout=120.0,
            hint=f"{flavour.name} secrets-encrypt status on the node",
        ),
        Wait(
            title="wait until all Secrets are written anew",
            until=f'{status} 2>/dev/null | grep -qE \'"stage": ?"reencrypt_finished"\'',
            timeout=_PATIENCE,
            every=2.0,
            diagnose=f"{flavour.name} secrets-encrypt status; {WHY}",
            hint=f"{flavour.name} secrets-encrypt status on the node; then the same command again",
        ),
    ]


def take(node: Node, cluster: Cluster, flavour: Flavour) -> Script[None]:
    """Restart this server, which reads the keys when it starts."""
    restart = Do(
        title=f"restart {flavour.server_unit} with the new key",
        run=RESTART,
        timeout=1500.0,
        hint=f"journalctl -u {flavour.server_unit} -n 100 on {node.name}",
    )
    yield [restart, wait_working(node, flavour)]


def agree(flavour: Flavour) -> Script[None]:
    """Until every server has the same keys."""
    status = f"{flavour.binary} secrets-encrypt status {flavour.itself} --output json"
    yield Wait(
        title="wait until all servers have the new key",
        until=f"{status} 2>/dev/null | grep -qE '\"hashmatch\": ?true'",
        timeout=120.0,
        diagnose=f"{flavour.name} secrets-encrypt status",
        hint=f"{flavour.name} secrets-encrypt status on the node says who differs; then the same command again",
    )
