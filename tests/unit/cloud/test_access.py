"""`auto` is asked for once, and only where it is written."""

import pytest

from sloth.cloud.access import access_of
from sloth.model.spec import AccessSpec, ClusterSpec


def test_auto_becomes_the_address():
    asked = []
    spec = ClusterSpec(name="c", access=AccessSpec(ssh=("auto", "192.0.2.0/24"), api=("auto",)))
    found = access_of(spec, lambda: asked.append(1) or "198.51.100.7/32")
    assert found == AccessSpec(ssh=("198.51.100.7/32", "192.0.2.0/24"), api=("198.51.100.7/32",))
    assert asked == [1]


def test_without_auto_nobody_is_asked():
    given = AccessSpec(ssh=("192.0.2.0/24",), api=("192.0.2.1/32",))
    assert access_of(ClusterSpec(name="c", access=given), lambda: pytest.fail("asked")) == given


def test_an_address_that_is_written_too_counts_once():
    spec = ClusterSpec(name="c", access=AccessSpec(ssh=("198.51.100.7/32", "auto"), api=("192.0.2.1/32",)))
    assert access_of(spec, lambda: "198.51.100.7/32").ssh == ("198.51.100.7/32",)
