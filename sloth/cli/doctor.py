"""`sloth doctor`: is this machine ready, and what would make it so."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

Fix = Annotated[bool, typer.Option("--fix", help="Install and start what is missing; says what, and asks first.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "doctor")
    def doctor(options: Options, fix: Fix = False, yes: Yes = False) -> Outcome:
        """Check this machine for what sloth needs; with --fix install and start what is missing."""
        return examine(options, fix=fix, yes=yes)


def examine(options: Options, *, fix: bool, yes: bool) -> Outcome:
    """The verb without its command line. Exit 12 if something is still missing."""
    from sloth.adapters.doctor import apply_fixes, run_checks
    from sloth.app import ask, data_root, say

    root = data_root(options)
    findings = run_checks(root)
    if fix and not all(finding.ok for finding in findings):
        apply_fixes(findings, root, say=say, ask=(lambda text: True) if yes else ask)
        findings = run_checks(root)
    ok = all(finding.ok or not finding.required for finding in findings)
    data = {"ok": ok, "checks": [finding.as_dict() for finding in findings]}
    return Outcome("Doctor", data=data, show=lambda chosen: _show(data, chosen), exit=0 if ok else 12)


def _show(data: dict[str, object], options: Options) -> None:
    from sloth.ui.tables import doctor

    doctor(data, options)
