"""What Kubernetes leaves in a host's kernel, taken away as shell text."""

from __future__ import annotations


def forget_rules(*prefixes: str) -> str:
    """Shell text that deletes the iptables chains whose names begin so, and every rule that leads to one."""
    some = f"({'|'.join(prefixes)})"
    return (
        "for table in filter mangle nat; do iptables -w -t $table -S 2>/dev/null | "
        f"grep -E '^-A .*-j {some}|^-N {some}' | "
        "sed -E 's/^-A/-D/; s/^-N/-F/' | while read -r rule; do eval iptables -w -t $table $rule; done; "
        f"for chain in $(iptables -w -t $table -S 2>/dev/null | sed -nE 's/^-N ({some}.*)/\\1/p'); do "
        "iptables -w -t $table -X $chain; done; done"
    )
