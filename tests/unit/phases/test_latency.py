"""Round trips between control-plane nodes that are in several places: measured before etcd starts, judged by its own guide."""

from dataclasses import replace

import pytest

from sloth.errors import KubernetesError
from sloth.model.phase import Say
from sloth.model.spec import KubernetesSpec
from sloth.model.step import Ask, Result
from sloth.phases.latency import Latency, judge, parse
from sloth.testing.contract import reads_only
from tests.unit.phases.driving import Driver, cluster, node

PING = "rtt min/avg/max/mdev = 0.9/{}/{}/0.1 ms"


def servers(*regions, states=(), **spec):
    nodes = [
        replace(node(f"cp-{n}", n, "control-plane"), labels={"topology.kubernetes.io/region": region})
        for n, region in enumerate(regions, 1)
    ]
    facts = {f"cp-{n}": {"kube.state": state} for n, state in enumerate(states, 1)}
    start = cluster([*nodes, node("work-1", 9)], facts=facts)
    return replace(start, spec=replace(start.spec, **spec)) if spec else start


def answering(**times):
    """Answers of nodes: `cp_1={"cp-2": 20}` milliseconds."""

    def answer(name, _step):
        return "\n".join(f"{peer} {PING.format(time, time)}" for peer, time in times[name.replace("-", "_")].items())

    return answer


def test_in_one_place_nobody_is_asked():
    driver = Driver(servers("a", "a").record)
    driver.follow(Latency().run(servers("a", "a", "a")))
    assert driver.orders == []


def test_one_question_to_each_new_member_about_all_others():
    start = servers("a", "b", "a", states=("joined", "joined", "none"))
    driver = Driver(start.record, answering(cp_3={"cp-1": 1, "cp-2": 5}))
    driver.follow(Latency().run(start))
    ((name, (step,)),) = driver.trips
    assert (name, type(step)) == ("cp-3", Ask)
    assert "cp-1=10.90.0.1 cp-2=10.90.0.2;" in step.run
    assert reads_only(step.run)
    assert [order for order in driver.orders if isinstance(order, Say)] == []


def test_where_all_are_members_nobody_is_asked():
    start = servers("a", "b", states=("joined", "joined"))
    driver = Driver(start.record)
    driver.follow(Latency().run(start))
    assert driver.trips == []


def test_providers_are_places_too():
    start = servers("a", "a")
    moved = replace(start.nodes[1], lease=replace(start.nodes[1].lease, provider="other"))
    start = replace(start, nodes=(start.nodes[0], moved))
    driver = Driver(start.record, answering(cp_1={"cp-2": 30}, cp_2={"cp-1": 20}))
    driver.follow(Latency().run(start))
    (said,) = [order for order in driver.orders if isinstance(order, Say)]
    assert said.warning
    assert "cp-1 and cp-2: 30 ms" in said.text


def test_too_far_apart_is_refused_and_the_users_flags_count():
    far = answering(cp_1={"cp-2": 140}, cp_2={"cp-1": 138})
    start = servers("a", "b")
    with pytest.raises(KubernetesError) as caught:
        Driver(start.record, far).follow(Latency().run(start))
    assert caught.value.code == "etcd/latency"
    assert 'heartbeat-interval: "150", election-timeout: "1500"' in caught.value.hint
    allowed = KubernetesSpec(args={"etcd": {"heartbeat-interval": "150", "election-timeout": "1500"}})
    driver = Driver(start.record, far)
    driver.follow(Latency().run(servers("a", "b", kubernetes=allowed)))
    assert [order.warning for order in driver.orders if isinstance(order, Say)] == [True]


def test_a_guess_is_not_judged():
    start = servers("a", "b")
    driver = Driver(start.record, lambda _node, _step: Result(out="", predicted=True))
    driver.follow(Latency().run(start))
    assert [order for order in driver.orders if isinstance(order, Say)] == []


def test_what_ping_prints():
    lines = [
        "cp-2 rtt min/avg/max/mdev = 0.051/0.062/0.081/0.013 ms",
        "cp-3 round-trip min/avg/max = 1.1/2.5/3.0 ms",  # busybox
        "cp-4 3 packets transmitted, 0 received, 100% packet loss, time 2043ms",
        "cp-5 ",
    ]
    assert parse("\n".join(lines)) == {"cp-2": 0.062, "cp-3": 2.5}


def test_the_limits():
    assert judge({}, 1000) == []
    assert judge({("a", "b"): 10.0}, 1000) == []
    (text,) = judge({("a", "b"): 10.1, ("b", "a"): 30.4, ("a", "c"): 100.0, ("b", "c"): 1.0}, 1000)
    assert text.endswith("a and c: 100 ms; a and b: 30 ms")
    with pytest.raises(KubernetesError) as caught:
        judge({("a", "b"): 100.1, ("a", "c"): 50.0}, 1000)
    assert caught.value.detail == "a and b: 100 ms\na and c: 50 ms"


def test_the_suggested_flags_are_enough():
    for time in (101, 149, 150, 151, 349, 5000):
        with pytest.raises(KubernetesError) as caught:
            judge({("a", "b"): float(time)}, 1000)
        election = float(caught.value.hint.rpartition('"')[0].rpartition('"')[2])
        assert judge({("a", "b"): float(time)}, election)
