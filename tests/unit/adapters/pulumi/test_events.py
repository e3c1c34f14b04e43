"""What the engine says, as changes and as progress."""

from __future__ import annotations

from types import SimpleNamespace as Some

import pytest

from sloth.adapters.pulumi.events import CHANGES, Change, Progress, Report, name_of, plain

SERVER, STACK = "toy:index/server:Server", "pulumi:pulumi:Stack"


def urn(name, token=SERVER):
    return f"urn:pulumi:toy::sloth-shop::{token}::{name}"


def event(**kind):
    names = ("resource_pre_event", "res_outputs_event", "res_op_failed_event", "diagnostic_event")
    return Some(**{name: kind.get(name) for name in names})


def pre(op, name="work-1", token=SERVER, **more):
    return event(resource_pre_event=Some(metadata=meta(op, name, token, **more)))


def meta(op, name="work-1", token=SERVER, keys=None, diffs=None, inputs=None):
    return Some(op=op, urn=urn(name, token), type=token, keys=keys, diffs=diffs, new=Some(inputs=inputs))


def done(op, name="work-1", token=SERVER):
    return event(res_outputs_event=Some(metadata=meta(op, name, token)))


def says(message, severity="info", name=None):
    return event(diagnostic_event=Some(message=message, severity=severity, urn=urn(name) if name else None))


def taken(*events):
    report = Report()
    for each in events:
        report.take(each)
    return report


def told(report):
    return [(change.action, change.name) for change in report.changes.values()]


@pytest.mark.parametrize("op", ["create", "update", "delete", "import"])
def test_an_operation_is_a_change(op):
    report = taken(pre(op, keys=["size"]), done(op))
    assert list(report.changes.values()) == [Change(token=SERVER, name="work-1", action=op, causes=("size",), urn=urn("work-1"))]


@pytest.mark.parametrize("op", ["same", "read", "refresh", "discard", "delete-discarded", "remove-pending-replace", "no-such-op"])
def test_the_others_are_none(op):
    assert taken(pre(op), done(op)).changes == {}


def test_what_stays_is_known_to_be_in_the_state():
    assert taken(pre("same", "work-1"), pre("create", "work-2"), pre("read", "work-3")).kept == {"work-1"}


@pytest.mark.parametrize(
    "order", [("create-replacement", "replace", "delete-replaced"), ("delete-replaced", "replace", "create-replacement")]
)
def test_a_replacement_is_one_change_with_its_causes(order):
    report = taken(*(pre(op, keys=["image"]) for op in order))
    assert told(report) == [("replace", "work-1")]
    assert report.changes[urn("work-1")].causes == ("image",)


def test_a_replacement_is_never_taken_for_less():
    assert told(taken(pre("replace"), pre("create"))) == [("replace", "work-1")]
    assert told(taken(pre("create"), pre("replace"))) == [("replace", "work-1")]


def test_ops_of_the_sdk_are_enums():
    from pulumi.automation import OpType

    assert told(taken(pre(OpType.CREATE), pre(OpType.DELETE_REPLACED, "work-2"))) == [("create", "work-1"), ("replace", "work-2")]
    assert {op.value for op in OpType} >= {*CHANGES, "create-replacement", "delete-replaced", "same"}


def test_the_engines_own_things_are_not_told():
    assert taken(pre("create", "sloth-shop-toy", STACK), pre("update", "default", "pulumi:providers:toy")).changes == {}


def test_diffs_stand_in_for_keys():
    assert taken(pre("update", diffs=["labels"])).changes[urn("work-1")].causes == ("labels",)


@pytest.mark.parametrize("text", [
    "Attempting to deploy or update resources with 2 pending operations from previous deployment.",
    "  * urn:pulumi:toy::p::t::work-1, interrupted while creating; pending create",
])  # fmt: skip
def test_operations_that_were_cut_off_are_noticed(text):
    assert taken(says(f"<{{%reset%}}>{text}<{{%reset%}}>", "warning")).pending


def test_errors_are_kept_plain_and_by_resource():
    report = taken(
        says("<{%fg 1%}>no room<{%reset%}>\n", "error", "work-1"), says("update failed", "error"), says("a warning", "warning")
    )
    assert report.errors == ["no room", "update failed"]
    assert report.failed == {"work-1": "no room"}
    assert not report.pending


def test_unknown_events_are_nothing():
    report = taken(event(), event(res_op_failed_event=Some(metadata=meta("create"), status=1, steps=1)))
    assert (report.changes, report.errors, report.pending) == ({}, [], False)


def test_names_and_markup():
    assert name_of("urn:pulumi:a::b::toy:index/server:Server$toy:x:Y::work-1-data") == "work-1-data"
    assert plain("<{%underline%}>a <b> {c}<{%reset%}>  ") == "a <b> {c}"


def heard(*events, total):
    """What is told of them and of the end, and what is told before it."""
    told = []
    progress = Progress(told.append, "toy-1", total=total)
    for each in events:
        progress.take(each)
    before = len(told)
    progress.end()
    assert {(e.kind, e.title) for e in told} <= {("progress", "toy-1: resources")}
    return [(e.detail, e.done, e.total) for e in told[:before]], [(e.detail, e.done, e.total) for e in told[before:]]


def some(*names):
    return [each for name in names for each in (pre("create", name), done("create", name))]


def test_progress_counts_each_resource_once_of_those_that_were_planned():
    before, end = heard(pre("same"), *some("a", "b"), done("same"), pre("create", "s", STACK), event(), total=3)
    assert before == [
        ("create Server a", 0, 3),
        ("create Server a: done", 1, 3),
        ("create Server b", 1, 3),
        ("create Server b: done", 2, 3),
    ]
    assert end == [("2 done", 2, 2)]


def test_progress_knows_no_total_where_none_was_planned():
    before, end = heard(*some("a", "b"), total=0)
    assert before == [
        ("create Server a", 0, 0),
        ("create Server a: done, 1 so far", 1, 0),
        ("create Server b, 1 so far", 1, 0),
        ("create Server b: done, 2 so far", 2, 0),
    ]
    assert end == [("2 done", 2, 2)]


@pytest.mark.parametrize("total", range(5))
def test_nothing_is_complete_before_the_end(total):
    before, end = heard(*some("a", "b", "c"), total=total)
    assert len(before) == 6
    assert all(done < of or not of for _, done, of in before)
    assert [of for _, _, of in before] == [total if done < total else 0 for _, done, _ in before]
    assert end == [("3 done", 3, 3)]


def test_where_nothing_was_done_nothing_is_told():
    assert heard(pre("same"), done("same"), total=0) == ([], [])


def test_what_is_to_be_created_is_known_with_its_properties():
    report = taken(pre("create", inputs={"networkId": 7.0}), pre("update", name="work-2", inputs={"networkId": 7.0}))
    assert {change.name: change.inputs for change in report.changes.values()} == {"work-1": {"networkId": 7.0}, "work-2": {}}
