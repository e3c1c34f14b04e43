"""Addresses of shared state: `s3://BUCKET/PREFIX?region=…`, `gs://…`, `azblob://…`, `file:///…`.

The parameters are those that the engine's CLI knows, so that one address serves its state too (gocloud.dev: s3blob, azureblob).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl, urlencode, urlsplit

from sloth.errors import UsageError
from sloth.model.secret import learn

_PATH_STYLE = ("use_path_style", "s3ForcePathStyle")
_KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "s3": ("region", "endpoint", "profile", *_PATH_STYLE),
        "gs": (),
        "azblob": ("storage_account",),
        "file": (),
    }
)
_ENGINE = "engine"  # the engine's state lies below this


@dataclass(frozen=True)
class StateUrl:
    """An address, taken apart. Made by `parse_url`."""

    scheme: str
    bucket: str
    prefix: str  # without slashes around it; of `file`: the absolute path
    params: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Of scheme `file`: the directory."""
        return Path(self.prefix)

    def at(self, path: str) -> str:
        """The address of something below it, for messages."""
        return f"{self.scheme}://" + "/".join(part for part in (self.bucket, self.prefix, path) if part)


def parse_url(url: str) -> StateUrl:
    """The address, checked. Raises UsageError."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, strict_parsing=True) if parts.query else []
        secret = parts.password or parts.username
    except ValueError as error:
        raise _wrong("that is no address", str(error)) from error
    if secret:
        learn(secret)
        raise _wrong("credentials do not belong into an address", "other processes can read it; use the environment")
    if parts.scheme not in _KNOWN:
        raise _wrong(f"`{parts.scheme or url}` is no kind of state", "known: s3://, gs://, azblob://, file://")
    unknown = [name for name, _ in query if name not in _KNOWN[parts.scheme]]
    if unknown or parts.fragment:
        known = ", ".join(_KNOWN[parts.scheme]) or "none"
        raise _wrong(f"it has parameters that {parts.scheme}:// has not: {', '.join(unknown) or '#'}", f"known: {known}")
    if parts.scheme == "file":
        return StateUrl("file", "", str(_folder(parts.netloc + parts.path)), {})
    prefix = parts.path.strip("/")
    if not parts.netloc or any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise _wrong("it names no bucket, or the path below it has empty parts", f"given: {parts.netloc or '(no bucket)'}")
    return StateUrl(parts.scheme, parts.netloc, prefix, _path_style(dict(query)))


def _path_style(params: dict[str, str]) -> dict[str, str]:
    """With an endpoint of one's own the bucket is part of the path, not of the host's name: so to both, record and engine."""
    if "endpoint" not in params:
        return params
    if any(params.get(name, "true").lower() not in ("true", "1") for name in _PATH_STYLE):
        raise _wrong("with an endpoint, the bucket must be in the path", "leave use_path_style out")
    return params if any(name in params for name in _PATH_STYLE) else {**params, "use_path_style": "true"}


def engine_backend(url: str) -> tuple[str, Mapping[str, str]]:
    """Where the engine keeps its state, beside the records, and what its process needs in its environment for that.

    Credentials that it finds by itself (AWS_*, GOOGLE_APPLICATION_CREDENTIALS, AZURE_*) are not repeated. Raises UsageError.
    """
    place = parse_url(url)
    query = f"?{urlencode(place.params)}" if place.params else ""
    return f"{place.at(_ENGINE)}{query}", _environment(place)


def _environment(place: StateUrl) -> dict[str, str]:
    if place.scheme != "azblob":
        return {}
    found = {"AZURE_STORAGE_ACCOUNT": account_of(place)}
    # The engine knows the first name only, the object store library both.
    if key := os.environ.get("AZURE_STORAGE_KEY") or os.environ.get("AZURE_STORAGE_ACCOUNT_KEY"):
        learn(key)
        found["AZURE_STORAGE_KEY"] = key
    return found


def account_of(place: StateUrl) -> str:
    """The storage account of an azblob address. Raises UsageError if neither it nor the environment names one."""
    names = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
    account = place.params.get("storage_account") or next((os.environ[name] for name in names if os.environ.get(name)), "")
    if not account:
        raise _wrong("it names no storage account", "azblob://CONTAINER?storage_account=NAME, or AZURE_STORAGE_ACCOUNT")
    return account


def _folder(path: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_absolute():
        raise _wrong("a path must be absolute", f"given: {path or '(nothing)'}")
    return found


def _wrong(why: str, detail: str) -> UsageError:
    return UsageError(
        "usage/state-url", f"the address of the state is wrong: {why}", detail=detail, where="--state, SLOTH_STATE",
        hint="--state 's3://BUCKET/PREFIX?region=REGION' or --state file:///PATH",
    )  # fmt: skip
