"""Values of a kubeconfig changed in place: comments, order, quotes and all other keys stay as their owner wrote them.

The lock is that of kubectl (client-go: tools/clientcmd/config.go), a file beside it with `.lock` at its end, so that neither
loses what the other writes.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PATIENCE, _EVERY = 10.0, 0.05  # seconds
_STALE = 60.0  # seconds after which a lock was left by a program that died: kubectl holds it for milliseconds


@contextmanager
def locked(path: Path, now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold kubectl's lock of this file. Raises OSError: the folder cannot be written, or somebody does not let go."""
    lock = path.with_name(f"{path.name}.lock")
    waited = 0.0
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            break
        except FileExistsError:
            with suppress(FileNotFoundError):
                if now() - lock.stat().st_mtime > _STALE:
                    lock.unlink()
                    continue
            if waited >= _PATIENCE:
                raise
            waited += _EVERY
            sleep(_EVERY)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Replace the file as a whole, for its owner alone; a link stays a link. Raises OSError, and leaves it as it was then."""
    real = path.resolve()
    aside = real.with_name(f".{real.name}.{secrets.token_hex(4)}.new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode(errors="surrogateescape"))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, real)
    finally:
        aside.unlink(missing_ok=True)


def provider_config(text: str, user: str) -> dict[str, Any]:
    """The `auth-provider.config` of a user as it stands in a file; empty if it has none, or if the file is no YAML now."""
    import yaml

    try:
        return _config(yaml.safe_load(text), user)
    except (yaml.YAMLError, AttributeError, TypeError, RecursionError):
        return {}


def with_values(text: str, user: str, values: Mapping[str, str]) -> str:
    """The text with these values in the `auth-provider.config` of a user. Raises ValueError where that cannot be done safely."""
    import yaml

    try:
        old = _apart(yaml.safe_load(text))
        config = _find(yaml.compose(text, Loader=yaml.SafeLoader), user)
        edits = [_edit(config, key, value) for key, value in values.items()]
        new = text
        for begin, end, words in sorted(edits, reverse=True):
            new = new[:begin] + words + new[end:]
        # Proved, not hoped: the same document but for these values, whatever anchors, tabs or flow styles it is made of.
        _config(old, user).update(values)
        if yaml.safe_load(new) != old:
            raise ValueError("something else would change")
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None
    return new


def _apart(value: Any) -> Any:
    """The same with nothing in two places: what an alias repeats is a value of its own."""
    if isinstance(value, dict):
        return {key: _apart(each) for key, each in value.items()}
    return [_apart(each) for each in value] if isinstance(value, list) else value


def _config(document: Any, user: str) -> dict[str, Any]:
    entries = (document or {}).get("users") or []
    entry = next((each for each in entries if isinstance(each, dict) and each.get("name") == user), {})
    found = ((entry.get("user") or {}).get("auth-provider") or {}).get("config")
    return found if isinstance(found, dict) else {}


def _find(root: Any, user: str) -> Any:
    for entry in _value(root, "users").value:
        if _value(entry, "name").value == user:
            return _value(_value(_value(entry, "user"), "auth-provider"), "config")
    raise KeyError(user)


def _value(mapping: Any, key: str) -> Any:
    return next(value for name, value in mapping.value if name.value == key) if _has(mapping, key) else _missing(key)


def _has(mapping: Any, key: str) -> bool:
    return any(name.value == key for name, _ in mapping.value)


def _missing(key: str) -> Any:
    raise KeyError(key)


def _edit(config: Any, key: str, value: str) -> tuple[int, int, str]:
    """What goes where: the old value replaced, or a new key put before the first one."""
    quoted = json.dumps(value)
    if _has(config, key):
        node = _value(config, key)
        block = node.style in ("|", ">")
        return node.start_mark.index, node.end_mark.index, quoted + "\n" * block
    mark = config.value[0][0].start_mark
    words = f'"{key}": {quoted}, ' if config.flow_style else f"{key}: {quoted}\n{' ' * mark.column}"
    return mark.index, mark.index, words
