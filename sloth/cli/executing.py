"""Running a verb: its outcome shown, its failure told, an exit code. Without Typer, for whoever calls a verb without it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sloth.model.options import Options, Outcome

UNREAD = 141  # as of a program that SIGPIPE ended


def execute(options: Options, work: Callable[[], Outcome]) -> int:
    """Run one verb, print its outcome or its failure, and return the exit code (docs/reference/exit-codes.md)."""
    try:
        outcome = work()
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return UNREAD
        from sloth.app import report

        return report(error, options)
    try:
        show_outcome(options, outcome)
        sys.stdout.flush()
    except BrokenPipeError:
        if _nobody_reads():
            return UNREAD
        raise
    return outcome.exit


def _nobody_reads() -> bool:
    """Whether stdout leads to a program that ended, such as `head`. What is left to write is dropped then, without a word."""
    import os
    import select

    out = sys.stdout.fileno()
    ends = select.poll()
    ends.register(out, 0)
    if not any(event & select.POLLERR for _, event in ends.poll(0)):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out)
    os.close(nowhere)
    return True


def show_outcome(options: Options, outcome: Outcome) -> None:
    """Print an outcome in the chosen form; one without a kind was shown already."""
    if not outcome.kind:
        return
    if options.output == "json":
        from sloth.ui.json_view import envelope

        text = envelope(outcome.kind, data=outcome.data, warnings=outcome.warnings, error=outcome.failure)
        sys.stdout.write(text + "\n")
    elif outcome.show:
        outcome.show(options)
    elif outcome.text:
        sys.stdout.write(outcome.text.rstrip("\n") + "\n")
