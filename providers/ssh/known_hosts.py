"""Reads OpenSSH's known_hosts format (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which public keys belong to a host."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from fnmatch import fnmatchcase


def keys_of(text: str, address: str, port: int) -> tuple[str, ...]:
    """Public keys (`type base64`) that the lines of `text` give for this host, without the revoked ones."""
    name = address.lower() if port == 22 else f"[{address.lower()}]:{port}"
    found, revoked = [], set()
    for marker, hosts, key in _lines(text):
        if _matches(hosts, name):
            if marker == "@revoked":
                revoked.add(key)
            elif not marker:  # certificate authorities are not followed: sloth pins plain keys
                found.append(key)
    return tuple(dict.fromkeys(key for key in found if key not in revoked))


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) >= 3 and not words[0].startswith("#"):
            yield marker, words[0], f"{words[1]} {words[2]}"


def _matches(hosts: str, name: str) -> bool:
    if hosts.startswith("|1|"):
        return _is_hash_of(hosts, name)
    hit = False
    for pattern in hosts.lower().split(","):
        if pattern.startswith("!") and _fits(pattern[1:], name):
            return False
        hit = hit or _fits(pattern, name)
    return hit


def _fits(pattern: str, name: str) -> bool:
    # `[` is a plain character here (as in [host]:port), only * and ? are special.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _is_hash_of(field: str, name: str) -> bool:
    try:
        _, _, salt, digest = field.split("|")
        wanted = base64.b64decode(digest, validate=True)
        # HMAC-SHA1 is what the format is made of (HashKnownHosts); nothing secret depends on it.
        made = hmac.new(base64.b64decode(salt, validate=True), name.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return hmac.compare_digest(made, wanted)
