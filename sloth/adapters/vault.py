"""Sealing and opening one cluster's records, wherever they are kept; what is wrong with one becomes a StateError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sloth.adapters.crypt import MAGIC, Keys, Sealed, Unsealable, WrongPassphrase, seal, split, unseal
from sloth.adapters.record_json import NewerRecord, dump, parse
from sloth.errors import StateError
from sloth.model.record import SCHEMA, Record

UNREADABLE = (Unsealable, ValueError, TypeError, KeyError, AttributeError)


class OthersRecord(Unsealable):
    """It is whole, and another cluster's."""


@dataclass
class Vault:
    """The key is asked for once, when the first record is opened or sealed."""

    cluster: str
    ask: Callable[[], Keys]
    key_file: Path  # where the generated key lies, for hints

    def __post_init__(self) -> None:
        self._last: Sealed | None = None  # what was opened last; its salt is used again, so that the key is made once

    @cached_property
    def _keys(self) -> Keys:
        return self.ask()

    def seal(self, record: Record, note: dict[str, Any]) -> bytes:
        """The record, encrypted. `note` (when, by whom) is readable and authenticated. Raises CredentialsError."""
        about = {**note, "schema": SCHEMA, "cluster": self.cluster, "revision": record.revision}
        return seal(dump(record), self._keys, about, like=self._last)

    def open(self, blob: bytes, where: str, way_back: Callable[[], str]) -> Record:
        """The record. `way_back()` is the hint when it is damaged. Raises StateError, CredentialsError."""
        try:
            self._last, record = self._parse(blob)
        except WrongPassphrase as error:
            raise self.error(
                "state/wrong-passphrase", "is sealed with another passphrase", where, self._other_key(blob)
            ) from error
        except NewerRecord as error:
            hint = "pip install --upgrade sloth-kubernetes"
            raise self.error("state/newer", f"was written by a newer sloth ({error})", where, hint) from error
        except OthersRecord as error:
            raise self.error("state/other-cluster", f"is another one's: {error}", where, way_back()) from error
        except UNREADABLE as error:
            raise self.error("state/damaged", f"is damaged ({error})", where, way_back()) from error
        return record

    def opens(self, blob: bytes) -> bool:
        """Whether it can be opened."""
        try:
            self._parse(blob)
        except (NewerRecord, *UNREADABLE):
            return False
        return True

    def error(self, code: str, what: str, where: str, hint: str) -> StateError:
        """A failure that has to do with the cluster's record."""
        return StateError(code, f"the record of {self.cluster} {what}", where=where, hint=hint)

    def _other_key(self, blob: bytes) -> str:
        sealed = split(blob)
        if sealed.service:
            return f"export SLOTH_SECRETS_PROVIDER={sealed.service}, if that is a key of yours"
        if sealed.generated:
            return f"unset SLOTH_PASSPHRASE and restore {self.key_file}, the key file that it was made with"
        return "set SLOTH_PASSPHRASE (or SLOTH_PASSPHRASE_FILE) to the one it was made with"

    def _parse(self, blob: bytes) -> tuple[Sealed, Record]:
        sealed = split(blob)
        schema = int(sealed.header.get("schema", 0))
        if schema > SCHEMA:
            raise NewerRecord(f"its schema is {schema}, this one knows {SCHEMA}")
        if sealed.header.get("cluster") != self.cluster:
            raise OthersRecord(f"it is the record of cluster {sealed.header.get('cluster')}")
        return sealed, parse(unseal(sealed, self._keys))


def is_sealed(blob: bytes) -> bool:
    """Whether this begins as a sealed record does, whole or not."""
    return f'"magic": "{MAGIC}"'.encode() in blob.partition(b"\n")[0]
