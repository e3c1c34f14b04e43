"""Keys for Kubernetes Secrets at rest, and how one is changed for another without a moment at which something cannot be read.

The order is that of kubernetes.io, "Encrypting Confidential Data at Rest", section "Rotate a decryption key": the new key is put
behind the one in use, on every API server; then it is made the first; then all Secrets are written anew; then the old one goes.
Switching encryption on, or off, is the same rotation from, or to, the provider `identity`, which stores plain text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sloth.model.secret import Secret

IDENTITY = "identity"
_NO_KEYS: Mapping[str, Secret] = {}


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """What every API server shall be configured with now. The first provider writes, all of them read."""

    providers: tuple[str, ...] = (IDENTITY,)  # names of keys, or IDENTITY
    keys: Mapping[str, Secret] = field(default_factory=lambda: _NO_KEYS)  # name -> 32 bytes in base64
    target: str = ""  # who shall write when the rotation under way is over; "" = none is under way
    rewritten: bool = False  # everything has been written by the target
    serial: int = 0  # of the newest key: names are not used twice

    @property
    def settled(self) -> bool:
        """Whether no rotation is under way."""
        return not self.target

    @property
    def on(self) -> bool:
        """Whether Secrets are (or, after the rotation under way, will be) encrypted."""
        return (self.target or self.providers[0]) != IDENTITY

    @property
    def must_rewrite(self) -> bool:
        """Whether the target writes already, and older text is still there."""
        return bool(self.target) and self.providers[0] == self.target and not self.rewritten

    def dump(self) -> Secret:
        """As one secret text, for the record."""
        document = {
            "providers": list(self.providers),
            "keys": {name: key.reveal() for name, key in self.keys.items()},
            "target": self.target,
            "rewritten": self.rewritten,
            "serial": self.serial,
        }
        return Secret(json.dumps(document, sort_keys=True))


def parse(text: Secret | None) -> Encryption | None:
    """What `dump` has made; None of None. Raises ValueError, KeyError for anything else."""
    if text is None:
        return None
    document: dict[str, Any] = json.loads(text.reveal())
    keys = {name: Secret(key) for name, key in document["keys"].items()}
    return Encryption(**{**document, "providers": tuple(document["providers"]), "keys": keys})


def founding(seed: Secret) -> Encryption:
    """For a cluster that has no data yet. `seed` = 64 hexadecimal digits."""
    return Encryption(providers=("key1", IDENTITY), keys={"key1": _key(seed)}, serial=1)


def to_new_key(now: Encryption, seed: Secret) -> Encryption:
    """Begin a rotation to a new key. One that is under way is left as it is: it must be finished first."""
    if not now.settled:
        return now
    serial = now.serial + 1
    name = f"key{serial}"
    return replace(
        now,
        providers=(now.providers[0], name, *now.providers[1:]),
        keys={**now.keys, name: _key(seed)},
        target=name,
        rewritten=False,
        serial=serial,
    )


def to_identity(now: Encryption) -> Encryption:
    """Begin a rotation back to plain text."""
    if not now.settled or now.providers[0] == IDENTITY:
        return now
    return replace(now, target=IDENTITY, rewritten=False)


def advance(now: Encryption) -> Encryption:
    """The next state, once every API server runs with this one (and, where it `must_rewrite`, all is written anew)."""
    if now.settled:
        return now
    if now.providers[0] != now.target:
        others = tuple(name for name in now.providers if name != now.target)
        return replace(now, providers=(now.target, *others))
    if not now.rewritten:
        return replace(now, rewritten=True)
    kept = (now.target,) if now.target == IDENTITY else (now.target, IDENTITY)
    return replace(
        now, providers=kept, keys={name: key for name, key in now.keys.items() if name in kept}, target="", rewritten=False
    )


def _key(seed: Secret) -> Secret:
    return Secret(base64.b64encode(bytes.fromhex(seed.reveal())).decode())
