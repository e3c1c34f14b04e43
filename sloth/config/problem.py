"""Problems of a spec: how one is worded, and how many become the one error that is raised."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sloth.config.tree import Mark, Path
from sloth.errors import ConfigError

_LONGEST_SHOWN = 60  # characters of an offending value


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One problem, the path it is about, and the paths whose value must be right for it to be true."""

    path: Path
    problem: ConfigError
    mark: Mark
    depends: tuple[Path, ...] = ()


def shown(value: Any) -> str:
    """A value as a message shows it: like YAML, one line, cut to a readable length, nothing that a terminal would act on."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: …" for key in list(value)[:3]) + "}"
    elif isinstance(value, list):
        text = f"a list of {len(value)}"
    else:
        text = str(value)
    text = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[: _LONGEST_SHOWN + 1])
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def nearest(word: str, known: Iterable[Any]) -> str:
    """The known word that was most likely meant, or ""."""
    words = {str(item).lower(): str(item) for item in known}
    found = difflib.get_close_matches(word.lower()[:80], list(words), n=1, cutoff=0.6)
    return words[found[0]] if found else ""


def one_of(known: Sequence[Any]) -> str:
    """`a, b or c`."""
    words = [f"`{item}`" for item in known]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "nothing"


def advice(word: str, known: Sequence[Any]) -> str:
    """`did you mean …?` if something known is near, otherwise the list of what is known."""
    meant = nearest(word, known)
    return f"did you mean `{meant}`?" if meant else f"use {one_of(known)}"


def combine(problems: Sequence[ConfigError], files: Sequence[str]) -> ConfigError:
    """One problem as itself; several as one error that carries them in the order of the files and lines."""
    if len(problems) == 1:
        return problems[0]
    named = ", ".join(files)
    return ConfigError(
        "config/invalid",
        f"{len(problems)} problems in {named}",
        detail="\n".join(f"{problem.where}: {problem.summary} ({problem.hint})" for problem in problems),
        hint="correct them, then run `sloth validate`",
        where=named,
        problems=tuple(problems),
    )


def in_order(findings: Iterable[Finding], files: Sequence[str]) -> list[ConfigError]:
    """Problems in the order in which their places come, each said once."""
    rank = {name: number for number, name in enumerate(files)}
    ordered = sorted(findings, key=lambda found: (rank.get(found.mark.file, 99), found.mark.line, found.mark.column))
    unique = {(found.problem.code, found.problem.where, found.problem.summary): found.problem for found in ordered}
    return list(unique.values())
