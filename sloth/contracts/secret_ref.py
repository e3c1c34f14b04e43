"""Resolve a reference to a secret: from the environment, a file, or what a command prints."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sloth.errors import CredentialsError
from sloth.model.secret import Secret

TIMEOUT = 60  # seconds for a command; a password manager may ask its owner
MAX_BYTES = 1 << 20


def resolve(ref: Mapping[str, Any]) -> Secret:
    """The secret that `{env: NAME}`, `{file: PATH}` or `{command: [..]}` refers to. Raises CredentialsError."""
    if len(ref) == 1:
        ((kind, value),) = ref.items()
        if kind == "env" and isinstance(value, str):
            return _from_env(value)
        if kind == "file" and isinstance(value, str):
            return _from_file(value)
        if kind == "command" and isinstance(value, (list, tuple)) and value and all(isinstance(word, str) for word in value):
            return _from_command(value)
    raise CredentialsError(
        "credentials/reference",
        "a secret's reference has an unknown form",
        hint="write {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}",
    )


def _from_env(name: str) -> Secret:
    value = os.environ.get(name, "").strip()
    if not value:
        raise CredentialsError("credentials/env", f"the environment variable {name} is not set", hint=f"export {name}=…")
    return Secret(value)


def _from_file(name: str) -> Secret:
    try:
        path = Path(name).expanduser()
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode()
    except OSError as error:
        raise CredentialsError(
            "credentials/file", f"the secret's file {name} cannot be read: {error.strerror}", hint=f"ls -l {name}"
        ) from None
    except (ValueError, RuntimeError):
        # Not UTF-8, a NUL in the path, or `~name` of nobody.
        raise CredentialsError("credentials/file", f"the secret's file {name} is not text", hint=f"file {name}") from None
    return _kept(text, f"the secret's file {name}")


def _from_command(words: Sequence[str]) -> Secret:
    try:
        done = subprocess.run(list(words), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)
        text = done.stdout.decode()
    except subprocess.TimeoutExpired:
        raise _failed(words, f"gave no answer in {TIMEOUT} s") from None
    except UnicodeDecodeError:
        raise _failed(words, "printed something that is not text") from None
    except (OSError, ValueError) as error:
        raise _failed(words, f"cannot be run: {getattr(error, 'strerror', error)}") from None
    if done.returncode != 0:
        evidence = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
        raise _failed(words, f"ended with exit code {done.returncode}", "\n".join(evidence))
    return _kept(text, f"the output of `{words[0]}`")


def _kept(text: str, whence: str) -> Secret:
    """A single line loses its newline; a key of several lines keeps it, for its readers want it."""
    if not text.strip():
        raise CredentialsError(
            "credentials/empty", f"{whence} is empty", hint="put the secret there, or correct the reference in the spec"
        )
    lines = text.rstrip("\r\n")
    return Secret(lines if "\n" not in lines else f"{lines}\n")


def _failed(words: Sequence[str], why: str, detail: str = "") -> CredentialsError:
    return CredentialsError(
        "credentials/command", f"the secret's command `{words[0]}` {why}", detail=detail, hint=f"run `{words[0]}` by hand and see"
    )
