"""Which version may follow which, and which may run beside which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import UsageError
from sloth.upgrade import target as targets
from sloth.upgrade.versions import (
    allows,
    check_step,
    join_version,
    minor_text,
    newest_first,
    parse,
    reachable,
    skew_problems,
    step_problem,
)

KNOWN = ("v1.37.0", "v1.36.3", "v1.36.1", "v1.35.9", "v1.35.4", "v1.34.2")
VERSIONS = st.builds(lambda a, b: f"v1.{a}.{b}", st.integers(0, 60), st.integers(0, 30))


def test_a_minor_means_each_of_its_patches_and_an_exact_version_itself():
    assert allows("1.36", "v1.36.3") and allows("v1.36", "v1.36.3") and allows("1.36.3", "v1.36.3")
    assert not allows("1.3", "v1.36.3") and not allows("1.36.3", "v1.36.30") and not allows("1.36", "v1.37.0")
    assert allows("1.36", "v1.36.3+k3s1") and allows("1.36.3", "v1.36.3+k3s1")


def test_versions_are_ordered_by_number_also_behind_a_plus():
    assert newest_first(["v1.9.3", "v1.10.0", "v1.10.0"]) == ["v1.10.0", "v1.9.3"]
    assert newest_first(["v1.36.3+k3s1", "v1.36.3+k3s2"])[0] == "v1.36.3+k3s2"
    assert parse("1.36.3+rke2r4") == (1, 36, 3, 4) and minor_text("v1.36.3+rke2r4") == "1.36"
    with pytest.raises(ValueError, match="no exact version"):
        parse("1.36")


def test_only_later_patches_and_the_next_minor_can_be_reached():
    assert reachable("v1.35.4", KNOWN) == ["v1.36.3", "v1.36.1", "v1.35.9"]
    assert reachable("v1.37.0", KNOWN) == []


@given(VERSIONS, VERSIONS)
def test_a_step_is_never_down_and_never_over_a_minor(running, target):
    now, then = parse(running), parse(target)
    assert (step_problem(running, target) == "") == (now <= then and then[1] - now[1] <= 1)


def test_a_downgrade_and_a_skipped_minor_are_refused_with_the_way_to_go():
    with pytest.raises(UsageError) as down:
        check_step("v1.36.1", "v1.35.9", KNOWN)
    assert down.value.code == "upgrade/downgrade" and "1.36" in down.value.hint
    with pytest.raises(UsageError) as skipped:
        check_step("v1.34.2", "v1.36.3", KNOWN)
    assert skipped.value.code == "upgrade/skipped-minor" and skipped.value.hint.endswith("--to 1.35")
    check_step("v1.35.4", "v1.36.3", KNOWN)


def test_kubelets_and_servers_that_would_not_go_together_are_named():
    assert skew_problems(["v1.35.4", "v1.36.3"], ["v1.33.0", "v1.36.3"], "v1.36.3") == []
    assert "v1.32.0" in skew_problems(["v1.35.4"], ["v1.32.0"], "v1.36.3")[0]
    assert "newer" in skew_problems(["v1.35.4"], ["v1.37.0"], "v1.36.3")[0]
    assert "API server" in skew_problems(["v1.34.2"], [], "v1.36.3")[0]


@given(st.lists(st.sampled_from(["v1.35.4", "v1.36.1", "v1.36.3"]), min_size=1, max_size=7))
def test_a_worker_that_joins_meanwhile_is_never_newer_than_an_api_server(servers):
    assert all(parse(join_version("worker", servers)) <= parse(server) for server in servers)
    assert all(parse(join_version("control-plane", servers)) >= parse(server) for server in servers)


def test_without_a_server_nobody_can_join():
    with pytest.raises(ValueError, match="no control plane"):
        join_version("worker", [])


def chosen(**given_):
    facts = {"running": "v1.35.4", "spec": "1.35", "to": "", "under_way": "", "known": KNOWN, **given_}
    return targets.target(**facts)


def test_the_target_is_what_somebody_says():
    assert chosen() == ""
    assert chosen(spec="1.36") == "v1.36.3"
    assert chosen(to="1.36.1") == "v1.36.1" and chosen(to="1.35") == "v1.35.9"
    assert chosen(under_way="v1.36.1") == "v1.36.1" and chosen(under_way="v1.36.1", resume=True) == "v1.36.1"
    assert chosen(running="v1.36.3", spec="1.36", to="1.36") == "v1.36.3"
    assert chosen(running="v1.33.9", spec="1.33", to="1.33") == "v1.33.9", "a version that this sloth does not know any more"


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ({"resume": True}, "upgrade/nothing-to-resume"),
        ({"to": "1.40"}, "upgrade/unknown-version"),
        ({"to": "1.37"}, "upgrade/skipped-minor"),
        ({"spec": "1.34"}, "upgrade/downgrade"),
        ({"under_way": "v1.36.1", "to": "1.36.3"}, "upgrade/another-under-way"),
    ],
)
def test_what_cannot_be_is_refused(given_, code):
    with pytest.raises(UsageError) as caught:
        chosen(**given_)
    assert caught.value.code == code and caught.value.hint


def test_a_plan_without_a_wish_looks_at_the_newest_that_can_be_reached():
    assert targets.proposed("v1.35.4", KNOWN) == "v1.36.3"
    assert targets.proposed("v1.37.0", KNOWN) == "v1.37.0"
