"""Who may reach machines at clouds from outside: `spec.access` with `auto` resolved."""

from __future__ import annotations

from collections.abc import Callable

from sloth.model.spec import AccessSpec, ClusterSpec

AUTO = "auto"


def access_of(spec: ClusterSpec, resolve: Callable[[], str]) -> AccessSpec:
    """The spec's CIDRs; `resolve` gives the one of this machine and is asked once, and only where `auto` is written."""
    here = resolve() if AUTO in (*spec.access.ssh, *spec.access.api) else ""

    def each(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(here if word == AUTO else word for word in words))

    return AccessSpec(ssh=each(spec.access.ssh), api=each(spec.access.api))
