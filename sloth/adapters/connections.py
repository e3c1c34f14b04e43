"""The vault of clusters that sloth did not make: sealed by what records are sealed with, in sloth's folder on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sloth.kube.vault import Vault


def vault_in(root: Path) -> Vault:
    """The vault of this user. The key is looked for when something is sealed or opened. `root`: sloth's folder."""
    from sloth.adapters.durable import replace_file
    from sloth.kube.vault import Vault

    def close(plain: bytes, about: dict[str, Any]) -> bytes:
        from sloth.adapters.crypt import seal
        from sloth.adapters.passphrase import passphrase

        return seal(plain, passphrase(root), about)

    def reopen(blob: bytes) -> tuple[Mapping[str, Any], bytes]:
        from sloth.adapters.crypt import split, unseal
        from sloth.adapters.passphrase import passphrase

        taken = split(blob)
        return taken.header, unseal(taken, passphrase(root))

    return Vault(root / "connections", close, reopen, replace_file)
