"""One-time host keys are replaced so that a run may be cut off anywhere and the next one still knows the host."""

import pytest

from sloth.errors import ConnectError
from sloth.model.node import Login
from sloth.model.phase import Connect as Use
from sloth.model.phase import Keep
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.step import Ask, Result
from sloth.phases.connect import _ACTIVE, Connect
from sloth.testing.contract import check_steps
from tests.unit.phases.driving import Driver, cluster, node

NEW = ("ssh-ed25519 NEW", "ecdsa-sha2-nistp256 NEW")


def login_for(each, record):
    return Login(node=each.name, address=each.machine.address, host_keys=("ssh-ed25519 FROM-SPEC",))


class Host:
    """sshd of one machine: the keys that it shows, and those that it has made aside."""

    def __init__(self):
        self.shown, self.staged = ("ssh-ed25519 BOOT",), ()

    def answer(self, name, step):
        if step.title == "make host keys":
            self.staged = self.staged or NEW
        elif step.title == "read the new host keys":
            return "\n".join(f"{key} comment" for key in self.staged)
        elif step.title == "put the host's own keys in force":
            assert self.staged
            self.shown = self.staged
        return ""


def booted(**more):
    return Record(cluster="c").with_node("a-1", boot_key=Secret("private boot key"), boot_public_key="ssh-ed25519 BOOT", **more)


def connect(record, host, nodes=None, **more):
    driver = Driver(record=record, answer=host.answer)
    return driver, driver.follow(Connect(login_for, **more).run(cluster(nodes or [node("a-1")], record)))


def accepted(driver):
    return [login.host_keys for order in driver.orders if isinstance(order, Use) for login in order.logins]


def test_recorded_nodes_cost_no_round_trip():
    driver, done = connect(Record(cluster="c").with_node("a-1", host_keys=NEW), Host())
    assert driver.trips == [] and driver.kept == []
    assert accepted(driver) == [NEW]
    assert done.record.node("a-1").host_keys == NEW


def test_where_the_record_knows_nothing_the_provider_says_what_to_accept():
    driver, _ = connect(Record(cluster="c"), Host())
    assert accepted(driver) == [("ssh-ed25519 FROM-SPEC",)] and driver.trips == []


def test_a_one_time_key_is_replaced():
    host = Host()
    driver, done = connect(booted(), host)
    assert accepted(driver) == [("ssh-ed25519 BOOT",), NEW]
    assert driver.titles("a-1") == [
        ["make host keys", "read the new host keys"], ["put the host's own keys in force"], ["see the host's own keys"],
    ]  # fmt: skip
    assert [(x.node("a-1").host_keys, x.node("a-1").boot_public_key) for x in driver.kept] == [
        (NEW, "ssh-ed25519 BOOT"),
        (NEW, ""),
    ]
    kept = done.record.node("a-1")
    assert kept.host_keys == NEW and kept.boot_key is None and kept.boot_public_key == ""


def test_cut_off_anywhere_the_host_is_known():
    """After every order of a run that ends there, a record that was saved accepts what the host shows; the next run finishes."""
    total = len(connect(booted(), Host())[0].orders)
    assert total == 7
    for stop in range(total + 1):
        host, record = Host(), booted()
        driver = Driver(record=record, answer=host.answer)
        orders = Connect(login_for).run(cluster([node("a-1")], record))
        came = None
        for _ in range(stop):
            order = orders.send(came)
            came = driver._do(order)
        orders.close()
        shown = host.shown[0]
        again, done = connect(driver.record, host)
        assert shown in accepted(again)[0]
        assert done.record.node("a-1").host_keys == NEW == host.shown
        assert done.record.node("a-1").boot_public_key == ""


def test_keys_are_recorded_before_they_are_put_in_force():
    driver, _ = connect(booted(), Host())
    kinds = [type(order).__name__ for order in driver.orders]
    assert kinds == ["Connect", "Each", "Keep", "Each", "Connect", "Each", "Keep"]
    assert isinstance(driver.orders[2], Keep)


def test_without_rotation_nothing_is_asked():
    driver, done = connect(booted(), Host(), rotate=False)
    assert driver.trips == [] and done.record.node("a-1").boot_public_key
    assert accepted(driver) == [("ssh-ed25519 BOOT",)]


def test_existing_hosts_keep_their_keys():
    driver, _ = connect(booted(), Host(), nodes=[node("a-1", existing=True)])
    assert driver.trips == []


def test_a_host_that_makes_no_keys_is_named():
    class Mute(Host):
        def answer(self, name, step):
            return Result(out="ssh-ed25519 ONLY-ONE") if isinstance(step, Ask) else ""

    with pytest.raises(ConnectError) as caught:
        connect(booted(), Mute())
    assert caught.value.code == "connect/no-host-keys" and "a-1" in caught.value.summary


def test_a_rehearsal_goes_the_same_way():
    driver = Driver(record=booted(), answer=lambda _n, step: Result(out=getattr(step, "expected", ""), predicted=True))
    driver.follow(Connect(login_for).run(cluster([node("a-1")], booted())))
    assert len(driver.trips) == 3
    assert check_steps([step for _, steps in driver.trips for step in steps]) == []
    assert _ACTIVE in {getattr(step, "unless", "") for _, steps in driver.trips for step in steps}


def test_a_new_machine_at_a_cloud_may_install_packages_before_it_lets_us_in():
    record = Record(cluster="c", mesh_seed=Secret("seed-of-the-cluster")).with_placements(
        "local", {"cp-1": {"size": "s"}, "cp-3": {}}
    )
    for name in ("cp-1", "cp-2"):
        record = record.with_node(name, boot_public_key="ssh-ed25519 BOOT")
    nodes = [node("cp-1", 1), node("cp-2", 2), node("cp-3", 3)]
    driver = Driver(record)
    driver.follow(Connect(login_for, rotate=False).run(cluster(nodes, record)))
    (used,) = [order for order in driver.orders if isinstance(order, Use)]
    first, second, third = (login.patience for login in used.logins)
    assert first > 300  # seconds
    assert second == 0  # as long as a machine may take to boot
    assert 0 < third < 60  # one that ran before
