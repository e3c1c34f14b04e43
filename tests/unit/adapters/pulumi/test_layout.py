"""Which stack holds which server."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sloth.adapters.pulumi import layout
from sloth.adapters.pulumi.layout import STACK_SIZE, assign, details, plans, server, stack_name
from sloth.contracts.cloud import Abilities
from sloth.model.secret import Secret
from sloth.model.spec import AccessSpec, KubernetesSpec
from tests.unit.cloud.toy import ToyCloud, pool, spec

ROLES = {"control": "control-plane", "work": "worker"}


def roles(names):
    return {name: ROLES[name.split("-")[0]] for name in names}


def grown(steps):
    """Placements after each step of a cluster's life: (workers, control planes) that come, share of workers that go."""
    placements, counts, history = {}, Counter(), []
    for workers, controls, leave in steps:
        for name in [name for at, name in enumerate(placements) if name.startswith("work") and leave and at % leave == 0]:
            del placements[name]
        names = []
        for kind, count in (("control", controls), ("work", workers)):
            names += [f"{kind}-{number}" for number in range(counts[kind] + 1, counts[kind] + count + 1)]
            counts[kind] += count
        before = {name: place["stack"] for name, place in placements.items()}
        numbers = assign(names, roles(names), placements)
        placements |= {name: {"stack": number} for name, number in numbers.items()}
        history.append((before, {name: place["stack"] for name, place in placements.items()}))
    return history


STEPS = st.lists(st.tuples(st.integers(0, 130), st.integers(0, 3), st.integers(0, 4)), max_size=6)


@given(STEPS)
def test_nobody_moves_and_no_stack_is_too_large_whatever_comes_and_goes(steps):
    for before, after in grown(steps):
        assert {name: after[name] for name in before} == before
        workers = Counter(number for name, number in after.items() if name.startswith("work"))
        assert all(count <= STACK_SIZE for count in workers.values())
        assert all(number == 0 for name, number in after.items() if name.startswith("control"))
        assert all(number == 0 for number in workers) if len(after) <= STACK_SIZE and not any(before.values()) else True


def test_a_small_cluster_is_one_stack_and_a_large_one_is_not():
    names = [f"work-{number}" for number in range(1, 99)] + ["control-1", "control-2"]
    assert set(assign(names, roles(names), {}).values()) == {0}
    names += ["work-99"]
    numbers = assign(names, roles(names), {})
    assert Counter(numbers.values()) == {0: 2, 1: 99}
    names += [f"work-{number}" for number in range(100, 202)]
    assert Counter(assign(names, roles(names), {}).values()) == {0: 2, 1: 100, 2: 100, 3: 1}


def test_room_that_became_free_is_used():
    known = {f"work-{number}": {"stack": 1} for number in range(90)} | {"work-x": {"stack": 2}}
    names = [f"work-{number}" for number in range(100, 115)]
    assert Counter(assign(names, roles(names), known).values()) == {1: 10, 2: 5}


def test_names_of_stacks():
    assert [stack_name("toy", number) for number in (0, 1, 12)] == ["toy", "toy-1", "toy-12"]


class Balanced(ToyCloud):
    abilities = Abilities(balancer=True, volumes=True, private=True)


VOLUMES = [{"name": "data", "size": "100Gi", "mount": "/srv"}, {"name": "logs", "size": "5Gi"}]


def placed(cluster, *names):
    where = {"size": "small", "location": "north", "image": "img-7"}
    return {name: {**where, **details(cluster, name.rpartition("-")[0]), "stack": 0} for name in names}


def made(cluster, placements, **data):
    access = AccessSpec(ssh=("198.51.100.7/32",), api=("198.51.100.0/24",))
    return plans(Balanced(), cluster, placements, access=access, ssh_public_key="ssh-ed25519 AAAA", user_data=data)


def test_a_plan_holds_what_the_placements_say_and_the_first_has_the_balancer():
    cluster = spec(pool("control", 1, "control-plane"), pool("work", 2, volumes=VOLUMES, public=False))
    cluster = replace(cluster, kubernetes=KubernetesSpec(load_balancer="provider"))
    placements = placed(cluster, "control-1", "work-1", "work-2")
    placements["work-2"]["stack"] = 2
    got = made(cluster, placements, **{"work-2": Secret("hush")})
    assert sorted(got) == [0, 2]
    assert [each.name for each in got[0].servers] == ["control-1", "work-1"]
    assert (got[0].balance, got[2].balance) == (("control-1",), ())
    assert got[0].private and got[2].private
    work = got[2].servers[0]
    assert (work.role, work.size, work.location, work.image, work.public) == ("worker", "small", "north", "img-7", False)
    assert [(each.name, each.size, each.mount) for each in work.volumes] == [("data", 100, "/srv"), ("logs", 5, "")]
    assert (work.user_data.reveal(), got[0].servers[1].user_data.reveal()) == ("hush", "")
    assert (got[0].cluster, got[0].network, got[0].access_ssh) == ("demo", "10.200.0.0/16", ("198.51.100.7/32",))


def test_there_is_always_a_first_stack_and_no_balancer_unless_asked_for():
    cluster = spec(pool("control", 1, "control-plane"))
    assert [(number, plan.servers, plan.balance) for number, plan in made(cluster, {}).items()] == [(0, (), ())]
    assert made(cluster, placed(cluster, "control-1"))[0].balance == ()


def test_a_server_stays_as_it_was_made_when_its_pool_changes():
    before = spec(pool("work", 1, volumes=VOLUMES, spot=True))
    kept = placed(before, "work-1")["work-1"]
    assert (kept["spot"], kept["volumes"], kept["pool"], kept["role"]) == (True, VOLUMES, "work", "worker")
    assert server("work-1", kept, None).spot
    assert kept["volumes"] is not VOLUMES and layout.server("work-1", kept, None).volumes[0].size == 100
