"""Objects that are replaced only if they are still the ones that were read: a bucket of S3, GCS or Azure, through obstore.

A store may do what it was asked and its answer still be lost, or be asked twice by the library and refuse the second time. So
after every refusal the object is looked at: each content is written once in its life (a nonce or an owner is in it), and
whoever finds their own has written it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sloth.adapters.object_url import StateUrl, account_of
from sloth.errors import SlothError, StateError

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ObjectStore as Bucket

T = TypeVar("T")
_RETRIES = 3
_PIECE = 1 << 20  # bytes of a large object read at a time
_PATIENCE = timedelta(seconds=20)  # for one request with its retries
_MISSING = ("NoSuchBucket", "bucket does not exist", "ContainerNotFound")  # what S3, GCS and Azure say


@dataclass(frozen=True)
class Found:
    """An object as it was read or written."""

    data: bytes
    version: Mapping[str, str]  # e_tag and, where the store has it, version
    written: float  # Unix seconds by the store's clock; 0 = not asked


class Conflict(Exception):
    """The object is not the one that was expected. `now` = what is there instead."""

    def __init__(self, now: Found | None) -> None:
        super().__init__("the object was changed")
        self.now = now


class ObjectStore:
    """Objects below one prefix. All methods raise StateError for a store that refuses or does not answer."""

    def __init__(self, bucket: Bucket, address: StateUrl) -> None:
        self._bucket = bucket
        self._address = address

    def at(self, path: str) -> str:
        """The object's address, for messages."""
        return self._address.at(path)

    def get(self, path: str) -> Found | None:
        """The object, or None."""
        import obstore

        with self._explained(path):
            try:
                answer, data = _interruptibly(lambda: _fetched(obstore.get(self._bucket, path)))
            except FileNotFoundError as error:
                if any(text in str(error) for text in _MISSING):
                    raise
                return None
            meta: Mapping[str, Any] = answer.meta
            return Found(data, _version(meta), meta["last_modified"].timestamp())

    def put(self, path: str, data: bytes, expected: Found | None) -> Found:
        """Write `data` if the object is still `expected` (None = not there). Raises Conflict if it is not."""
        import obstore

        mode: Any = "create" if expected is None else dict(expected.version)
        try:
            put = lambda: obstore.put(self._bucket, path, data, mode=mode, use_multipart=False)  # noqa: E731
            answer: Mapping[str, Any] = _interruptibly(put)
        except Exception as error:  # whatever it says, the object tells what happened
            return self._settled(path, data, expected, error)
        return Found(data, _version(answer), 0)

    def overwrite(self, path: str, data: bytes) -> None:
        """Write, whatever is there."""
        import obstore

        with self._explained(path):
            _interruptibly(lambda: obstore.put(self._bucket, path, data, use_multipart=False))

    def delete(self, path: str) -> None:
        """Remove the object; none is no error."""
        import obstore

        with self._explained(path), suppress(FileNotFoundError):
            _interruptibly(lambda: obstore.delete(self._bucket, path))

    def read(self, path: str) -> bytes:
        """The object's content; b"" where there is none."""
        found = self.get(path)
        return found.data if found else b""

    def upload(self, path: str, source: Path) -> None:
        """Write a file of any size, whatever is there: in parts, several at a time. Parts of one that failed are no object."""
        import obstore

        with self._explained(path):
            _interruptibly(lambda: obstore.put(self._bucket, path, source, use_multipart=None))

    def pieces(self, path: str) -> Iterator[bytes]:
        """The object's content, piece by piece; an object that is not there is an error."""
        import obstore

        with self._explained(path):
            stream = iter(_interruptibly(lambda: obstore.get(self._bucket, path)).stream(min_chunk_size=_PIECE))
            while (piece := _interruptibly(lambda: next(stream, None))) is not None:
                yield bytes(piece)

    def names(self, folder: str) -> list[str]:
        """Names of the objects right below a folder."""
        return sorted(found["path"].rpartition("/")[2] for found in self._list(folder)["objects"])

    def folders(self, folder: str) -> list[str]:
        """Names of the folders right below a folder."""
        return sorted(path.rstrip("/").rpartition("/")[2] for path in self._list(folder)["common_prefixes"])

    def clock(self, path: str) -> float:
        """The store's time, in Unix seconds: that of an object written now. No two hosts' clocks are compared anywhere."""
        self.overwrite(path, os.urandom(8))
        found = self.get(path)
        return found.written if found else 0.0

    def _list(self, folder: str) -> Mapping[str, Any]:
        import obstore

        with self._explained(folder):
            found: Mapping[str, Any] = _interruptibly(lambda: obstore.list_with_delimiter(self._bucket, folder))
            return found

    def _settled(self, path: str, data: bytes, expected: Found | None, error: Exception) -> Found:
        try:
            now = self.get(path)
        except StateError:
            with self._explained(path):
                raise error from None
        if now and now.data == data:
            return now
        if (now.version if now else None) != (expected.version if expected else None):
            raise Conflict(now) from error
        with self._explained(path):
            raise error

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StateError(
                "state/denied", "the object store refuses these credentials", detail=_short(error), where=self.at(path),
                hint="check the credentials of the object store: docs/guide/state.md names what they must be allowed",
            ) from error  # fmt: skip
        except (BaseError, OSError, ValueError, TypeError) as error:
            if any(text in str(error) for text in _MISSING):
                raise StateError(
                    "state/no-bucket", f"there is no bucket {self._address.bucket}", detail=_short(error), where=self.at(path),
                    hint="make it first, private and with versioning, or correct --state",
                ) from error  # fmt: skip
            raise StateError(
                "state/unreachable", "the object store did not do what it was asked", detail=_short(error), where=self.at(path),
                hint="run the same command again; it looks first at what was saved",
            ) from error  # fmt: skip


def _version(meta: Mapping[str, Any]) -> dict[str, str]:
    return {name: meta[name] for name in ("e_tag", "version") if meta.get(name) is not None}


def _short(error: Exception) -> str:
    """What a store says can be pages; its first lines name the request and the reason."""
    return str(error).partition("\n\nDebug source")[0][:600]


def _fetched(answer: GetResult) -> tuple[GetResult, bytes]:
    return answer, bytes(answer.bytes())


def _interruptibly(work: Callable[[], T]) -> T:
    """Do it while Ctrl-C is heard: the library holds the thread that calls it until a store that is silent has timed out."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    done = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        done.set()

    threading.Thread(target=call, name="object-store", daemon=True).start()
    done.wait()
    if errors:
        raise errors[0]
    return results[0]


def connect(address: StateUrl, credentials: Mapping[str, str] | None = None) -> ObjectStore:
    """The bucket that an address names, with these credentials or those of the environment. Raises StateError, UsageError."""
    try:
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError as error:
        raise StateError(
            "state/no-obstore", "the library for state on an object store is not installed",
            where=f"--state {address.at('')}", hint="pip install 'sloth-kubernetes[state]'",
        ) from error  # fmt: skip
    shared: dict[str, Any] = {
        "prefix": address.prefix or None,
        "client_options": {"timeout": "15s", "connect_timeout": "5s", "allow_http": _plain_http(address)},
        "retry_config": {"max_retries": _RETRIES, "retry_timeout": _PATIENCE},
    }
    try:
        if address.scheme == "gs":
            return ObjectStore(GCSStore(address.bucket, **shared), address)
        if address.scheme == "azblob":
            return ObjectStore(AzureStore(address.bucket, config={"account_name": account_of(address)}, **shared), address)
        return ObjectStore(S3Store(address.bucket, **_s3(address, credentials), **shared), address)
    except SlothError:
        raise
    except Exception as error:
        raise StateError(
            "state/denied", "the object store cannot be used with these settings", detail=_short(error),
            where=address.at(""), hint="check --state and the credentials in the environment: docs/guide/state.md",
        ) from error  # fmt: skip


def _s3(address: StateUrl, credentials: Mapping[str, str] | None) -> dict[str, Any]:
    config: dict[str, Any] = {name: address.params[name] for name in ("region", "endpoint") if name in address.params}
    if "endpoint" in config:
        config["virtual_hosted_style_request"] = False  # whatever the environment says: the address decides
    if credentials:
        return {"config": {**config, **credentials}}
    session = _session(address)
    if session is None or session.get_credentials() is None:
        return {"config": config}
    from obstore.auth.boto3 import Boto3CredentialProvider

    if session.region_name and not os.environ.get("AWS_REGION"):
        config.setdefault("region", session.region_name)
    return {"config": config, "credential_provider": Boto3CredentialProvider(session)}


def _session(address: StateUrl) -> Any:
    """A session that reads the user's AWS files, which the library itself does not; None where that is not wanted."""
    profile = address.params.get("profile") or os.environ.get("AWS_PROFILE")
    named = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
    files = [os.environ.get(name) or usual for name, usual in named]
    if not profile and (os.environ.get("AWS_ACCESS_KEY_ID") or not any(Path(name).expanduser().exists() for name in files)):
        return None  # keys in the environment, or a role of the machine or of the CI job: the library finds both
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        if not profile:
            return None
        raise StateError(
            "state/no-boto3", f"the AWS profile {profile} can only be read with boto3", where=address.at(""),
            hint="pip install 'sloth-kubernetes[awskms]'",
        ) from error  # fmt: skip
    try:
        return boto3.Session(profile_name=profile)
    except BotoCoreError as error:
        raise StateError(
            "state/denied", f"the AWS profile {profile} cannot be used", detail=_short(error), where=address.at(""),
            hint="aws configure list-profiles",
        ) from error  # fmt: skip


def _plain_http(address: StateUrl) -> bool:
    """Only where the user wrote it: a store in one's own network."""
    names = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ENDPOINT")
    given = [address.params.get("endpoint", ""), *(os.environ.get(name, "") for name in names)]
    return any(text.startswith("http://") for text in given)
