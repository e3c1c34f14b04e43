"""What a node's report says, and the cause that both ends' reports tell of a pair."""

import pytest

from sloth.mesh.probe import End, Report, Seen, fault, parse

KEYS = {"a-1": "KA=", "b-1": "KB="}


def end(name, seen, key="", reachable="198.51.100.1"):
    report = Report(public_key=key or KEYS[name], peers={}, whole=True)
    return End(name=name, key=KEYS[name], reachable=reachable, report=report, seen=seen)


def silent(**more):
    return Seen(verdict="silent", sent=592, endpoint="198.51.100.9:51820", **more)


def test_parse():
    report = parse(
        "noise\nself KEY= 51820\npeer b-1 ok\npeer c-1 silent 0 never 0 592 198.51.100.9:51820\n"
        "peer d-1 small 1320 12 900 5000 none\nend"
    )
    assert report.public_key == "KEY=" and report.whole
    assert report.peers["b-1"].verdict == "ok"
    assert report.peers["c-1"] == Seen(verdict="silent", sent=592, endpoint="198.51.100.9:51820")
    assert report.peers["d-1"] == Seen(verdict="small", largest=1320, handshake="12", received=900, sent=5000)
    assert not parse("self KEY= 51820\npeer b-1 ok").whole


OK = Seen(verdict="ok")
SMALL = Seen(verdict="small", largest=1320, handshake="3", received=900, sent=900)


@pytest.mark.parametrize(
    ("one", "other", "cause", "hint"),
    [
        (
            end("a-1", silent()),
            end("b-1", silent()),
            "UDP port 51820 is blocked between them in both directions",
            "open UDP port 51820",
        ),
        (
            end("a-1", silent()),
            end("b-1", silent(received=148)),
            "one way only: UDP port 51820 from b-1 to a-1 is blocked",
            "at a-1 (198",
        ),
        (
            end("a-1", silent(received=148)),
            end("b-1", silent()),
            "one way only: UDP port 51820 from a-1 to b-1 is blocked",
            "at b-1 (198",
        ),
        (
            end("a-1", silent(received=9)),
            end("b-1", silent(received=9)),
            "pings inside the mesh are not answered",
            "nft list ruleset",
        ),
        (end("a-1", SMALL), end("b-1", OK), "none of 1420 bytes (the mesh's MTU); 1320 bytes do", "set spec.mesh.mtu: 1320"),
        (end("a-1", silent()), end("b-1", silent(), key="NEW="), "b-1 has another key", "restart sloth-mesh"),
        (end("a-1", silent(), reachable=""), end("b-1", silent(), reachable=""), "neither has an address", "public address"),
        (
            end("a-1", silent(), reachable="192.0.2.7"),
            end("b-1", silent(), reachable=""),
            "192.0.2.7) is not where a-1 is",
            "192.0.2.7",
        ),
        (end("a-1", silent()), end("b-1", None), "in both directions", "open UDP port"),
    ],
)
def test_cause(one, other, cause, hint):
    error = fault(one, other, port=51820, mtu=1420)
    assert error.code == "mesh/pair-unreachable" and error.exit == 13
    assert error.where == "a-1 b-1" and "a-1 and b-1" in error.summary
    assert cause in error.summary
    assert hint in error.hint


def test_evidence_of_both_ends():
    detail = fault(end("a-1", silent()), end("b-1", silent(handshake="200")), port=1, mtu=1420).detail
    assert "a-1 of b-1: no handshake ever; 592 bytes sent to 198.51.100.9:51820, 0 received" in detail
    assert "b-1 of a-1: last handshake 200 s ago" in detail
    assert "b-1 of a-1: answers" in fault(end("a-1", SMALL), end("b-1", OK), port=1, mtu=1420).detail
