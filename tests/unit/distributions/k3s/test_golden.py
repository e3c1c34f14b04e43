"""The steps of whole runs, as reviewed files: what is done on which host, to the letter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.supervised.clusters import K3S
from tests.unit.supervised.stories import KINDS, check


@pytest.mark.parametrize("name", KINDS)
def test_steps_are_as_reviewed(name: str, golden: Callable[[Path, str], None]) -> None:
    check(K3S, name, golden)
