"""etcdctl's answers become members; what cannot be read counts as ill."""

import json

from sloth.etcd.access import EtcdAccess, addresses
from sloth.etcd.members import Member, at, read_members
from tests.unit.distributions.kubeadm.clusters import cluster

# As etcdctl 3.7.3 prints it: a started member, a learner that never started, one with two addresses.
LISTED = """1a2b, started, control-1, https://10.90.0.1:2380, https://10.90.0.1:2379, false
3c4d, unstarted, , https://10.90.0.2:2380, , true
5e6f, started, odd, https://10.90.0.3:2380,https://192.0.2.3:2380, https://10.90.0.3:2379,https://192.0.2.3:2379, false"""
ACCESS = EtcdAccess(cacert="/ca", cert="/cert", key="/key", data_dir="/var/lib/etcd")


def health(*well, ill=()):
    return json.dumps([{"endpoint": f"https://{x}:2379", "health": x in well, "took": "2ms"} for x in (*well, *ill)])


def test_members_are_read_with_their_state():
    one, two, three = read_members(
        LISTED, health("192.0.2.3", ill=["10.90.0.1"]), json.dumps([{"Endpoint": "https://10.90.0.1:2379"}])
    )
    assert (one.id, one.name, one.healthy, one.answers, one.learner) == ("1a2b", "control-1", False, True, False)
    assert (two.name, two.learner, two.clients, two.answers) == ("", True, (), False)
    assert two.label == "https://10.90.0.2:2380"
    assert three.healthy
    assert three.answers, "who is healthy answers"
    assert [each.state for each in (one, two, three)] == [
        "answers, but reaches no majority", "a learner, without a vote", "healthy",
    ]  # fmt: skip


def test_each_member_may_have_answered_on_its_own():
    found = read_members(LISTED, health("10.90.0.1") + "\nError: dead\n" + health("10.90.0.3"))
    assert [each.healthy for each in found] == [True, False, True]


def test_a_known_node_gives_its_name_whatever_etcd_calls_it():
    found = read_members(LISTED, "", names={"https://10.90.0.3:2380": "control-3", "https://10.90.0.2:2380": "control-2"})
    assert [each.name for each in found] == ["control-1", "control-2", "control-3"]


def test_what_is_no_answer_is_no_health():
    for broken in ("", "Error: context deadline exceeded", "{}", "[1, null]", '[{"endpoint": "https://10.90.0.1:2379"}]'):
        assert [each.healthy for each in read_members(LISTED, broken, broken)] == [False, False, False]
    assert read_members("Error: no such host\n\n1a2b, started", "") == []


def test_a_member_is_found_by_any_of_its_addresses():
    found = read_members(LISTED, "")
    assert at(found, [ACCESS.peer("192.0.2.3")]).id == "5e6f"
    assert at(found, [ACCESS.peer("10.90.0.9")]) is None
    assert Member(id="7").label == "7"


def test_access_makes_urls_and_flags():
    assert ACCESS.client("10.90.0.1") == "https://10.90.0.1:2379"
    assert ACCESS.flags("10.90.0.1", "10.90.0.2", seconds=3) == (
        "--endpoints=https://10.90.0.1:2379,https://10.90.0.2:2379 --cacert /ca --cert /cert --key /key"
        " --dial-timeout=2s --command-timeout=3s"
    )


def test_control_plane_nodes_that_left_the_spec_are_still_asked():
    gone = cluster(3, 1)
    assert addresses(cluster(1, 1, record=gone.record)) == {f"10.90.0.{n}": f"control-{n}" for n in (1, 2, 3)}
