"""Sealing what plans and the history of applies keep of Secrets, with the passphrase or key that records are sealed with."""

from __future__ import annotations

from pathlib import Path

from sloth.errors import KubernetesError


class KeySeal:
    """`sloth.kube.applying.veil.Seal` by this user's key, which is looked for when it is needed. `root`: sloth's folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def close(self, plain: bytes, about: str) -> bytes:
        """Encrypted (AES-256-GCM). Raises CredentialsError."""
        from sloth.adapters.crypt import seal
        from sloth.adapters.passphrase import passphrase

        return seal(plain, passphrase(self._root), {"what": about})

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was encrypted. Raises KubernetesError (`kube/sealed`), CredentialsError."""
        from sloth.adapters.crypt import Unsealable, WrongPassphrase, split, unseal
        from sloth.adapters.passphrase import passphrase

        try:
            taken = split(sealed)
            if taken.header.get("what") != about:
                raise Unsealable("it was sealed for something else")
            return unseal(taken, passphrase(self._root))
        except Unsealable as error:
            other = isinstance(error, WrongPassphrase)
            raise KubernetesError(
                "kube/sealed",
                f"the values of Secrets in {about} cannot be opened",
                detail="they were sealed with another passphrase or key" if other else str(error),
                hint="export SLOTH_PASSPHRASE=… (of whoever applied it), or apply from the files",
            ) from error
