"""The public address of this machine, as others see it: what `auto` in `spec.access` stands for.

Asked over HTTPS of two well-known services that answer in plain text, side by side. One answer is enough; two
must agree, for a wrong one would open a cluster to somebody else.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Sequence
from functools import cache
from ipaddress import ip_address

from sloth.errors import ConfigError

SERVICES = ("https://checkip.amazonaws.com", "https://api.ipify.org")
TIMEOUT = 3.0  # seconds for one service
_MOST = 64  # bytes of an answer that are read


@cache
def public_address() -> str:
    """The address as a CIDR of that one address, asked once in a run. Raises ConfigError."""
    return ask(SERVICES)


def ask(services: Sequence[str]) -> str:
    """What these services say. Raises ConfigError if none answers, or two differ."""
    answers: dict[str, str] = {}
    failures: dict[str, str] = {}

    def one(url: str) -> None:
        try:
            answers[url] = _answer(url)
        except (OSError, ValueError) as error:
            failures[url] = str(error)

    threads = [threading.Thread(target=one, args=(url,), daemon=True) for url in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * TIMEOUT)
    said = dict(answers)
    # Machines at clouds have IPv4 addresses; a service that was reached over IPv6 does not contradict one over IPv4.
    found = {text for text in said.values() if ":" not in text} or set(said.values())
    if len(found) == 1:
        return found.pop()
    lines = [*(f"{url}: {said[url]}" for url in services if url in said)]
    lines += [f"{url}: {failures.get(url, 'no answer in time')}" for url in services if url not in said]
    raise ConfigError(
        "access/auto",
        "this machine's public address is not clear: the services that tell it differ"
        if said
        else "this machine's public address cannot be found out: no service that tells it answers",
        where="spec.access",
        detail="\n".join(lines),
        hint='write CIDRs in place of `auto`: spec.access {ssh: ["198.51.100.7/32"], api: ["198.51.100.7/32"]}',
    )


def _answer(url: str) -> str:
    """The CIDR that one service answers. Raises OSError or ValueError."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310  our own list of https addresses
        address = ip_address(answer.read(_MOST).decode("ascii", "replace").strip())
    if not address.is_global:
        raise ValueError(f"{address} is not a public address")
    return f"{address}/{address.max_prefixlen}"
