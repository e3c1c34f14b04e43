"""One look: one round trip to each node, whatever fails in it; what a distribution cannot tell is not asked."""

from dataclasses import replace

from sloth.errors import ConnectError
from sloth.etcd.access import EtcdAccess
from sloth.health.report import assess
from sloth.health.view import MEMBERS, NODES, PODS, SILENT, STATUS
from sloth.model.certificate import CertificateFile
from sloth.model.node import Profile
from sloth.model.step import Result
from sloth.phases.vitals import Vitals, view_of
from sloth.testing.contract import check_steps
from tests.unit.phases.driving import Driver, cluster, node

NODES_OF = [node("cp-1", 1, "control-plane"), node("work-1", 2)]
CP = {"list etcd's members", "ask etcd's members", "read why etcd does not run", "list nodes", "list system pods"}


class Tells:
    """A distribution that has every ability of a look."""

    name = "tells"

    def probe(self):
        return "cat probe"

    def etcd_access(self):
        return EtcdAccess(cacert="/ca", cert="/cert", key="/key", data_dir="/data")

    def kubectl(self):
        return "kubectl --kubeconfig /admin.conf"

    def certificates(self):
        return [CertificateFile(name="ca", path="/pki/ca.crt", authority=True)]

    def renew(self, node, cluster):
        raise AssertionError


class Mute:
    """One that has none of them."""

    name = "mute"

    def probe(self):
        return "cat probe"


def look(distribution, answer):
    start = cluster(NODES_OF)
    driver = Driver(start.record, answer)
    return driver, driver.follow(Vitals(distribution, now=lambda: 1000.5).run(start))


def say(name, step):
    if step.title == "look at the node":
        return "kube.state=joined\ndisk_free=90000\ncert./pki/ca.crt=AAAA\nclock=1000.4"
    return {"list etcd's members": "MEMBERS", "ask etcd's members": "STATUS", "list nodes": "NODES"}.get(step.title, "PODS")


def test_each_node_is_asked_once_and_only_control_planes_for_the_cluster():
    driver, end = look(Tells(), say)
    assert [name for name, _ in driver.trips] == ["cp-1", "work-1"]
    titles = {name: {step.title for step in steps} for name, steps in driver.trips}
    assert titles == {"cp-1": CP | {"look at the node"}, "work-1": {"look at the node"}}
    assert all(check_steps(steps) == [] for _, steps in driver.trips)
    said = end.facts["cp-1"].values
    assert (said[MEMBERS], said[STATUS], said[NODES], said[PODS]) == ("MEMBERS", "STATUS", "NODES", "PODS")
    assert end.facts["cp-1"].clock_offset == 1000.4 - 1000.5
    assert said["cert./pki/ca.crt"] == "AAAA"


def test_the_clock_is_read_last():
    driver, _ = look(Tells(), say)
    asked = driver.trips[0][1]
    assert asked[-1].title == "look at the node"
    assert asked[-1].run.rstrip().splitlines()[-1].startswith('echo "clock=')


def test_what_fails_is_missing_and_what_others_said_of_etcd_is_kept():
    def half(name, step):
        bad = step.title in ("list etcd's members", "list nodes", "ask etcd's members")
        return Result(exit=1, out="half") if bad else say(name, step)

    said = look(Tells(), half)[1].facts["cp-1"].values
    assert MEMBERS not in said
    assert NODES not in said
    assert said[STATUS] == "half"  # with a member down, etcdctl prints the others' answers and ends with an error


def test_nodes_whose_kubelet_evicts_nothing_for_a_full_disk_are_known():
    none = {"evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%"}}
    own = [replace(node, machine=replace(node.machine, profile=Profile(kubelet=none))) for node in NODES_OF[:1]]
    start = cluster([*own, *NODES_OF[1:]])
    assert view_of(start, Tells(), 0.0).unevicting == {"cp-1"}
    told = {"evictionHard": {"nodefs.available": "10%"}}  # the user's word is over the machine's
    start = replace(start, spec=replace(start.spec, kubernetes=replace(start.spec.kubernetes, kubelet=told)))
    assert view_of(start, Tells(), 0.0).unevicting == set()


def test_a_node_that_cannot_be_reached_says_why():
    def refuse(name, step):
        return ConnectError("connect/refused", "work-1 refuses", hint="wait") if name == "work-1" else say(name, step)

    _, end = look(Tells(), refuse)
    assert end.facts["work-1"].values == {SILENT: "work-1 refuses"}
    assert not view_of(end, Tells(), 0.0).answered("work-1")


def test_a_distribution_without_abilities_gets_no_findings_of_them():
    driver, end = look(Mute(), say)
    assert [[step.title for step in steps] for _, steps in driver.trips] == [["look at the node"]] * 2
    view = view_of(end, Mute(), 0.0)
    assert {"etcd", "pods", "certificates"}.isdisjoint({finding.area for finding in assess(view).findings})
