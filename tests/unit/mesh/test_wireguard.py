"""Files of nodes: who gets which endpoint, key and keepalive; and what an added node costs the others."""

import base64

import pytest
from hypothesis import given
from hypothesis import settings as deadlines
from hypothesis import strategies as st

from sloth.mesh.wireguard import Bundle, MeshView, endpoint, files_digest, fitting_mtu, peer_files, preshared_key, settings
from sloth.model.secret import Secret, known_values
from tests.unit.phases.driving import node


def view(*nodes, keys=None):
    return MeshView(
        nodes=nodes, keys=keys or {n.name: f"KEY-{n.name}" for n in nodes}, seed=Secret("the-seed"), port=51820, mtu=1420
    )


def test_a_peer_file():
    one, other = node("a-1", 1), node("a-2", 2)
    text = peer_files(one, view(one, other))["a-2"]
    key = preshared_key(b"the-seed", "a-1", "a-2")
    assert text == (
        f"[Peer]\nPublicKey = KEY-a-2\nPresharedKey = {key}\n"
        "AllowedIPs = 10.90.0.2/32, 10.42.2.0/24\nEndpoint = 198.51.100.2:51820\n"
    )
    assert settings(one, view(one, other)) == "NAME=a-1\nADDRESS=10.90.0.1\nPODS=10.42.1.0/24\nPORT=51820\nMTU=1420\n"


def test_preshared_keys_are_of_the_pair():
    assert preshared_key(b"s", "a", "b") == preshared_key(b"s", "b", "a")
    assert len({preshared_key(b"s", "a", "b"), preshared_key(b"s", "a", "c"), preshared_key(b"t", "a", "b")}) == 3
    assert len(base64.b64decode(preshared_key(b"s", "a", "b"))) == 32


def lan(name, number, network="net-1", address="203.0.113.9"):
    return node(name, number, address=address, private_address=f"172.16.0.{number}", network=network)


@pytest.mark.parametrize(
    ("peer", "seen_from", "wanted"),
    [
        (lan("b-1", 2), lan("a-1", 1), "172.16.0.2"),  # same network: private
        (lan("b-1", 2, "net-2"), lan("a-1", 1), "203.0.113.9"),
        (lan("b-1", 2, ""), lan("a-1", 1, ""), "203.0.113.9"),  # no network named: not "the same"
        (lan("b-1", 2, address="127.0.0.1"), lan("a-1", 1), "172.16.0.2"),
        (lan("b-1", 2, "net-2", address="127.0.0.1"), lan("a-1", 1), ""),  # a published port of this machine
        (lan("b-1", 2, "net-2", address="10.0.0.9"), lan("a-1", 1), ""),  # private, in another network
        (node("b-1", 2, address="10.0.0.9"), node("a-1", 1), "10.0.0.9"),  # existing hosts may share a network
        (node("b-1", 2, address="host.example.com"), node("a-1", 1), "host.example.com"),
        (node("b-1", 2, address="2001:db8::9"), node("a-1", 1), "[2001:db8::9]"),
        (node("b-1", 2, address="fd00::9", network="n", private_address="fd00::9"), node("a-1", 1, network="n"), "[fd00::9]"),
        (node("b-1", 2, address=""), node("a-1", 1), ""),
        (node("b-1", 2, address="", network="n", private_address="db.lan"), node("a-1", 1, network="n"), "db.lan"),
    ],
)
def test_endpoint(peer, seen_from, wanted):
    assert endpoint(peer, seen_from=seen_from) == wanted


def test_only_the_side_behind_a_nat_keeps_it_open():
    hidden, public = lan("a-1", 1, "home", address="192.168.1.5"), node("b-1", 2)
    both = view(hidden, public)
    inner, outer = peer_files(hidden, both)["b-1"], peer_files(public, both)["a-1"]
    assert "Endpoint = 198.51.100.2:51820" in inner and "PersistentKeepalive = 25" in inner
    assert "Endpoint" not in outer and "PersistentKeepalive" not in outer


@deadlines(deadline=None)
@given(st.integers(2, 12), st.integers(0, 11))
def test_a_node_more_adds_one_file_to_each_other_and_changes_none(count, which):
    nodes = [node(f"n-{i}", i) for i in range(1, count + 1)]
    new = nodes[which % count]
    before = [each for each in nodes if each is not new]
    for each in before:
        had, has = peer_files(each, view(*before)), peer_files(each, view(*nodes))
        assert set(has) - set(had) == {new.name}
        assert {name: has[name] for name in had} == had
    assert new.name not in peer_files(new, view(*nodes))


def test_a_node_without_a_key_is_nobodys_peer_yet():
    one, other = node("a-1", 1), node("a-2", 2)
    assert peer_files(one, view(one, other, keys={"a-1": "K"})) == {}


def test_digest_follows_the_listing_order_of_files():
    peers = {"work-10": "ten\n", "work-1": "one\n", "work-1-x": "x\n"}
    assert files_digest("own\n", peers) == files_digest("own\nx\none\nten\n", {})  # `-` < `.` < `0`
    assert Bundle(lambda: peers).reveal() == "#clear\n#put work-1-x\nx\n#put work-1\none\n#put work-10\nten\n"


def test_bulk_is_not_learnt_by_the_masker_but_is_not_shown_either():
    text = Bundle(lambda: {"a-1": "PresharedKey = never-learnt-value\n"})
    assert "never-learnt-value" in text.reveal()
    assert str(text) == "***"
    assert text == Bundle(lambda: {"a-1": "PresharedKey = never-learnt-value\n"}) and text != "x" and len({text, text}) == 1
    assert not any("never-learnt-value" in value for value in known_values())


@pytest.mark.parametrize(
    ("wanted", "links", "mtu"),
    [(0, [], 1420), (0, [1500, 1450], 1370), (0, [9000], 1420), (0, [1000], 1280), (1400, [1300], 1400)],
)
def test_mtu(wanted, links, mtu):
    assert fitting_mtu(wanted, links) == mtu
