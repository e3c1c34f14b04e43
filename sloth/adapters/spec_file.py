"""Writing a changed spec back into its file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sloth.adapters.durable import sync_folder, write_aside
from sloth.errors import ConfigError


def write_back(texts: Mapping[str, bytes], before: Mapping[str, bytes]) -> None:
    """Replace each file whole, with the mode it has; a link stays a link. `before` = what it must hold until now.

    Raises ConfigError if somebody has changed it meanwhile, or it cannot be written; then it is as it was.
    """
    for name, text in texts.items():
        path = Path(name).resolve()
        try:
            if path.read_bytes() != before[name]:
                raise ConfigError(
                    "config/changed-meanwhile",
                    f"{name} was changed while sloth was about to change it: it is left as it is",
                    where=name,
                    hint="run the same command again",
                )
            aside = write_aside(path, text)
            try:
                aside.chmod(path.stat().st_mode & 0o7777)
                os.replace(aside, path)
            finally:
                aside.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise ConfigError(
                "config/unwritable", f"{name} cannot be written: {error.strerror or error}", where=name, hint=f"ls -l {name}"
            ) from error
