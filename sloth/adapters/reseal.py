"""A record under another passphrase: read with the one in force, written with the new one, under the cluster's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sloth.contracts.state import Kept
from sloth.errors import UsageError
from sloth.model.record import Record

NEW = "SLOTH_NEW_PASSPHRASE"
NEW_FILE = "SLOTH_NEW_PASSPHRASE_FILE"
_IN_FORCE = ("SLOTH_PASSPHRASE", "SLOTH_PASSPHRASE_FILE", "SLOTH_KEYRING", "SLOTH_SECRETS_PROVIDER")


def reseal(make: Callable[[], Kept], cluster: str) -> Record:
    """The record as it was saved under $SLOTH_NEW_PASSPHRASE or the text in $SLOTH_NEW_PASSPHRASE_FILE. Raises SlothError.

    Older revisions stay as they are, under the passphrase of their time.
    """
    new = _new()
    state = make()
    state.lock("certs")
    try:
        record = state.load()
        if record is None:
            raise UsageError("usage/unknown-cluster", f"no record of {cluster} is kept", hint="sloth state list")
        with _environment(new):
            return make().restore(record)
    finally:
        state.unlock()


def _new() -> dict[str, str]:
    given = {name: os.environ[name] for name in (NEW, NEW_FILE) if os.environ.get(name)}
    if len(given) != 1:
        raise UsageError(
            "usage/no-new-passphrase",
            "the new passphrase is not given" if not given else "the new passphrase is given twice",
            detail=f"set one of ${NEW} and ${NEW_FILE}; passphrases never stand in a command",
            hint=f"export {NEW_FILE}=/path/to/file",
        )
    if NEW in given:
        return {"SLOTH_PASSPHRASE": given[NEW]}
    return {"SLOTH_PASSPHRASE_FILE": str(Path(given[NEW_FILE]))}


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Only these of the variables that say what records are sealed with."""
    before = {name: os.environ.pop(name) for name in _IN_FORCE if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)
