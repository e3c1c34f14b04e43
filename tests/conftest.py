"""Shared by all tests: the `--update-golden` switch, and that Ctrl-C works."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import typer.testing

from sloth.model import secret

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs so (POSIX sh, 2.11), and children inherit it: Ctrl-C would be tried in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The command tree is the same for every call; building it takes 35 ms.
typer.testing._get_command = cache(typer.testing._get_command)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what was got into the golden files; review the diff")


@pytest.fixture(autouse=True)
def secrets_of_a_test_are_not_masked_in_the_next() -> Iterator[None]:
    """A property may make any text a secret, `https://` too."""
    known, heads = set(secret._known), dict(secret._by_head)
    yield
    if len(secret._known) != len(known):
        secret._known.intersection_update(known)
        secret._by_head.clear()
        secret._by_head.update(heads)
        secret.mask.cache_clear()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(path, text)` asserts that the file holds exactly this text."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text, "utf-8")
        assert path.exists(), f"{path.name} is missing: run pytest --update-golden and review it"
        assert text == path.read_text("utf-8")

    return check


# A property's examples may start processes, on a machine that does other things too: time is no part of what they say.
# The examples are the same in every run, so that what was green stays green; `make explore` looks at new ones.
quiet = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("sloth", quiet, derandomize=True)
hypothesis.settings.register_profile("explore", quiet, derandomize=False, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile("explore" if os.environ.get("SLOTH_EXPLORE") else "sloth")
