"""Leases: given once, never moved. Properties over random histories of a spec."""

import time
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloth.errors import ConfigError
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec, HostSpec, MeshSpec, NetworkSpec, PoolSpec
from sloth.phases.plan import plan


def pool(name, count=1, role="worker", provider="local", hosts=()):
    return PoolSpec(
        name=name, role=role, provider=provider, count=count, hosts=tuple(HostSpec(name=h, address="a") for h in hosts)
    )


def spec(*pools, mesh="10.90.0.0/16", pods="10.42.0.0/16"):
    return ClusterSpec(name="c", pools=pools, mesh=MeshSpec(cidr=mesh), network=NetworkSpec(pods=pods))


def recorded(made, *, leaving=(), joined=()):
    record = Record(cluster="c", leases=(*made.leases, *made.remove))
    for name in leaving:
        record = record.with_node(name, leaving=True)
    for name in joined:
        record = record.with_node(name, joined=True)
    return record


EMPTY = Record(cluster="c")
CONTROL = pool("control", 3, "control-plane")


def names(leases):
    return [lease.name for lease in leases]


def test_a_new_cluster():
    made = plan(spec(CONTROL, pool("work", 2), pool("metal", 2, provider="ssh", hosts=("rack1", "rack2"))), EMPTY)
    assert names(made.leases) == ["control-1", "control-2", "control-3", "work-1", "work-2", "metal-rack1", "metal-rack2"]
    assert made.add == tuple(names(made.leases)) and not made.keep and not made.remove
    first = made.leases[0]
    assert (first.mesh_address, first.pod_cidr, first.ordinal, first.role) == ("10.90.0.1", "10.42.0.0/24", 1, "control-plane")
    assert [x.ordinal for x in made.leases] == [1, 2, 3, 1, 2, 0, 0]


def test_fewer_removes_the_highest_numbers_and_more_takes_the_lowest():
    made = plan(spec(CONTROL, pool("work", 4)), EMPTY)
    less = plan(spec(CONTROL, pool("work", 2)), recorded(made))
    assert names(less.remove) == ["work-4", "work-3"]
    gap = Record(cluster="c", leases=tuple(x for x in made.leases if x.name != "work-2"))
    assert plan(spec(CONTROL, pool("work", 3)), gap).changes is False
    again = plan(spec(CONTROL, pool("work", 4)), gap)
    assert again.add == ("work-2",)
    assert next(x for x in again.leases if x.name == "work-2") == next(x for x in made.leases if x.name == "work-2")


def test_a_removal_that_was_begun_is_finished_and_its_number_is_not_given_away_meanwhile():
    made = plan(spec(CONTROL, pool("work", 3)), EMPTY)
    record = recorded(made, leaving=["work-3"])
    again = plan(spec(CONTROL, pool("work", 3)), record)
    assert names(again.remove) == ["work-3"] and again.add == ("work-4",)
    taken = {x.mesh_address for x in made.leases}
    assert next(x for x in again.leases if x.name == "work-4").mesh_address not in taken
    hosts = spec(CONTROL, pool("metal", 1, hosts=("rack1",)))
    record = recorded(plan(hosts, EMPTY), leaving=["metal-rack1"])
    assert names(plan(hosts, record).remove) == ["metal-rack1"]
    assert plan(hosts, record.without_node("metal-rack1")).add == ("metal-rack1",)


def test_a_retired_pool_goes_and_servers_go_last():
    made = plan(spec(CONTROL, pool("ctl", 1, "control-plane"), pool("work", 2)), EMPTY)
    gone = plan(spec(CONTROL), recorded(made))
    assert names(gone.remove) == ["work-2", "work-1", "ctl-1"]


def test_role_and_provider_of_a_node_cannot_change():
    made = plan(spec(CONTROL, pool("work", 2)), EMPTY)
    with pytest.raises(ConfigError) as caught:
        plan(spec(CONTROL, pool("work", 2, provider="ssh")), recorded(made))
    error = caught.value
    assert error.code == "plan/role-changed" and len(error.problems) == 2
    assert "work-1" in error.problems[0].summary and "local" in error.problems[0].hint
    with pytest.raises(ConfigError) as caught:
        plan(spec(CONTROL, pool("work", 1, role="control-plane")), recorded(made))
    assert caught.value.where == "spec.pools[work].role" and "add another pool" in caught.value.hint
    # Only nodes that stay count.
    assert plan(spec(CONTROL), recorded(made)).add == ()


def test_networks_cannot_change_under_leases():
    made = plan(spec(CONTROL), EMPTY)
    with pytest.raises(ConfigError) as caught:
        plan(spec(CONTROL, mesh="10.91.0.0/16", pods="10.44.0.0/16"), recorded(made))
    assert [p.code for p in caught.value.problems] == ["plan/cidr-changed"] * 2
    assert "control-1 has 10.90.0.1" in caught.value.problems[0].summary and "2 more" in caught.value.problems[0].summary
    # A network that still holds every address is fine.
    assert not plan(spec(CONTROL, mesh="10.90.0.0/24", pods="10.42.0.0/20"), recorded(made)).changes


def test_the_last_server_is_not_replaced_by_a_renamed_pool():
    made = plan(spec(CONTROL), EMPTY)
    renamed = spec(pool("ctl", 3, "control-plane"))
    with pytest.raises(ConfigError) as caught:
        plan(renamed, recorded(made, joined=["control-1"]))
    assert caught.value.code == "plan/control-plane-replaced" and "control-1" in caught.value.summary
    assert names(plan(renamed, recorded(made)).remove) == ["control-3", "control-2", "control-1"]  # nothing would be lost


@pytest.mark.parametrize(
    ("field", "networks"), [("spec.mesh.cidr", {"mesh": "10.90.0.0/30"}), ("spec.network.pods", {"pods": "10.42.0.0/23"})]
)
def test_no_address_left(field, networks):
    with pytest.raises(ConfigError) as caught:
        plan(spec(CONTROL, **networks), EMPTY)
    assert caught.value.code == "plan/addresses-exhausted" and caught.value.where == field
    assert "control-3" in caught.value.summary and "has 2" in caught.value.summary


def test_five_hundred_nodes_in_well_under_a_second():
    wanted = spec(CONTROL, pool("work", 497), mesh="10.90.0.0/16", pods="10.64.0.0/10")
    started = time.process_time()
    made = plan(wanted, EMPTY)
    assert not plan(wanted, recorded(made)).changes
    assert time.process_time() - started < 0.5
    assert len({x.pod_cidr for x in made.leases}) == 500


pools = st.lists(
    st.builds(lambda n, c: pool(f"p{n}", c), st.integers(0, 4), st.integers(0, 6)), max_size=4, unique_by=lambda each: each.name
).map(lambda rest: [CONTROL, *rest])
history = st.lists(pools, min_size=1, max_size=6)


def lived(specs):
    """The record after these specs were brought up one after the other."""
    record = EMPTY
    for each in specs:
        record = Record(cluster="c", leases=plan(spec(*each), record).leases)
    return record


@settings(deadline=None)
@given(history)
def test_a_second_plan_is_empty(specs):
    record = lived(specs)
    again = plan(spec(*specs[-1]), record)
    assert not again.changes and again.leases == record.leases


@settings(deadline=None)
@given(history, pools)
def test_nobody_moves_and_no_two_overlap(specs, after):
    record = lived(specs)
    made = plan(spec(*after), record)
    before = {x.name: x for x in record.leases}
    assert all(before[name] == next(x for x in made.leases if x.name == name) for name in made.keep)
    everyone = (*made.leases, *made.remove)
    assert len({x.mesh_address for x in everyone}) == len(everyone)
    assert not any(IPv4Network(a.pod_cidr).overlaps(IPv4Network(b.pod_cidr)) for a, b in combinations(everyone, 2))
    assert set(made.add) | set(made.keep) == set(names(made.leases))
    assert {x.name for x in made.remove} == set(before) - set(made.keep)


@settings(deadline=None)
@given(history, st.integers(0, 3), st.sampled_from([1, -1]))
def test_one_node_more_or_less_touches_only_that_node(specs, index, step):
    record = lived(specs)
    last = list(specs[-1])
    index %= len(last)
    if last[index].count + step < 1:
        return
    last[index] = replace(last[index], count=last[index].count + step)
    made = plan(spec(*last), record)
    assert len(made.add) + len(made.remove) == 1
    assert all(x in made.leases for x in record.leases if x not in made.remove)


@settings(deadline=None)
@given(history, st.randoms())
def test_the_order_of_pools_does_not_matter(specs, random):
    record = lived(specs[:-1])
    shuffled = list(specs[-1])
    random.shuffle(shuffled)
    one, other = plan(spec(*specs[-1]), record), plan(spec(*shuffled), record)
    assert set(one.leases) == set(other.leases)
    assert one.remove == other.remove
