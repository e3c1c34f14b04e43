"""`sloth doctor`: is this machine ready, and what would make it so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

Fix = Annotated[bool, typer.Option("--fix", help="Install and start what is missing; says what, and asks first.")]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider", help="Check for this provider; repeat. Default: those of the spec, if there is one.", show_default=False
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "doctor")
    def doctor(options: Options, fix: Fix = False, yes: Yes = False, provider: Providers = None) -> Outcome:
        """Check this machine for what sloth needs; with --fix install and start what is missing."""
        return examine(options, fix=fix, yes=yes, providers=provider or ())


def examine(options: Options, *, fix: bool, yes: bool, providers: Sequence[str] = ()) -> Outcome:
    """The verb without its command line. Exit 12 if something is still missing. Raises UsageError for unknown providers."""
    from sloth.adapters.doctor import apply_fixes, run_checks
    from sloth.app import ask, data_root, say

    root = data_root(options)
    names = _names(options, providers)
    findings = run_checks(root, names)
    if fix and not all(finding.ok for finding in findings):
        apply_fixes(findings, root, say=say, ask=(lambda text: True) if yes else ask)
        findings = run_checks(root, names)
    ok = all(finding.ok or not finding.required for finding in findings)
    data = {"ok": ok, "checks": [finding.as_dict() for finding in findings]}
    return Outcome("Doctor", data=data, show=lambda chosen: _show(data, chosen), exit=0 if ok else 12)


def _names(options: Options, asked: Sequence[str]) -> tuple[str, ...]:
    """Whom to check for: as asked, else whom the spec names, else the default. A spec that is wrong is not doctor's matter."""
    from sloth import registry
    from sloth.app import load
    from sloth.config.assemble import DEFAULT_PROVIDER
    from sloth.errors import SlothError

    for name in asked:
        registry.provider(name)
    if asked:
        return tuple(dict.fromkeys(asked))
    try:
        return tuple(dict.fromkeys(pool.provider for pool in load(options).spec.pools))
    except SlothError:
        if options.files:
            raise
        return (DEFAULT_PROVIDER,)


def _show(data: dict[str, object], options: Options) -> None:
    from sloth.ui.tables import doctor

    doctor(data, options)
