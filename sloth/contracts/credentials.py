"""What a cloud is logged in to with, as data, and how it is found: in the spec's options, else in this process's environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sloth.contracts.secret_ref import resolve
from sloth.errors import CredentialsError
from sloth.model.secret import Secret


@dataclass(frozen=True)
class Credential:
    """One thing to log in with. A cloud that knows several ways in says of each thing which ways need it."""

    variable: str  # of the engine's plugin; also where it is looked for when the spec's options do not give it
    option: str = ""  # field of `spec.providers.NAME`; "" = only in the environment
    what: str = ""  # in words, as a sentence without its full stop
    secret: bool = True  # the option is a reference to a secret
    needed: bool = True
    ways: tuple[str, ...] = ()  # the ways in that it is for; () = all. The first thing of one way alone is the sign of that way
    account: bool = False  # it names the account: the project, the subscription
    also: tuple[str, ...] = ()  # further variables of the environment in which it may be

    def label(self, provider: str) -> str:
        """The places where it is looked for, in words."""
        fields = (f"spec.providers.{provider}.{self.option}",) if self.option else ()
        return " or ".join((self.variable, *self.also, *fields))


def secret_fields(credentials: Iterable[Credential]) -> dict[str, Any]:
    """JSON Schema of the options that refer to secrets."""
    return {
        each.option: {
            "$ref": "#/$defs/secret",
            "description": f"{each.what}; without it, {' or '.join((each.variable, *each.also))} of the environment.",
        }
        for each in credentials
        if each.secret and each.option
    }


def log_in(
    provider: str, credentials: Sequence[Credential], options: Mapping[str, Any], hint: str = ""
) -> dict[str, Secret | str]:
    """Variables for the engine's plugin: those of one way in.

    The spec's options decide which way, else the environment does. Raises CredentialsError that names all that is missing.
    """
    ways = list(dict.fromkeys(way for each in credentials for way in each.ways)) or [""]
    told = next(_told(credentials, ways, options), "")
    missing: list[list[_Missing]] = []
    for way in [told] if told else ways:
        found, lacking = _collect([each for each in credentials if not each.ways or way in each.ways], options)
        if not lacking:
            return found
        missing.append(lacking)
    raise _refusal(provider, missing, hint)


def others(credentials: Iterable[Credential], found: Mapping[str, Any]) -> dict[str, Secret | str]:
    """Empty texts for what this process's environment has of other ways in: the engine inherits it."""
    names = {name for each in credentials for name in (each.variable, *each.also)}
    return dict.fromkeys(sorted(name for name in names - {*found} if name in os.environ), "")


def _told(credentials: Sequence[Credential], ways: Sequence[str], options: Mapping[str, Any]) -> Iterator[str]:
    """The ways whose sign is there: the first thing that no other way needs."""
    signs = {way: next(each for each in credentials if each.ways == (way,)) for way in ways if way}
    yield from (way for way, sign in signs.items() if options.get(sign.option))
    yield from (way for way, sign in signs.items() if _of_environment(sign))


@dataclass(frozen=True)
class _Missing:
    credential: Credential
    why: CredentialsError | None = None  # what its reference met


def _collect(credentials: Iterable[Credential], options: Mapping[str, Any]) -> tuple[dict[str, Secret | str], list[_Missing]]:
    found: dict[str, Secret | str] = {}
    missing = []
    for each in credentials:
        given = options.get(each.option) or _of_environment(each)
        try:
            value = resolve(given) if isinstance(given, Mapping) else str(given)
        except CredentialsError as error:
            missing.append(_Missing(each, error))
            continue
        if value:
            found[each.variable] = Secret(value) if each.secret and isinstance(value, str) else value
        elif each.needed:
            missing.append(_Missing(each))
    return found, missing


def _of_environment(credential: Credential) -> str:
    texts = (os.environ.get(name, "").strip() for name in (credential.variable, *credential.also))
    return next(filter(None, texts), "")


def _refusal(provider: str, ways: Sequence[Sequence[_Missing]], hint: str) -> CredentialsError:
    if len(ways) == 1 and len(ways[0]) == 1 and (only := ways[0][0].why):
        return only
    missing = [each for way in ways for each in way]
    names = [", ".join(each.credential.label(provider) for each in way) for way in ways]
    return CredentialsError(
        "cloud/no-credentials",
        f"{provider}: no credentials, missing: {'; else '.join(names)}",
        detail="\n".join(f"{each.credential.label(provider)}: {each.why.summary if each.why else 'not set'}" for each in missing),
        where=f"spec.providers.{provider}",
        hint=hint or f"export {' '.join(f'{each.credential.variable}=…' for each in ways[0])}",
    )
