"""How `sloth` starts: the usual forms of `sloth kube get` are read here, everything else by Typer.

Typer and what it reads values with take longer to load than the client and its request together. So what is not plain is left to
it: unknown or repeated options, options glued to their values, help, completion. A test has both read the same command lines.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sloth.cli.kube_get import Question
    from sloth.cli.kube_where import Where

_SWITCHES = {"-A": "everywhere", "--all-namespaces": "everywhere", "--no-headers": "headless", "--no-color": "no_color"}
_VALUES = {
    "-n": "namespace", "--namespace": "namespace", "--context": "context", "--kubeconfig": "kubeconfig",
    "-l": "labels", "--selector": "labels", "--field-selector": "fields", "-o": "form", "--output": "form",
}  # fmt: skip


def read(words: Sequence[str], env: Mapping[str, str] = os.environ) -> tuple[Where, Question] | None:
    """What a command line (without the program) asks for; None where it is not for this module to say."""
    if list(words[:2]) != ["kube", "get"] or any(name.startswith("_SLOTH_") for name in env):
        return None
    taken: dict[str, str] = {}
    what: list[str] = []
    rest = iter(words[2:])
    for word in rest:
        name, sign, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word in _SWITCHES:
            key, value = _SWITCHES[word], "yes"
        elif name in _VALUES:
            key, value = _VALUES[name], value if sign else next(rest, "")
        elif word and not word.startswith("-"):
            what.append(word)
            continue
        else:
            return None
        if key in taken or not value or value.startswith("-"):
            return None
        taken[key] = value
    return _asked(what, taken, env) if what else None


def _asked(what: Sequence[str], taken: Mapping[str, str], env: Mapping[str, str]) -> tuple[Where, Question]:
    from sloth.cli.kube_get import Question
    from sloth.cli.kube_where import Where
    from sloth.kube.api import Select
    from sloth.model.options import Options

    folder = env.get("SLOTH_DATA_DIR")
    options = Options(
        no_color="no_color" in taken, state_dir=Path(folder) if folder else None, state=env.get("SLOTH_STATE", "")
    )  # fmt: skip
    config = taken.get("kubeconfig")
    where = Where(options, taken.get("namespace", ""), taken.get("context", ""), Path(config) if config else None)
    everywhere = "*" if "everywhere" in taken else ""
    select = Select(taken.get("labels", ""), taken.get("fields", ""))
    return where, Question(what, everywhere, select, taken.get("form", "text"), "headless" not in taken)


def run() -> None:
    """The console script's entry point."""
    asked = read(sys.argv[1:])
    if asked is None:
        from sloth.cli.main import run as run_any

        run_any()
        return
    from sloth.cli.executing import execute
    from sloth.cli.kube_get import get_objects

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to fail
    where, question = asked
    sys.exit(execute(where.options, lambda: get_objects(where, question)))


if __name__ == "__main__":
    run()
