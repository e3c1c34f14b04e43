"""What records are encrypted with: $SLOTH_SECRETS_PROVIDER says whether a passphrase or a key management service."""

from __future__ import annotations

import os
from pathlib import Path

from sloth.adapters.crypt import Keys
from sloth.adapters.passphrase import passphrase
from sloth.errors import CredentialsError

_SOURCES = ("SLOTH_PASSPHRASE", "SLOTH_PASSPHRASE_FILE", "SLOTH_KEYRING")
_UNTRIED = ("gcpkms://", "azurekeyvault://", "hashivault://")


def keys_for(root: Path, cluster: str, *, shared: bool) -> Keys:
    """The passphrase, or the service's key for this cluster.

    `shared` = the state is not on this machine, so a key that is must not be made up. Raises CredentialsError, StateError.
    """
    provider = os.environ.get("SLOTH_SECRETS_PROVIDER", "") or "passphrase"
    if provider.startswith("awskms://"):
        from sloth.adapters.kms_aws import AwsKms

        return AwsKms(provider, cluster, lambda: passphrase(root))
    if provider != "passphrase":
        known = "passphrase, awskms://KEY?region=REGION"
        what = "is not offered: it was never tried with a real service" if provider.startswith(_UNTRIED) else "is none"
        raise CredentialsError(
            "credentials/secrets-provider", f"the secrets provider {provider} {what}", detail=f"known: {known}",
            where="$SLOTH_SECRETS_PROVIDER", hint="export SLOTH_SECRETS_PROVIDER=passphrase",
        )  # fmt: skip
    if shared and not any(os.environ.get(name) for name in _SOURCES):
        raise CredentialsError(
            "credentials/shared-passphrase",
            "shared state needs a passphrase that others can have too; a key made on this machine would be lost with it",
            detail=f"set one of {', '.join(_SOURCES)}, or SLOTH_SECRETS_PROVIDER",
            hint=f"export SLOTH_PASSPHRASE_FILE={root / 'key'}" if (root / "key").is_file() else "export SLOTH_PASSPHRASE=…",
        )
    return passphrase(root)
