"""The one question to a node (run by a real shell here: it only reads), its answer as facts, and what is wrong with a host."""

import subprocess
from dataclasses import replace

import pytest

from sloth.errors import ConnectError, ManyErrors, StepError
from sloth.model.facts import Facts
from sloth.model.node import Profile
from sloth.model.phase import Say
from sloth.model.step import Result
from sloth.phases.fitness import problems
from sloth.phases.inspect import Inspect, parse, question
from sloth.testing.contract import reads_only
from tests.unit.phases.driving import Driver, cluster, node

GOOD = {
    "os": "debian 12", "arch": "amd64", "user": "0", "cpus": "2", "memory": "4096", "disk_free": "20000", "wireguard": "kernel",
    "clock": "1000.5", "kube.state": "none",
}  # fmt: skip


class Bare:
    def probe(self):
        return "(\necho kube.state=none; exit 0\n)"


def text(values):
    return "\n".join(f"{key}={value}" for key, value in values.items())


def inspect(**more):
    return Inspect(Bare(), now=lambda: 1000.0, **more)


def test_the_question_is_one_that_a_shell_answers():
    asked = question(node("a-1", role="control-plane", address="it's; here"), 51820, Bare().probe())
    assert reads_only(asked)
    done = subprocess.run(["sh", "-s"], input=asked, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0 and done.stderr == ""
    facts = parse(Result(out=done.stdout), 0.0)
    for key in ("os", "arch", "kernel", "hostname", "user", "cpus", "memory", "disk_free", "clock", "wireguard", "kube.state"):
        assert facts.get(key), key
    assert int(facts.get("memory")) > 100 and float(facts.get("clock")) > 1.7e9
    assert "@" not in asked.replace('"$@"', "")


def test_a_port_in_use_is_seen_with_its_process():
    code = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"
    )
    listener = subprocess.Popen(["/usr/bin/env", "python3", "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        port = int(listener.stdout.readline())
        asked = question(node("a-1"), 51820, Bare().probe()).replace("tcp:10250", f"tcp:{port}")
        out = subprocess.run(["sh", "-s"], input=asked, capture_output=True, text=True, check=True, timeout=30).stdout
        assert f"port.{port}=python3" in out
        out = subprocess.run(
            ["sh", "-s"], input=asked.replace("kube.state=none", "kube.state=joined"), capture_output=True, text=True, check=True
        ).stdout
        assert "port." not in out  # a member's ports are its own
    finally:
        listener.kill()
        listener.communicate()


def test_one_round_trip_to_each_node():
    driver = Driver(record=None, answer=lambda name, step: text(GOOD))
    done = driver.follow(inspect().run(cluster([node("a-1", 1), node("a-2", 2)])))
    assert [name for name, _ in driver.trips] == ["a-1", "a-2"]
    assert done.facts["a-1"].get("os") == "debian 12" and done.facts["a-1"].clock_offset == 0.5


def test_everything_wrong_with_every_node_is_said_at_once():
    answers = {
        "a-1": text({**GOOD, "disk_free": "10", "port.10250": "socat"}),
        "a-2": text({**GOOD, "clock": "1700"}),
        "a-3": ConnectError("connect/unreachable", "a-3 is off", hint="h"),
    }
    driver = Driver(record=None, answer=lambda name, step: answers[name])
    with pytest.raises(ManyErrors) as caught:
        driver.follow(inspect().run(cluster([node("a-1", 1), node("a-2", 2), node("a-3", 3)])))
    assert sorted(e.code for e in caught.value.exceptions) == [
        "connect/unreachable",
        "node/clock-skew",
        "node/disk-full",
        "node/port-taken",
    ]
    taken = next(e for e in caught.value.exceptions if e.code == "node/port-taken")
    assert "a-1" in taken.summary and "10250 by socat" in taken.summary


def test_lenient_only_warns():
    answers = {
        "a-1": text({**GOOD, "disk_free": "10"}),
        "a-2": ConnectError("connect/unreachable", "a-2 is off", hint="h"),
        "a-3": ValueError("odd"),
    }
    driver = Driver(record=None, answer=lambda name, step: answers[name])
    done = driver.follow(inspect(lenient=True).run(cluster([node("a-1", 1), node("a-2", 2), node("a-3", 3)])))
    assert set(done.facts) == {"a-1"}
    said = [order.text for order in driver.orders if isinstance(order, Say) and order.warning]
    assert len(said) == 3 and said[0] == "a-2 is off" and "a-1" in said[2]


def test_a_host_that_does_not_exist_yet_has_no_problems():
    facts = parse(Result(predicted=True), 1000.0)
    assert facts.predicted and facts.clock_offset == 0
    assert problems(node("a-1", role="control-plane"), facts) == []


CONTROL = node("c-1", role="control-plane")
WORKER = node("w-1")
SMALL = replace(CONTROL, machine=replace(CONTROL.machine, profile=Profile(ignore_preflight=("NumCPU", "Mem"))))


@pytest.mark.parametrize(
    ("host", "change", "code", "words"),
    [
        (WORKER, {"user": "1000"}, "node/not-root", "user 1000"),
        (WORKER, {"os": "alpine 3.20"}, "node/unsupported-system", "alpine 3.20 on amd64"),
        (WORKER, {"os": "debian 11"}, "node/unsupported-system", "debian 11"),
        (WORKER, {"os": "ubuntu 20.04"}, "node/unsupported-system", "ubuntu 20.04"),
        (WORKER, {"arch": "armv7l"}, "node/unsupported-system", "armv7l"),
        (WORKER, {"clock": "1031"}, "node/clock-skew", "31 s ahead of"),
        (WORKER, {"clock": "900"}, "node/clock-skew", "100 s behind"),
        (WORKER, {"disk_free": "2047"}, "node/disk-full", "only 2047 MiB"),
        (CONTROL, {"cpus": "1"}, "node/too-small", "1 CPUs"),
        (CONTROL, {"memory": "1000"}, "node/too-small", "1000 MiB of memory"),
        (WORKER, {"wireguard": "none"}, "node/no-wireguard", "/dev/net/tun"),
        (WORKER, {"port.51820": "openvpn", "port.6444": "nginx"}, "node/port-taken", "6444 by nginx, 51820 by openvpn"),
        (WORKER, {"kube.state": "broken", "port.10250": "socat"}, "node/port-taken", "socat"),
    ],
)
def test_problem(host, change, code, words):
    found = problems(host, Facts(values={**GOOD, **change}, asked_at=1000.0))
    assert [error.code for error in found] == [code]
    assert host.name in found[0].summary and words in found[0].summary and found[0].where == host.name and found[0].hint
    assert isinstance(found[0], ConnectError if code == "node/not-root" else StepError)


@pytest.mark.parametrize(
    ("host", "change"),
    [
        (WORKER, {"os": "debian 13"}), (WORKER, {"os": "ubuntu 24.04"}), (WORKER, {"os": "debian "}),
        (WORKER, {"clock": "1029"}), (WORKER, {"cpus": "1", "memory": "900"}), (WORKER, {"wireguard": "userspace"}),
        (WORKER, {"port.10250": "kubelet", "port.6444": "haproxy", "port.51820": "wireguard-go"}), (WORKER, {"port.51820": ""}),
        (WORKER, {"kube.state": "joined", "port.10250": "socat"}),
        (SMALL, {"cpus": "1", "memory": "900"}),
    ],
)  # fmt: skip
def test_no_problem(host, change):
    assert problems(host, Facts(values={**GOOD, **change}, asked_at=1000.0)) == []
