"""Placements are chosen before anything is made, for new nodes only, and all clouds' problems come together."""

from dataclasses import replace

import pytest

from sloth.errors import ConfigError, CredentialsError, ManyErrors
from sloth.model.node import Machine
from sloth.model.phase import Keep, Say, SurveyMachines
from sloth.model.phase import Preflight as Choose
from sloth.model.plan import Plan
from sloth.phases.preflight import Preflight, report
from tests.unit.phases.orders import Player, cluster, lease

PLACE = {"size": "s", "location": "l", "image": "i"}


def at_clouds(**providers):
    """A cluster with one lease for each `name=provider`."""
    names = [name.replace("_", "-") for name in providers]
    leases = tuple(lease(name, n, provider=providers[name.replace("-", "_")]) for n, name in enumerate(names, 1))
    start = cluster()
    return replace(start, plan=Plan(leases=leases), record=replace(start.record, leases=leases))


def seen(start, **placements):
    """Nodes that were reached before, with their placements."""
    for name, provider in placements.items():
        node = name.replace("_", "-")
        record = start.record.with_placements(provider, {node: PLACE}).with_node(node, host_keys=("ssh-ed25519 A",))
        start = replace(start, record=record)
    return start


def problem(code="cloud/quota", **values):
    return ConfigError(code, "too many", hint="ask", **values)


def test_new_nodes_of_all_providers_are_asked_about_together_and_kept():
    start = at_clouds(cp_1="a", work_1="b", work_2="b")
    player = Player({Choose: {"a": {"cp-1": PLACE}, "b": {"work-1": PLACE, "work-2": PLACE}}})
    end = player.play(Preflight(), start)
    (asked,) = player.of(Choose)
    assert asked.names == {"a": ("cp-1",), "b": ("work-1", "work-2")}
    assert asked.known == {"a": {}, "b": {}}
    assert [type(order) for order in player.orders] == [Choose, Keep]
    assert end.record.placements("b") == {"work-1": PLACE, "work-2": PLACE}


def test_nodes_that_were_reached_stay_where_they_are():
    start = seen(at_clouds(cp_1="a", work_1="a"), cp_1="a")
    player = Player({Choose: {"a": {"work-1": PLACE}}})
    player.play(Preflight(), start)
    (asked,) = player.of(Choose)
    assert asked.names == {"a": ("work-1",)}
    assert asked.known == {"a": {"cp-1": PLACE}}


def test_where_every_node_has_its_place_nobody_is_asked():
    player = Player()
    start = seen(at_clouds(cp_1="a", work_1="b"), cp_1="a", work_1="b")
    assert player.play(Preflight(), start) == start
    assert player.orders == []


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_that_could_not_be_had_is_chosen_anew_and_one_that_is_there_is_not(there):
    start = at_clouds(cp_1="a")
    start = replace(start, record=start.record.with_placements("a", {"cp-1": PLACE}))
    machines = (Machine(name="cp-1", id="1", address="x"),) if there else ()
    other = {**PLACE, "size": "other"}
    player = Player({SurveyMachines: machines, Choose: {"a": {"cp-1": other}}})
    end = player.play(Preflight(), start)
    assert end.record.placements("a") == {"cp-1": PLACE if there else other}
    assert len(player.of(Choose)) == (0 if there else 1)


def test_providers_that_choose_nothing_change_nothing():
    player = Player({Choose: {}})
    start = at_clouds(cp_1="local")
    assert player.play(Preflight(), start) == start
    assert player.of(Keep) == []


def test_problems_of_all_clouds_are_one_error_and_nothing_is_kept():
    many = ConfigError(
        "cloud/preflight", "2", hint="x", problems=(problem(where="one"), problem("cloud/unknown-size", where="two"))
    )
    player = Player({Choose: {"a": many, "b": problem(where="three"), "c": {"x-1": PLACE}}})
    with pytest.raises(ConfigError) as caught:
        player.play(Preflight(), at_clouds(a_1="a", b_1="b", x_1="c"))
    assert [each.where for each in caught.value.problems] == ["one", "two", "three"]
    assert caught.value.code == "cloud/preflight"
    assert player.of(Keep) == []


def test_one_problem_is_itself():
    with pytest.raises(ConfigError) as caught:
        Player({Choose: {"a": problem()}}).play(Preflight(), at_clouds(a_1="a"))
    assert caught.value.code == "cloud/quota"


def test_missing_credentials_are_told_with_the_rest():
    missing = CredentialsError("credentials/env", "no token", hint="export")
    with pytest.raises(ManyErrors) as caught:
        Player({Choose: {"a": missing, "b": problem()}}).play(Preflight(), at_clouds(a_1="a", b_1="b"))
    assert [each.code for each in caught.value.exceptions] == ["credentials/env", "cloud/quota"]


def test_a_defect_is_not_hidden_behind_a_problem():
    with pytest.raises(ZeroDivisionError):
        Player({Choose: {"a": ZeroDivisionError(), "b": problem()}}).play(Preflight(), at_clouds(a_1="a", b_1="b"))


def test_fallbacks_and_prices_are_said():
    why = {"why": "big cannot be had in south"}
    places = {
        "w-1": {**PLACE, **why, "price": 4.5, "currency": "EUR"}, "w-2": {**PLACE, **why, "price": 5.0, "currency": "EUR"},
        "w-3": PLACE,
    }  # fmt: skip
    assert list(report("toy", places)) == [
        ("w-1, w-2: s in l, because big cannot be had in south", True),
        ("toy: 2 new machines, 9.50 EUR a month, and 1 of unknown price", False),
    ]
    assert list(report("toy", {"w-3": PLACE})) == []
    player = Player({Choose: {"a": {"w-1": places["w-1"]}}})
    player.play(Preflight(), at_clouds(w_1="a"))
    assert [(said.text, said.warning) for said in player.of(Say)][1] == ("a: 1 new machine, 4.50 EUR a month", False)
