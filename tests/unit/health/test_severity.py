"""Severity as arithmetic: it never gets better when something is taken away or breaks, and the exit code follows it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sloth.health.report import assess
from sloth.health.severity import Severity, worst
from sloth.model.facts import Facts
from tests.unit.health.views import healthy_view, told

SEVERITIES = st.sampled_from(Severity)
VIEW = healthy_view()
# (node, key) of everything that was said; a few may be missing without anything being unknown.
SAID = [(name, key) for name, fact in VIEW.facts.items() for key in fact.values]
NOT_MISSED = ("kube.etcd", "kube.version", "unit.", "disk./", "inodes./")  # what says the same again, or says only what is wrong
SPOKEN_BY_ALL = ("kube.nodes", "vitals.")  # any control-plane node's word is enough


@given(st.lists(SEVERITIES), SEVERITIES)
def test_worst_is_a_maximum(some, other):
    assert worst([*some, other]) == max([*some, other])
    assert worst([*some, other]) >= other


def test_of_nothing_nothing_is_known():
    assert worst([]) == Severity.UNKNOWN


def test_exit_codes_differ_and_only_healthy_is_zero():
    codes = {severity: severity.exit for severity in Severity}
    assert [severity for severity, code in codes.items() if code == 0] == [Severity.HEALTHY]
    assert len(set(codes.values())) == len(codes)


@given(st.sampled_from([pair for pair in SAID if not pair[1].startswith((*NOT_MISSED, *SPOKEN_BY_ALL))]))
def test_a_word_that_is_missing_is_never_healthy(pair):
    name, key = pair
    assert assess(told(VIEW, name, values={key: None})).severity > Severity.HEALTHY


@given(st.sets(st.sampled_from(SAID), max_size=40))
def test_taking_words_away_never_makes_a_sick_cluster_healthy(pairs):
    view = told(VIEW, "work-1", values={"unit.kubelet": "failed", "kube.nodes": None})
    for name, key in pairs:
        view = told(view, name, values={key: None})
    silent = not view.facts["work-1"].values or "kube.state" not in view.facts["work-1"].values
    if "unit.kubelet" in view.facts["work-1"].values or silent:
        assert assess(view).severity > Severity.HEALTHY


@given(st.sets(st.sampled_from(sorted(VIEW.running)), min_size=1))
def test_nodes_that_say_nothing_are_never_healthy(names):
    view = replace(VIEW, facts={**VIEW.facts, **dict.fromkeys(names, Facts())})
    report = assess(view)
    assert report.severity == Severity.CRITICAL
    assert {finding.subject for finding in report.findings if finding.severity == Severity.CRITICAL} >= names


@given(st.sets(st.sampled_from(sorted(VIEW.running))))
def test_every_problem_says_what_to_do(names):
    view = replace(VIEW, running=VIEW.running - names)
    assert all(finding.hint for finding in assess(view).problems)
