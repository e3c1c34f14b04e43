"""Put right what checks found: first the whole list of commands, then a question, then the commands."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sloth.adapters.doctor import engine
from sloth.adapters.doctor.finding import Context, Finding, Work
from sloth.errors import MachinesError

Run = Callable[[Sequence[str]], None]  # raises MachinesError
_TIMEOUT = 1800.0  # seconds for one command; packages come over the network


@dataclass(frozen=True, kw_only=True)
class Action:
    """One command of the fix. Without a `command`, sloth does `work` itself; without that, it starts `dockerd`, detached."""

    why: str
    command: tuple[str, ...] = ()
    work: Work | None = None

    @property
    def line(self) -> str:
        """The command as one would type it."""
        if self.work:
            return "sloth does it, with checksums"
        return shlex.join(self.command) if self.command else "dockerd (detached, log and pid in the data directory)"


def plan_fixes(findings: Sequence[Finding], context: Context) -> tuple[Action, ...]:
    """What to run, in order: packages, settings, engine, then what sloth does itself: the latter on every system.

    Raises MachinesError when root is needed and cannot be had.
    """
    bad = [finding for finding in findings if not finding.ok and finding.fix]
    if not context.debian:
        bad = [finding for finding in bad if finding.id == "data-dir" or finding.work]
    packages = sorted({package for finding in bad for package in finding.packages})
    actions: list[Action] = []
    if packages:
        why = "install " + ", ".join(packages)
        apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120")
        actions.append(Action(why="refresh the package lists", command=(*apt, "update")))
        actions.append(Action(why=why, command=(*apt, "install", "--yes", "--no-install-recommends", *packages)))
    seen = dict.fromkeys((command, finding.fix) for finding in bad for command in finding.commands)
    commands = dict(reversed(list(seen)))  # two checks may ask for the same command: once is enough
    actions += [Action(why=why, command=command) for command, why in reversed(commands.items())]
    if any(finding.engine for finding in bad):
        actions.append(_start(context))
    actions += [Action(why=finding.fix, work=finding.work) for finding in bad if finding.work]
    return tuple(_as_root(action, context) for action in actions)


def apply_fixes(
    findings: Sequence[Finding],
    data_dir: Path,
    *,
    say: Callable[[str], None],
    ask: Callable[[str], bool],
    run: Run | None = None,
    context: Context | None = None,
) -> tuple[Action, ...]:
    """Say every command, ask, then run them; returns what was run (nothing if the answer was no, or nothing was wrong).

    Raises MachinesError at the first command that fails.
    """
    actions = plan_fixes(findings, context or Context(providers=(), data_dir=data_dir))
    for action in actions:
        say(f"{action.why}: {action.line}")
    if not actions or not ask("Run these commands?"):
        return ()
    for action in actions:
        say(f"running: {action.line}")
        if action.command:
            (run or run_command)(action.command)
        elif action.work:
            action.work(say)
        else:
            engine.start_engine(data_dir)
    return actions


def run_command(command: Sequence[str]) -> None:
    """Run one command of a fix. Raises MachinesError with the end of its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(command, str(error)) from None
    if done.returncode != 0:
        raise _failed(command, (done.stdout + done.stderr)[-2000:])


def _failed(command: Sequence[str], text: str) -> MachinesError:
    return MachinesError(
        "doctor/fix-failed", f"`{shlex.join(command)}` failed", detail=text.strip(),
        hint=f"run it by hand: {shlex.join(command)}",
    )  # fmt: skip


def _start(context: Context) -> Action:
    if context.systemd:
        return Action(why="start the Docker engine", command=("systemctl", "enable", "--now", "docker"))
    if context.uid == 0:
        return Action(why="start the Docker engine")
    return Action(why="start the Docker engine", command=("service", "docker", "start"))


def _as_root(action: Action, context: Context) -> Action:
    if context.uid == 0 or not action.command or action.command[0] == "chmod":
        return action
    if not context.which("sudo"):
        raise MachinesError(
            "doctor/needs-root", f"root is needed to {action.why}, and there is no sudo", detail=action.line,
            hint=f"as root: {action.line}",
        )  # fmt: skip
    return Action(why=action.why, command=("sudo", *action.command))
