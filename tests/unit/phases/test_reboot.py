"""A reboot from cordon to uncordon: machines that come back by themselves, late, under another port, or not at all."""

from dataclasses import replace

import pytest

from sloth.errors import ConnectError, KubernetesError, StepError, UsageError
from sloth.etcd.access import EtcdAccess
from sloth.model.node import Login
from sloth.model.phase import Api, Connect, Each, MakeMachines, Say, SurveyMachines, Together
from sloth.model.step import Result, Wait
from sloth.phases.reboot import Reboot
from tests.unit.phases.orders import cluster

ACCESS = EtcdAccess(cacert="/ca", cert="/cert", key="/key", data_dir="/var/lib/etcd")
GONE = ConnectError("connect/refused", "work-1 does not answer", hint="sloth up")


class Able:
    """A distribution with kubectl and etcd, and nothing else."""

    name = "able"

    def kubectl(self):
        return "kubectl"

    def etcd_access(self):
        return ACCESS

    def kubelet_unit(self, role):
        return f"able-{role}"


class Hands:
    """Carries orders out. `waits` = what comes of each wait for another boot, one after the other."""

    def __init__(self, waits, machine=None, etcd=""):
        self.waits = list(waits)
        self.machine = machine
        self.etcd = etcd
        self.titles = []
        self.steps = []
        self.orders = []

    def play(self, phase, start):
        run = phase.run(start)
        step = run.__next__
        try:
            while True:
                order = step()
                self.orders.append(order)
                try:
                    came = self.answer(order)
                except Exception as error:
                    step = lambda error=error: run.throw(error)  # noqa: E731
                else:
                    step = lambda came=came: run.send(came)  # noqa: E731
        except StopIteration as end:
            return end.value

    def answer(self, order):
        match order:
            case Each():
                return {name: self.script(script, order.gather) for name, script in order.scripts.items()}
            case Together():
                assert all(isinstance(each, SurveyMachines) for each in order.orders)
                return tuple((self.machine,) if self.machine else () for _ in order.orders)
            case MakeMachines():
                self.machine = replace(self.machine, running=True, port=2222)
                return (self.machine,)
            case Api():
                self.titles.append(order.title)
                return True
            case Connect() | Say():
                return None
        raise AssertionError(f"unexpected order {order!r}")

    def script(self, script, gather):
        try:
            wanted = next(script)
            while True:
                steps = wanted if isinstance(wanted, list) else [wanted]
                self.titles += [step.title for step in steps]
                self.steps += steps
                if steps[0].title == "wait for another boot":
                    came = self.waits.pop(0)
                    if isinstance(came, Exception):
                        wanted = script.throw(came)
                        continue
                results = [Result(out=self.said(step)) for step in steps]
                wanted = script.send(results if isinstance(wanted, list) else results[0])
        except StopIteration as end:
            return end.value
        except Exception as error:
            if gather:
                return error
            raise

    def said(self, step):
        texts = {"look at node work-1": "work-1 True", "look at node cp-2": "cp-2 True", "look at the boot": "one\n7"}
        return {**texts, "read the boot id": "two", "list etcd members": self.etcd}.get(step.title, "")

    def of(self, kind):
        return [order for order in self.orders if isinstance(order, kind)]


def reboot(*names, **settings):
    login = lambda node, _record: Login(node=node.name, address=node.machine.address, port=node.machine.port)  # noqa: E731
    return Reboot(Able(), login, names, **settings)


START = cluster("cp-1", "cp-2", "work-1", states={"cp-1": "joined", "cp-2": "joined", "work-1": "joined"})


def test_from_cordon_to_uncordon_in_this_order():
    hands = Hands([True])
    end = hands.play(reboot("work-1"), START)
    assert hands.titles == [
        "wait for the Kubernetes API", "look at node work-1", "ask whether the kubelet of work-1 lives", "drain work-1",
        "look at the boot", "reboot",
        "wait for another boot", "read the boot id",
        "wait for the Kubernetes API", "wait until work-1 is Ready", "uncordon work-1",
    ]  # fmt: skip
    assert end.changed == {"work-1"}
    (drain,) = hands.of(Api)
    assert drain.talk.args[1] == "reboot", "for what it is held meanwhile"
    assert hands.of(MakeMachines) == []
    waits = {step.title: step for step in hands.steps if isinstance(step, Wait)}
    assert waits["wait until work-1 is Ready"].hint == "sloth ssh work-1 -- journalctl -u able-worker -n 50"
    assert "journalctl -u able-worker " in waits["wait for another boot"].diagnose


def test_a_machine_that_stays_off_is_started_by_its_provider_and_found_under_its_new_port():
    machine = START.node("work-1").machine
    hands = Hands([GONE, True], replace(machine, running=False))
    end = hands.play(reboot("work-1"), START)
    (made,) = hands.of(MakeMachines)
    assert [request.name for request in made.wanted] == ["work-1"]
    assert [(login.port, login.patience) for order in hands.of(Connect) for login in order.logins] == [(22, 2.0), (2222, 5.0)]
    assert end.node("work-1").machine.port == 2222


def test_a_machine_that_boots_slowly_is_waited_for_with_more_and_more_patience():
    hands = Hands([GONE, GONE, GONE, True], START.node("work-1").machine)
    hands.play(reboot("work-1"), START)
    assert [login.patience for order in hands.of(Connect) for login in order.logins] == [2.0, 5.0, 15.0, 60.0]
    assert hands.of(MakeMachines) == []


@pytest.mark.parametrize(
    ("waits", "tries"),
    [
        ([GONE] * 5, 5),
        ([ConnectError("connect/host-key-mismatch", "another host", hint="x")], 1),
        ([StepError("step/timed-out", "it never went down", hint="x")], 1),
    ],
    ids=["never again", "another host", "it stays up"],
)
def test_a_node_that_does_not_come_back_ends_it_cordoned(waits, tries):
    hands = Hands(waits, START.node("work-1").machine)
    with pytest.raises(type(waits[-1])):
        hands.play(reboot("work-1", "cp-2"), START)
    assert len(hands.of(Connect)) == tries
    assert "uncordon work-1" not in hands.titles
    assert "drain cp-2" not in hands.titles, "the next one is not begun"


def test_a_machine_that_vanished_is_not_made_anew():
    hands = Hands([GONE] * 5)
    with pytest.raises(ConnectError):
        hands.play(reboot("work-1"), START)
    assert hands.of(MakeMachines) == []


def members(*ill):
    return "\n".join(f"a{n}, started, cp-{n}, https://10.90.0.{n}:2380, https://10.90.0.{n}:2379, false" for n in (1, 2))


def test_a_server_is_guarded_and_waited_for_as_a_member():
    hands = Hands([], etcd=members())
    with pytest.raises(KubernetesError) as caught:
        hands.play(reboot("cp-2"), START)
    assert caught.value.code == "etcd/quorum"
    assert caught.value.hint.endswith("sloth nodes reboot cp-2 --accept-outage")
    assert "drain cp-2" not in hands.titles
    again = Hands([True], etcd=members())
    again.play(reboot("cp-2", accept_outage=True), START)
    assert again.titles.index("wait until cp-2 is a healthy etcd member") < again.titles.index("uncordon cp-2")
    assert [[node.name for node in order.servers] for order in again.of(Api)] == [["cp-1"]]


def test_names_are_checked_before_the_first_reboot():
    hands = Hands([])
    with pytest.raises(UsageError) as caught:
        hands.play(reboot("work-1", "work-7"), START)
    assert caught.value.code == "usage/unknown-node"
    assert hands.orders == []
    off = replace(START, nodes=START.nodes[:2])
    with pytest.raises(UsageError) as caught:
        Hands([]).play(reboot("work-1"), off)
    assert caught.value.code == "usage/not-running"
