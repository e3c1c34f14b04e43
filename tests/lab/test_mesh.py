"""The mesh on real hosts: real WireGuard, real systemd, the real runner. The tests build on each other, in order."""

from __future__ import annotations

import re

import pytest

from sloth.errors import ConnectError
from sloth.mesh.host import removal
from sloth.model.phase import Each
from tests.lab.mesh_lab import Lab, LogIn, docker, eventually

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab():
    made = None
    try:
        made = Lab()
        made.first = made.up(3)
        yield made
    finally:
        if made:
            made.close()


def keys(lab, node):
    return lab.inside(node, "cat /etc/wireguard/private.key")


def handshakes(lab, node):
    rows = (line.split("\t") for line in lab.inside(node, "wg show wg0 latest-handshakes").splitlines())
    return {key: int(age) for key, age in rows}


def test_three_hosts_are_joined_and_proven(lab):
    for node in ("n-1", "n-2", "n-3"):
        for other in ("10.212.0.1", "10.212.0.2", "10.212.0.3"):
            lab.inside(node, f"ping -c1 -W2 -M do -s 1392 {other}")
        assert all(handshakes(lab, node).values())
    assert lab.first.changed == {"n-1", "n-2", "n-3"}
    assert len({keys(lab, node) for node in ("n-1", "n-2", "n-3")}) == 3
    kept = lab.state.load().nodes
    assert all(kept[node].mesh_public_key == lab.inside(node, "wg show wg0 public-key") for node in ("n-1", "n-2", "n-3"))


def test_a_fresh_host_costs_four_round_trips(lab):
    titles = [
        ["look at the node"],
        ["begin mesh", "install WireGuard's tools", "make the node's mesh key"],
        ["write /etc/wireguard/peers.incoming", "put peers in force"],
        ["try mesh peers"],
    ]
    assert [trip[: len(want)] for trip, want in zip(lab.trips("n-2"), titles, strict=True)] == titles


def test_no_private_key_or_preshared_key_is_readable_by_others(lab):
    assert lab.inside("n-1", "find /etc/wireguard -type f -perm /077 ! -name public.key") == ""
    assert lab.inside("n-1", "ls -A /etc/wireguard/peers.d") == "n-2.conf\nn-3.conf"


def test_pod_networks_are_routed_and_a_node_never_routes_its_own(lab):
    routes = lab.inside("n-1", "ip -4 route show dev wg0").splitlines()
    assert sorted(line.split()[0] for line in routes) == ["10.212.0.2", "10.212.0.3", "10.213.1.0/24", "10.213.2.0/24"]
    lab.inside("n-2", "ip address add 10.213.1.1/24 dev lo")
    lab.inside("n-1", "ping -c1 -W2 -M do -s 1392 10.213.1.1")
    lab.inside("n-2", "ip address del 10.213.1.1/24 dev lo")


def test_a_second_run_changes_nothing_and_asks_once(lab):
    before = {
        node: lab.inside(node, "stat -c '%n %Y' /etc/wireguard/* /etc/wireguard/peers.d/*") for node in ("n-1", "n-2", "n-3")
    }
    done = lab.up(3)
    assert done.changed == frozenset()
    assert [lab.trips(node) for node in ("n-1", "n-2", "n-3")] == [[["look at the node"]]] * 3
    for node, files in before.items():
        assert lab.inside(node, "stat -c '%n %Y' /etc/wireguard/* /etc/wireguard/peers.d/*") == files


def test_a_fourth_host_disturbs_nobody(lab):
    lab.inside("n-1", "nohup ping -i 0.05 10.212.0.2 >/tmp/ping 2>&1 & echo $! >/tmp/ping.pid")
    before = handshakes(lab, "n-1")
    done = lab.up(4)
    assert done.changed == {"n-1", "n-2", "n-3", "n-4"}
    put = [title for trip in lab.trips("n-1") for title in trip if title.startswith("write")]
    assert put == ["write /etc/wireguard/peers.d/n-4.conf"]
    assert len(lab.trips("n-1")) == 4
    lab.inside("n-1", "kill -INT $(cat /tmp/ping.pid)")
    eventually(lambda: "packet loss" in lab.inside("n-1", "cat /tmp/ping"), timeout=5)
    summary = lab.inside("n-1", "cat /tmp/ping")
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", summary).groups())
    assert sent > 20
    assert sent - received <= 1, summary  # one may be on its way when ping is stopped
    after = handshakes(lab, "n-1")
    assert len(after) == 3
    assert all(after[key] for key in before)
    lab.inside("n-4", "ping -c1 -W2 -M do -s 1392 10.212.0.3")


def test_a_restarted_host_finds_back_by_itself(lab):
    key = keys(lab, "n-3")
    docker("restart", "--time", "10", lab.container("n-3"))
    lab.booted("n-3")
    took = eventually(lambda: "1 received" in lab.inside("n-3", "ping -c1 -W1 10.212.0.1", check=False), timeout=20)
    print(f"the mesh of a restarted host works {took:.1f} s after its boot")
    assert keys(lab, "n-3") == key
    routes = lab.inside("n-3", "ip -4 route show dev wg0").splitlines()
    assert len(routes) == 6
    done = lab.up(4)
    assert done.changed == frozenset()
    assert lab.trips("n-3") == [["look at the node"], ["try mesh peers"]]


def test_a_lost_interface_is_brought_back(lab):
    lab.inside("n-4", "ip link delete wg0")
    done = lab.up(4)
    assert done.changed == {"n-4"}
    lab.inside("n-4", "ping -c1 -W2 -M do -s 1392 10.212.0.1")
    lab.inside("n-4", "ip route del 10.213.1.0/24 dev wg0")
    assert lab.up(4).changed == {"n-4"}
    assert "10.213.1.0/24" in lab.inside("n-4", "ip -4 route show dev wg0")


def test_a_pair_that_has_just_shaken_hands_is_given_the_time_to_do_it_again(lab):
    # Only handshakes get through (148 and 92 bytes, the first pings 128 of them) until a minute has passed.
    lab.inside("n-1", "nft add table inet t && nft 'add chain inet t in { type filter hook input priority 0; }'")
    lab.inside("n-1", f"nft add rule inet t in ip saddr {lab.address('n-2')} udp dport 51820 udp length != {{ 100, 156 }} drop")
    peer = lab.inside("n-2", "wg show wg0 public-key")
    lab.inside("n-1", f"wg set wg0 peer {peer} remove; sloth-mesh sync; ping -c1 -W1 10.212.0.2", check=False)
    lab.inside("n-1", "nohup sh -c 'sleep 8; nft delete table inet t' >/dev/null 2>&1 &")
    assert "peer n-2 ok" in lab.inside("n-1", "PATIENCE=3 sloth-mesh check n-2")


def test_a_blocked_pair_is_named_with_its_cause(lab):
    other = lab.address("n-2")
    lab.inside("n-1", "nft add table inet t && nft 'add chain inet t in { type filter hook input priority 0; }'")
    lab.inside("n-1", "nft 'add chain inet t out { type filter hook output priority 0; }'")
    lab.inside("n-1", f"nft add rule inet t in ip saddr {other} udp dport 51820 drop")
    lab.inside("n-1", f"nft add rule inet t out ip daddr {other} udp dport 51820 drop")
    with pytest.raises(ConnectError) as caught:
        lab.up(4)
    assert caught.value.code == "mesh/pair-unreachable"
    assert caught.value.where == "n-1 n-2"
    assert "UDP port 51820 is blocked between them in both directions" in caught.value.summary
    assert "n-1 of n-2" in caught.value.detail and "n-2 of n-1" in caught.value.detail
    lab.inside("n-1", "nft delete table inet t")
    assert lab.up(4).changed == frozenset()


def test_a_block_in_one_direction_is_told_apart(lab):
    lab.inside("n-4", "systemctl restart sloth-mesh")  # sessions that work go on for three minutes
    source = lab.address("n-4")
    lab.inside("n-2", "nft add table inet t && nft 'add chain inet t in { type filter hook input priority 0; }'")
    lab.inside("n-2", f"nft add rule inet t in ip saddr {source} udp dport 51820 drop")
    lab.inside("n-2", "systemctl restart sloth-mesh")
    with pytest.raises(ConnectError) as caught:
        lab.up(4)
    assert caught.value.code == "mesh/pair-unreachable"
    assert "packets go one way only: UDP port 51820 from n-4 to n-2 is blocked" in caught.value.summary
    lab.inside("n-2", "nft delete table inet t")
    lab.up(4)


def test_packets_that_are_too_large_are_told_apart(lab):
    target = lab.address("n-3")
    lab.inside("n-4", "nft add table inet t && nft 'add chain inet t out { type filter hook output priority 0; }'")
    lab.inside("n-4", f"nft add rule inet t out ip daddr {target} udp dport 51820 meta length gt 1400 drop")
    lab.inside("n-4", "rm /run/sloth/mesh.passed")
    with pytest.raises(ConnectError) as caught:
        lab.up(4)
    assert "small packets get through, but none of 1420 bytes (the mesh's MTU); 1320 bytes do" in caught.value.summary
    assert caught.value.hint == "set spec.mesh.mtu: 1320 and run sloth up"
    lab.inside("n-4", "nft delete table inet t")
    lab.up(4, mtu=1320)
    assert lab.inside("n-3", "cat /sys/class/net/wg0/mtu") == "1320"
    lab.up(4)
    assert lab.inside("n-3", "cat /sys/class/net/wg0/mtu") == "1420"


def test_a_removed_node_is_forgotten_by_all(lab):
    done = lab.up(3)
    assert done.changed == {"n-1", "n-2", "n-3"}
    assert lab.inside("n-1", "ls /etc/wireguard/peers.d") == "n-2.conf\nn-3.conf"
    assert "10.213.3.0/24" not in lab.inside("n-1", "ip -4 route show dev wg0")
    assert [title for trip in lab.trips("n-1") for title in trip] == [
        "look at the node", "list peers", "forget peer n-4", "put peers in force",
    ]  # fmt: skip
    assert lab.up(3).changed == frozenset()


def test_a_host_that_leaves_keeps_nothing_of_the_mesh(lab):
    class Leave:
        title = "Leave"

        def run(self, cluster):
            yield Each(title="leave", scripts={"n-3": _once(removal())})
            return cluster

    lab.phases(lab.cluster(3), LogIn(), Leave())
    assert lab.inside("n-3", "ls -A /etc/wireguard") == ""
    assert "wg0" not in lab.inside("n-3", "ip -br link")
    assert lab.inside("n-3", "systemctl list-unit-files 'sloth-mesh*' --no-legend --plain", check=False) == ""


def _once(steps):
    yield steps
