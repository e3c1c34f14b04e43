"""What records are encrypted with: a passphrase of the user's, or by default a random key in a file that only the user reads."""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from sloth.adapters.durable import create_file, explained
from sloth.adapters.paths import private
from sloth.errors import CredentialsError
from sloth.model.secret import Secret

KEY_PREFIX = "sloth-key-"  # marks a generated key: random already, so it needs no stretching
_KEY = re.compile(re.escape(KEY_PREFIX) + r"[A-Za-z0-9_-]{43}")  # 32 random bytes


def passphrase(root: Path) -> Secret:
    """From $SLOTH_PASSPHRASE, the file in $SLOTH_PASSPHRASE_FILE, the keyring entry $SLOTH_KEYRING, or the key file.

    Raises CredentialsError; StateError when the key file cannot be made.
    """
    if os.environ.get("SLOTH_PASSPHRASE"):
        return _checked(os.environ["SLOTH_PASSPHRASE"], "$SLOTH_PASSPHRASE")
    if os.environ.get("SLOTH_PASSPHRASE_FILE"):
        return _from_file(Path(os.environ["SLOTH_PASSPHRASE_FILE"]))
    if os.environ.get("SLOTH_KEYRING"):
        return _from_keyring(os.environ["SLOTH_KEYRING"])
    return _key_file(root / "key")


def _checked(text: str, whence: str) -> Secret:
    """Nobody's guessable key may pass for a generated one, which is not stretched; nor may nothing at all."""
    if not text or (text.startswith(KEY_PREFIX) and not _KEY.fullmatch(text)):
        why = f"begins with {KEY_PREFIX} but is no generated key" if text else "is empty"
        raise CredentialsError(
            "credentials/passphrase", f"the passphrase from {whence} {why}", where=whence, hint="export SLOTH_PASSPHRASE=…"
        )
    return Secret(text)


def _from_file(path: Path) -> Secret:
    try:
        text = path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(
            "credentials/passphrase-file",
            f"the passphrase file {path} cannot be read",
            detail=str(error),
            where=str(path),
            hint=f"ls -l {path}",
        ) from error
    return _checked(text, str(path))


def _from_keyring(entry: str) -> Secret:
    """$SLOTH_KEYRING names the entry of service `sloth` in the user's keyring (extra `keyring`).

    Named, not tried: asking every keyring that might be there takes longer than a run that changes nothing.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise CredentialsError(
            "credentials/no-keyring", "the keyring library is not installed", hint="pip install 'sloth-kubernetes[keyring]'"
        ) from error
    try:
        found = keyring.get_password("sloth", entry)
    except KeyringError as error:
        raise CredentialsError(
            "credentials/keyring", f"the keyring refused entry {entry}", detail=str(error), hint="unlock the keyring"
        ) from error
    if not found:
        raise CredentialsError("credentials/keyring", f"the keyring has no entry {entry}", hint=f"keyring set sloth {entry}")
    return _checked(found, f"keyring entry {entry}")


def _key_file(path: Path) -> Secret:
    if not path.exists():
        with explained(path.parent):
            private(path.parent)
            with suppress(FileExistsError):  # another process was quicker; its key is ours too
                create_file(path, f"{KEY_PREFIX}{secrets.token_urlsafe(32)}\n".encode())
    return _read_key(path)


def _read_key(path: Path) -> Secret:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(
            "credentials/key-damaged",
            f"the key file {path} cannot be read",
            detail=str(error),
            where=str(path),
            hint=f"ls -l {path}",
        ) from error
    if mode & 0o077:
        raise CredentialsError(
            "credentials/key-readable",
            f"others may read the key file {path} (mode {mode:04o})",
            where=str(path),
            hint=f"chmod 600 {path}",
        )
    if not _KEY.fullmatch(text):
        raise CredentialsError(
            "credentials/key-damaged",
            f"{path} is not a key file of sloth",
            where=str(path),
            hint=f"restore {path} from a backup; without it the records cannot be opened",
        )
    return Secret(text)
