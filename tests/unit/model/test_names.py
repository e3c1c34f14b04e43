"""Names in a zone: what is written there, in which form, and how a listing is understood."""

from dataclasses import replace

import pytest

from sloth.model.names import NamePlan

PLAN = NamePlan(cluster="shop", host="api.example.com", zone="example.com", targets=("203.0.113.5", "2001:db8::5", "203.0.113.6"))


def test_addresses_by_kind_and_the_mark_before_them():
    mark, new, old = PLAN.entries()
    assert (mark.type, mark.name, mark.label, mark.values) == (
        "TXT",
        "_sloth.api.example.com",
        "_sloth.api",
        ("sloth:cluster=shop",),
    )
    assert (new.type, new.part, new.values) == ("AAAA", "api-v6", ("2001:db8::5",))
    assert (old.type, old.part, old.label, old.values) == ("A", "api", "api", ("203.0.113.5", "203.0.113.6"))


def test_forms_of_a_zone_file():
    alias = replace(PLAN, targets=("lb.example.net",)).entries()[1]
    assert (alias.type, alias.written) == ("CNAME", ("lb.example.net.",))
    assert PLAN.entries()[0].written == ('"sloth:cluster=shop"',)
    assert PLAN.entries()[2].written == ("203.0.113.5", "203.0.113.6")


def test_one_resource_for_each_value_is_named_by_the_value():
    mark, new, old = PLAN.entries()
    assert [part for part, _ in old.each] == ["api-203-0-113-5", "api-203-0-113-6"]
    assert [part for part, _ in new.each] == ["api-v6-2001-db8--5"]
    assert [part for part, _ in mark.each] == ["mark"]


@pytest.mark.parametrize(("label", "whole"), [("@", "example.com"), ("", "example.com"), ("api", "api.example.com")])
def test_labels_and_whole_names(label, whole):
    assert PLAN.whole(label) == whole
    assert PLAN.label(whole) == (label or "@")


def test_the_zone_itself_may_be_the_name():
    assert replace(PLAN, host="example.com").entries()[2].label == "@"


def test_a_listing_is_understood_in_every_form():
    found = PLAN.listed("TXT", "_sloth.api.example.com.", ['"sloth:cluster=shop"'], "t", "7")
    assert (found.name, found.values, found.part) == ("_sloth.api.example.com", ("sloth:cluster=shop",), "mark")
    found = PLAN.listed("A", "api.example.com", ["203.0.113.5"], "t", "7", single=True)
    assert found.part == "api-203-0-113-5"


def test_the_pattern_finds_both_names_and_no_other():
    import re

    assert all(re.search(PLAN.pattern, f"{name}.") for name in PLAN.names)
    assert not re.search(PLAN.pattern, "xapi.example.com.")
    assert not re.search(PLAN.pattern, "apixexample.com.")
