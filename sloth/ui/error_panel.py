"""How a failure is shown: what happened, the evidence, where; then one thing to type next, bare, so that it can be copied."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from sloth.errors import ConfigError, ManyErrors, SlothError
from sloth.model.options import Options
from sloth.model.secret import mask
from sloth.ui.console import stderr
from sloth.ui.json_view import errors_of

_EVIDENCE = 20  # lines of a failure that stands alone
_EVIDENCE_EACH = 4  # lines of each failure in a group
_IN_FULL = 3  # failures of a group that are shown; the others are named
_NAMED = 8  # of those that differ in nothing but the node
DOCS = "docs/troubleshooting.md"


def show(error: SlothError | ManyErrors, options: Options, *, log_path: str = "", debug: bool = False) -> None:
    """Print the failure on stderr: a panel per kind on a terminal, plain lines elsewhere."""
    render(error, stderr(options), log_path=log_path, debug=debug)


def render(error: SlothError | ManyErrors, console: Console, *, log_path: str = "", debug: bool = False) -> None:
    """Print the failure on this console. With `debug` nothing is shortened, and the traceback is added."""
    if isinstance(error, ConfigError) and error.problems:
        _problems(error, console)
    else:
        for group in _by_code(errors_of(error)):
            _one(group, console, debug=debug)
    if debug:
        _print(console, Text(mask("".join(traceback.format_exception(error))).rstrip(), style="dim"))
    if log_path:
        _print(console, Text.assemble(("full log: ", "dim"), log_path))


def anchor(code: str) -> str:
    """Where a code is explained. Markdown renderers make a heading's anchor by dropping all but letters, digits and hyphens."""
    return f"{DOCS}#{re.sub(r'[^a-z0-9-]', '', code)}"


def _by_code(errors: Iterable[SlothError]) -> list[list[SlothError]]:
    groups: dict[str, list[SlothError]] = {}
    for error in errors:
        groups.setdefault(error.code, []).append(error)
    return list(groups.values())


def _one(group: Sequence[SlothError], console: Console, *, debug: bool) -> None:
    limit = _EVIDENCE if len(group) == 1 else _EVIDENCE_EACH
    alike = len({error.detail for error in group}) == 1  # one cause on many nodes: its evidence once
    shown = group if debug else group[: _NAMED if alike else _IN_FULL]
    body = Text("\n").join(_summary(error) if alike else _body(error, None if debug else limit) for error in shown)
    if alike:
        body.append_text(_evidence(group[0].detail, None if debug else _EVIDENCE))
    if len(group) > len(shown):
        others = ", ".join(error.where or error.summary for error in group[len(shown) :])
        body.append(f"\nand {len(group) - len(shown)} more: {others}")
    code = group[0].code
    if console.is_terminal:
        many = f" · {len(group)} times" if len(group) > 1 else ""
        title = Text.assemble((code, "bold red"), (many, "red"))
        console.print(Panel(body, title=title, title_align="left", border_style="red", padding=(0, 1)))
    else:
        _print(console, Text(f"error {code}"))
        _print(console, body)
    for hint in dict.fromkeys(error.hint for error in shown):
        _print(console, Text.assemble(("next: ", "bold green"), hint))
    _print(console, Text.assemble(("docs: ", "dim"), (anchor(code), "dim")))


def _body(error: SlothError, limit: int | None) -> Text:
    return _summary(error).append_text(_evidence(error.detail, limit))


def _summary(error: SlothError) -> Text:
    where = f"\n  at {error.where}" if error.where and error.where not in error.summary else ""
    return Text.assemble((error.summary, "bold"), (where, "cyan"))


def _evidence(detail: str, limit: int | None) -> Text:
    body = Text()
    lines = detail.strip("\n").splitlines()
    kept = lines if limit is None else lines[-limit:]
    if len(kept) < len(lines):
        body.append(f"\n  … {len(lines) - len(kept)} lines more in the log", style="dim")
    for line in kept:
        body.append(f"\n  {line}", style="dim")
    return body


def _problems(error: ConfigError, console: Console) -> None:
    _print(console, Text(error.summary, style="bold red"))
    for problem in error.problems:
        where = (f"{problem.where}: " if problem.where else "", "cyan")
        _print(console, Text.assemble(where, problem.summary, (f"  [{problem.code}]", "dim")))
        for line in problem.detail.strip().splitlines():
            _print(console, Text(f"    {line}", style="dim"))
        _print(console, Text(f"    next: {problem.hint}", style="dim"))


def _print(console: Console, text: Text) -> None:
    """Never broken by us: what is to be copied is one line."""
    console.print(text, soft_wrap=True)
