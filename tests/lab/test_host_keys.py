"""One-time host keys are replaced on a real host with a real sshd."""

from __future__ import annotations

import pytest

from sloth.model.node import Login
from sloth.model.secret import Secret
from sloth.phases.connect import STAGE, Connect
from tests.lab.mesh_lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab():
    made = None
    try:
        made = Lab()
        made.cluster(1)
        made.inside("n-1", "ssh-keygen -q -A && mkdir -p /run/sshd && systemctl restart ssh")
        yield made
    finally:
        if made:
            made.close()


def shown(lab, kind):
    """The key that sshd shows, asked over the network."""
    line = lab.inside("n-1", f"ssh-keyscan -t {kind} 127.0.0.1 2>/dev/null", check=False)
    return " ".join(line.split()[1:3])


def booted(lab):
    """The cluster, as if its machine were just made with the key that sshd shows now."""
    record = lab.state.load()
    boot = shown(lab, "ed25519")
    lab.state.save(record.with_node("n-1", boot_key=Secret("the private half"), boot_public_key=boot, host_keys=()))
    return boot


def run(lab):
    phase = Connect(lambda node, _record: Login(node=node.name, address="127.0.0.1"))
    return lab.phases(lab.cluster(1), phase).record.node("n-1")


def test_a_one_time_key_is_replaced(lab):
    boot = booted(lab)
    known = run(lab)
    assert boot.startswith("ssh-ed25519 ") and boot not in known.host_keys
    assert [shown(lab, "ed25519"), shown(lab, "ecdsa")] == list(known.host_keys)
    assert known.boot_key is None and known.boot_public_key == ""
    assert lab.inside("n-1", f"ls {STAGE}").split() == ["ssh_host_ecdsa_key.pub", "ssh_host_ed25519_key.pub"]
    assert shown(lab, "rsa") == ""
    assert lab.inside("n-1", "stat -c '%a %U' /etc/ssh/ssh_host_ed25519_key") == "600 root"


def test_once_recorded_nothing_is_asked(lab):
    run(lab)
    assert lab.transport.trips == []


def test_a_run_that_was_cut_off_after_recording_goes_on_with_the_same_keys(lab):
    boot = booted(lab)
    lab.inside("n-1", f"rm -r {STAGE}")
    driver = Connect(lambda node, _record: Login(node=node.name, address="127.0.0.1"))
    orders = driver.run(lab.cluster(1))
    next(orders)
    order = orders.send(None)  # the question for new keys
    assert "n-1" in order.scripts
    orders.close()
    made = lab.phases(lab.cluster(1), _Until(driver, 3)).record.node("n-1")
    assert made.host_keys and made.boot_public_key == boot
    assert shown(lab, "ed25519") == boot  # recorded, not yet in force: the record accepts both
    known = run(lab)
    assert known.host_keys == made.host_keys and shown(lab, "ed25519") == known.host_keys[0] and known.boot_public_key == ""


class _Until:
    """A phase that ends after so many orders."""

    title = "Cut off"

    def __init__(self, phase, count):
        self._phase, self._count = phase, count

    def run(self, cluster):
        orders, came = self._phase.run(cluster), None
        for _ in range(self._count):
            came = yield orders.send(came)
        orders.close()
        return cluster
