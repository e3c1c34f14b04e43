"""The options that every verb shares, and what a verb hands back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Form = Literal["text", "json"]


@dataclass(frozen=True)
class Options:
    """Values of the shared options."""

    files: tuple[Path, ...] = ()
    env: str = ""  # name of an overlay beside the first file: sloth.d/ENV.yaml
    cluster: str = ""  # instead of files: a cluster that the state knows
    output: Form = "text"
    no_color: bool = False
    log_format: Form = "text"
    debug: bool = False
    state_dir: Path | None = None  # sloth's directory on this machine
    state: str = ""  # address of the records, if they are elsewhere

    @property
    def colorless(self) -> bool:
        """Whether colours are switched off by option or by NO_COLOR (https://no-color.org)."""
        return self.no_color or bool(os.environ.get("NO_COLOR"))


@dataclass(frozen=True)
class Outcome:
    """What a verb hands back: data for `--output json`, and either text or a function that prints for people."""

    kind: str
    data: Any = None
    text: str = ""
    show: Callable[[Options], None] | None = None
    exit: int = 0
    warnings: tuple[str, ...] = ()
    # What is wrong with what was looked at: a SlothError or ManyErrors for the envelope; the data is shown all the same.
    failure: Any = None
