"""The engine's failures as sloth's errors. Its own exceptions are guessed from texts by its SDK and never leave this package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sloth.errors import ConfigError, CredentialsError, MachinesError, SlothError, StateError

_LINES = 25  # of evidence

_NUMBER = r"(?:status|code|error|http)\W{{1,3}}(?:code\W{{1,3}})?{}\b"  # a bare number is as often part of a node's name or an id
# Texts that all clouds' plugins and the engine itself use. A cloud's own come first (Cloud.faults).
_COMMON: tuple[tuple[str, str, str], ...] = (
    (r"no resource plugin|plugin .*(not found|not installed)|could not load plugin", "plugin", "sloth doctor --fix"),
    (r"incorrect passphrase|passphrase must be set", "passphrase", "set SLOTH_PASSPHRASE to the one the cluster was made with"),
    # Limits come before 403, which some clouds answer with them, and those of requests before those of the account.
    (_NUMBER.format(429) + r"|rate.?limit|too.?many.?requests|throttl|RequestLimitExceeded", "rate-limit", ""),
    (r"quota|limit.?(was )?(exceeded|reached)|LimitExceeded|resource_limit_exceeded", "quota", ""),
    (_NUMBER.format(401) + r"|unauthori[sz]ed\b|invalid (api )?token|token .*expired|authentication failed|AuthFailure",
     "credentials", ""),
    (_NUMBER.format(403) + r"|forbidden|AccessDenied|UnauthorizedOperation|not authorized", "credentials", ""),
    (r"capacity|resource_unavailable|out of stock|no longer available", "capacity", ""),
    (r"still in use|in use by|DependencyViolation|resource_?in_?use|InUse\b|being used by|still attached", "in-use", ""),
    (r"snapshot integrity|checkpoint .*(corrupt|invalid)|failed to (load|deserialize) .*(checkpoint|deployment)", "state", ""),
    (r"\b409\b|already.?exists", "conflict", "look in the cloud's console whose it is, then sloth up"),
    (r"\b404\b|not.?found", "not-found", ""),
)  # fmt: skip
_HINTS = {
    "credentials": "look at the account's token and its permissions, then sloth up",
    "quota": "ask the cloud for a higher limit or lower the pool's count, then sloth up: what was made stays and is used",
    "capacity": "add another size or location to the pool, then sloth up",
    "rate-limit": "wait a minute, then sloth up: what was made stays and is used",
    "in-use": "sloth down again: what is left is tried anew",
    "not-found": "correct the name in the spec: sloth providers list, then sloth providers show",
    "conflict": "sloth up",
    "state": "sloth state rollback to the version before",
}


# kind -> error, code, words
_ERRORS: dict[str, tuple[type[SlothError], str, str]] = {
    "credentials": (CredentialsError, "cloud/credentials", "the credentials were refused"),
    "plugin": (MachinesError, "engine/no-plugin", "the cloud's plugin is missing"),
    "passphrase": (StateError, "engine/wrong-passphrase", "the engine's state is sealed with another passphrase"),
    "state": (StateError, "engine/state-damaged", "the engine's state is damaged"),
    "not-found": (ConfigError, "cloud/not-found", "something that the spec names is not there"),
    "quota": (MachinesError, "cloud/quota", "a limit of the account is reached"),
    "capacity": (MachinesError, "cloud/capacity", "the cloud has no room there"),
    "rate-limit": (MachinesError, "cloud/rate-limit", "too many requests for the cloud"),
    "in-use": (MachinesError, "cloud/in-use", "something is still in use"),
    "conflict": (MachinesError, "cloud/conflict", "the cloud refused"),
    "failed": (MachinesError, "cloud/failed", ""),
}


class Fault(NamedTuple):
    """What a text means."""

    kind: str
    hint: str


def classify(text: str, own: Sequence[tuple[str, str, str]]) -> Fault | None:
    """The first pattern that fits, the cloud's own before the common ones; None if none does."""
    for pattern, kind, hint in (*own, *_COMMON):
        if re.search(pattern, text, re.IGNORECASE):
            return Fault(kind, hint or _HINTS.get(kind, "sloth up"))
    return None


def translate(cloud: str, verb: str, texts: Sequence[str], output: str, own: Sequence[tuple[str, str, str]] = ()) -> SlothError:
    """One error of all that an operation said. `texts`: its error diagnostics, `output`: what the CLI printed."""
    said = [text for text in dict.fromkeys(texts) if text and not text.startswith("update failed")]
    evidence = "\n".join(said or _last(output))
    fault = classify(evidence, own) or classify(output, own)
    make, code, words = _ERRORS[fault.kind if fault else "failed"]
    why = f": {words}" if words else ""
    hint = fault.hint if fault else "sloth up goes on where it stopped"
    return make(code, f"{cloud}: {verb} failed{why}", detail=evidence, where=cloud, hint=hint)


def _last(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.strip()][-_LINES:]
