"""Names sort by time, say whose they are, and half a backup is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.backup.names import ARCHIVE, MANIFEST, VERIFIED, backups_in, cluster_of, name_of, taken_at

CLUSTERS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)


@given(CLUSTERS, st.integers(0, 4_000_000_000))
def test_a_name_tells_cluster_and_time(cluster, taken):
    name = name_of(cluster, taken)
    assert (cluster_of(name), taken_at(name)) == (cluster, taken)


@given(st.lists(st.integers(0, 4_000_000_000), unique=True))
def test_sorted_by_name_is_sorted_by_time(times):
    names = sorted(name_of("shop", at) for at in times)
    assert [taken_at(name) for name in names] == sorted(times)


@pytest.mark.parametrize(
    "name", ["", "shop", "shop-2026", "SHOP-20261125T172030Z", "shop-20261125T172030Z.json", "../x-20261125T172030Z"]
)
def test_other_names_are_none(name):
    assert cluster_of(name) == ""
    with pytest.raises(ValueError, match="no name of a backup"):
        taken_at(name)


def test_only_complete_ones_of_this_cluster_the_newest_first():
    one, two, half, other = (name_of(cluster, at) for cluster, at in (("shop", 1), ("shop", 2), ("shop", 3), ("shop-b", 4)))
    files = [
        one + ARCHIVE,
        one + MANIFEST,
        two + ARCHIVE,
        two + MANIFEST,
        two + VERIFIED,
        half + ARCHIVE,
        other + ARCHIVE,
        other + MANIFEST,
    ]
    lost = name_of("shop", 5)
    assert backups_in([*files, lost + MANIFEST, "notes.json"], "shop") == [two, one]
