"""`sloth doctor`: is everything here that `sloth up` needs, and put right what is not.

`run_checks` looks and changes nothing; `apply_fixes` says each command, asks, and runs them; `stop_engine` ends the
Docker engine that a fix started.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sloth.adapters.doctor import clouds, host, kernel, tools
from sloth.adapters.doctor.engine import start_engine, stop_engine
from sloth.adapters.doctor.finding import Context, Finding
from sloth.adapters.doctor.fixes import Action, apply_fixes, plan_fixes
from sloth.config.assemble import DEFAULT_PROVIDER

__all__ = [
    "Action", "Context", "Finding", "apply_fixes", "checks", "plan_fixes", "run_checks", "start_engine", "stop_engine",
]  # fmt: skip

Check = Callable[[Context], Finding]
_ALWAYS: tuple[Check, ...] = (host.python, host.data_dir, host.disk, host.memory, host.clock)
_LOCAL: tuple[Check, ...] = (
    tools.docker_cli, tools.docker_engine, tools.docker_socket, kernel.overlay, kernel.tun, kernel.wireguard,
    kernel.forwarding, tools.base_image,
)  # fmt: skip
_LAST: tuple[Check, ...] = (tools.go,)


def checks(context: Context) -> list[Finding]:
    """Every check that the context's providers call for, in the order in which they are worth fixing."""
    wanted = (*_ALWAYS, *(_LOCAL if context.local else ()), *_LAST)
    return [*(check(context) for check in wanted), *clouds.findings(context)]


def run_checks(data_dir: Path, provider_names: Sequence[str] = (DEFAULT_PROVIDER,)) -> list[Finding]:
    """The checks for these providers on this machine."""
    return checks(Context(providers=tuple(provider_names), data_dir=data_dir))
