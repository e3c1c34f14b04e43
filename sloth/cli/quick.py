"""How `sloth` starts: the usual forms of a few verbs of `sloth kube` are read here, everything else by Typer.

Typer and what it reads values with take longer to load than the client and its request together. So what is not plain is left to
it: unknown or repeated options, options glued to their values, help, completion. A test has both read the same command lines.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sloth.cli.kube_where import Where
    from sloth.model.options import Options, Outcome

_Taken = Mapping[str, str]
_Call: TypeAlias = "partial[Outcome]"  # its first argument is the `Where`


@dataclass(frozen=True)
class Form:
    """The usual command lines of one verb: its options, how many words it may have, and what they come to."""

    call: Callable[[Where, Sequence[str], _Taken], _Call]
    switches: Mapping[str, str]
    values: Mapping[str, str]
    least: int
    most: int


def _get(where: Where, what: Sequence[str], taken: _Taken) -> _Call:
    from sloth.cli.kube_get import Question, get_objects
    from sloth.kube.api import Select

    everywhere = "*" if "everywhere" in taken else ""
    select = Select(taken.get("labels", ""), taken.get("fields", ""))
    return partial(get_objects, where, Question(what, everywhere, select, taken.get("form", "text"), "headless" not in taken))


def _copy(where: Where, what: Sequence[str], taken: _Taken) -> _Call:
    from sloth.cli.kube_copy import copy

    return partial(copy, where, *what, container=taken.get("container", ""), follow="follow" in taken)


_SHARED = {"-n": "namespace", "--namespace": "namespace", "--context": "context", "--kubeconfig": "kubeconfig"}
FORMS = {
    "get": Form(
        _get,
        {"-A": "everywhere", "--all-namespaces": "everywhere", "--no-headers": "headless", "--no-color": "no_color"},
        {**_SHARED, "-l": "labels", "--selector": "labels", "--field-selector": "fields", "-o": "form", "--output": "form"},
        least=1,
        most=1000,
    ),
    "cp": Form(
        _copy,
        {"-L": "follow", "--dereference": "follow", "--no-color": "no_color"},
        {**_SHARED, "-c": "container", "--container": "container"},
        least=2,
        most=2,
    ),
}


def read(words: Sequence[str], env: Mapping[str, str] = os.environ) -> _Call | None:
    """What a command line (without the program) asks for; None where it is not for this module to say."""
    form = FORMS.get(words[1]) if len(words) > 1 and words[0] == "kube" else None
    if form is None or any(name.startswith("_SLOTH_") for name in env):
        return None
    what: list[str] = []
    taken = _taken(form, words[2:], what)
    if taken is None or not form.least <= len(what) <= form.most:
        return None
    return form.call(_where(taken, env), what, taken)


def _taken(form: Form, words: Sequence[str], what: list[str]) -> dict[str, str] | None:
    """The options by what they mean, the other words into `what`; None where a word is not plain."""
    taken: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, sign, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word in form.switches:
            key, value = form.switches[word], "yes"
        elif name in form.values:
            key, value = form.values[name], value if sign else next(rest, "")
        elif word and not word.startswith("-"):
            what.append(word)
            continue
        else:
            return None
        if key in taken or not value or value.startswith("-"):
            return None
        taken[key] = value
    return taken


def _where(taken: _Taken, env: Mapping[str, str]) -> Where:
    from sloth.cli.kube_where import Where
    from sloth.model.options import Options

    folder = env.get("SLOTH_DATA_DIR")
    options = Options(
        no_color="no_color" in taken, state_dir=Path(folder) if folder else None, state=env.get("SLOTH_STATE", "")
    )  # fmt: skip
    config = taken.get("kubeconfig")
    return Where(options, taken.get("namespace", ""), taken.get("context", ""), Path(config) if config else None)


def run() -> None:
    """The console script's entry point."""
    call = read(sys.argv[1:])
    if call is None:
        from sloth.cli.main import run as run_any

        run_any()
        return
    from sloth.cli.executing import execute

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to fail
    options: Options = call.args[0].options
    sys.exit(execute(options, call))


if __name__ == "__main__":
    run()
