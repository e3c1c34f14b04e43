"""The tables of the HA guide are what the code computes."""

import re
from pathlib import Path

from sloth.etcd.quorum import Tally
from sloth.etcd.steps import KEPT

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "guide" / "ha.md").read_text()
WORDS = {0: "nothing", 1: "any one", 2: "any two", 3: "any three"}


def test_the_sum_is_right_for_every_size():
    rows = [tuple(map(int, row)) for row in re.findall(r"^\| (\d) \| (\d) \| (\d) \|$", GUIDE, re.M)]
    tallies = [Tally(voting=size, healthy=size) for size in range(1, 8)]
    assert rows == [(tally.voting, tally.needed, tally.spare) for tally in tallies]


def test_what_a_topology_survives_is_right():
    rows = re.findall(r"^\| (\d) nodes? \| ([a-z]+(?: [a-z]+)?)", GUIDE, re.M)
    assert [int(size) for size, _ in rows] == [1, 3, 5, 7]
    assert all(told == WORDS[Tally(voting=int(size), healthy=int(size)).spare] for size, told in rows)


def test_as_many_snapshots_are_kept_as_it_says():
    assert KEPT == 5
    assert "the last five are kept" in GUIDE
