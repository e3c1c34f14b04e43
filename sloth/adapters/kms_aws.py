"""Envelope encryption with AWS KMS: `awskms://KEY?region=REGION`, KEY = an id, `alias/NAME` or `/ARN`, as Pulumi writes it.

The service makes a data key for each record that is new, and unwraps it once per run. The cluster's name is the encryption
context: a data key wrapped for one cluster is refused for another, and every use shows in the service's log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sloth.adapters.crypt import WrongPassphrase
from sloth.errors import CredentialsError
from sloth.model.secret import Secret

_PARAMS = ("region", "profile")
_NOT_OURS = ("InvalidCiphertextException", "IncorrectKeyException")  # AWS KMS API reference, Decrypt


class AwsKms:
    """`sloth.adapters.crypt.Envelope`. Raises CredentialsError for an address that is wrong."""

    def __init__(self, address: str, cluster: str, before: Callable[[], Secret]) -> None:
        self.name = address
        self._key, self._params = _parse(address)
        self._context = {"sloth:cluster": cluster}
        self._before = before
        self._known: dict[bytes, bytes] = {}  # wrapped -> data key, so that the service is asked once

    def fresh(self) -> tuple[bytes, bytes]:
        """A new data key, and the same wrapped. Raises CredentialsError."""
        answer = self._ask("generate_data_key", KeyId=self._key, KeySpec="AES_256", EncryptionContext=self._context)
        data, wrapped = bytes(answer["Plaintext"]), bytes(answer["CiphertextBlob"])
        self._known[wrapped] = data
        return data, wrapped

    def unwrapped(self, wrapped: bytes) -> bytes:
        """That data key. Raises WrongPassphrase, CredentialsError."""
        if wrapped not in self._known:
            answer = self._ask("decrypt", KeyId=self._key, CiphertextBlob=wrapped, EncryptionContext=self._context)
            self._known[wrapped] = bytes(answer["Plaintext"])
        return self._known[wrapped]

    def before(self) -> Secret:
        """The passphrase of the time before the service was in use."""
        return self._before()

    def _ask(self, what: str, **values: Any) -> dict[str, Any]:
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise CredentialsError(
                "credentials/no-boto3", "the library for AWS KMS is not installed", hint="pip install 'sloth-kubernetes[awskms]'"
            ) from error
        try:
            session = boto3.Session(profile_name=self._params.get("profile"), region_name=self._params.get("region"))
            answer: dict[str, Any] = getattr(session.client("kms"), what)(**values)
        except ClientError as error:
            if what == "decrypt" and error.response.get("Error", {}).get("Code") in _NOT_OURS:
                raise WrongPassphrase("it is sealed with another key of AWS KMS, or for another cluster") from error
            raise self._refused(error) from error
        except (BotoCoreError, ValueError) as error:
            raise self._refused(error) from error
        return answer

    def _refused(self, error: Exception) -> CredentialsError:
        return CredentialsError(
            "credentials/kms", f"AWS KMS did not do what it was asked with {self.name}", detail=str(error)[:600],
            where="$SLOTH_SECRETS_PROVIDER",
            hint="aws kms describe-key; the user needs kms:GenerateDataKey and kms:Decrypt on that key",
        )  # fmt: skip


def _parse(address: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(address)
    key = (parts.netloc + parts.path).lstrip("/")
    try:
        params = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        params = {"": ""}
    if not key or parts.fragment or set(params) - set(_PARAMS):
        raise CredentialsError(
            "credentials/secrets-provider", f"{address} is no address of an AWS KMS key",
            detail=f"parameters: {', '.join(_PARAMS)}", where="$SLOTH_SECRETS_PROVIDER",
            hint="export SLOTH_SECRETS_PROVIDER='awskms://alias/NAME?region=REGION'",
        )  # fmt: skip
    return key, params
