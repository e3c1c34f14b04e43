"""Phase: before anything is made, ask the clouds whether all of it can be had, and choose where each new node goes.

What was chosen is kept in the record first, so that a run that was cut off makes the very same machines when it goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sloth.errors import ConfigError, ManyErrors, SlothError, flat, raise_all
from sloth.model.cluster import Cluster
from sloth.model.phase import Keep, Order, PhaseRun, Say, SurveyMachines
from sloth.model.phase import Preflight as Choose
from sloth.model.record import Record

Placements = Mapping[str, Mapping[str, Any]]  # node -> placement


@dataclass(frozen=True)
class Preflight:
    """Nodes that have a machine stay where they are. Providers that choose nothing (local, ssh) have nothing to say."""

    title: str = "Preflight"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Placements of new nodes. Raises the problems of all providers at once."""
        new = yield from _new(cluster)
        if not new:
            return cluster
        known = {provider: _staying(cluster, provider, names) for provider, names in new.items()}
        answers: dict[str, Placements | Exception] = yield Choose(names=new, known=known)
        _raise([answer for answer in answers.values() if isinstance(answer, Exception)])
        chosen = {provider: answer for provider, answer in answers.items() if not isinstance(answer, Exception)}
        if chosen:
            cluster = replace(cluster, record=(yield Keep(change=lambda record: _placed(record, chosen))))
        for provider, placements in chosen.items():
            for text, warning in report(provider, placements):
                yield Say(text=text, warning=warning)
        return cluster


def _new(cluster: Cluster) -> Generator[Order, Any, dict[str, tuple[str, ...]]]:
    """Nodes without a placement, by provider; and those whose machine was never seen and is not there.

    The latter are chosen anew: when a machine could not be had, another size in the spec must count at the next run.
    """
    found: dict[str, tuple[str, ...]] = {}
    for provider in dict.fromkeys(lease.provider for lease in cluster.plan.leases):
        names = [lease.name for lease in cluster.plan.leases if lease.provider == provider]
        placed = cluster.record.placements(provider)
        doubtful = [name for name in names if name in placed and not cluster.record.node(name).host_keys]
        there = {machine.name for machine in (yield SurveyMachines(provider=provider))} if doubtful else set()
        new = tuple(name for name in names if name not in placed or (name in doubtful and name not in there))
        if new:
            found[provider] = new
    return found


def _staying(cluster: Cluster, provider: str, new: Sequence[str]) -> Placements:
    return {name: place for name, place in cluster.record.placements(provider).items() if name not in new}


def _placed(record: Record, chosen: Mapping[str, Placements]) -> Record:
    for provider, placements in chosen.items():
        record = record.with_placements(provider, placements)
    return record


def _raise(errors: Sequence[Exception]) -> None:
    """All problems of all providers: those of the spec as one error, as the spec's check does it."""
    if not all(isinstance(error, (SlothError, ManyErrors)) for error in errors):
        raise_all("preflight", errors)
    problems = [problem for error in flat(errors) for problem in _parts(error)]
    of_spec = tuple(problem for problem in problems if isinstance(problem, ConfigError))
    if len(problems) > 1 and len(of_spec) == len(problems):
        raise ConfigError(
            "cloud/preflight",
            f"{len(problems)} things that the spec asks for cannot be had; nothing was made",
            detail="\n".join(f"{problem.where}: {problem.summary} ({problem.hint})" for problem in problems),
            hint="correct them in the spec, then run `sloth up`",
            problems=of_spec,
        )
    raise_all("preflight", problems)


def _parts(error: SlothError) -> Sequence[SlothError]:
    return error.problems if isinstance(error, ConfigError) and error.problems else (error,)


def report(provider: str, placements: Placements) -> Iterator[tuple[str, bool]]:
    """What the user should know of new placements, each with whether it is a warning: fallbacks, and the price."""
    reasons: dict[str, list[str]] = {}
    for name, place in placements.items():
        if place.get("why"):
            words = f"{place['size']} in {place['location']}, because {place['why']}"
            reasons.setdefault(words, []).append(name)
    for words, names in reasons.items():
        yield f"{', '.join(names)}: {words}", True
    total = sum(place["price"] for place in placements.values() if "price" in place)
    unknown = sum("price" not in place for place in placements.values())
    if unknown < len(placements):
        currency = next(str(place.get("currency", "")) for place in placements.values() if "price" in place)
        less = f", and {unknown} of unknown price" if unknown else ""
        known = len(placements) - unknown
        machines = "1 new machine" if known == 1 else f"{known} new machines"
        yield f"{provider}: {machines}, {total:.2f} {currency}".rstrip() + f" a month{less}", False
