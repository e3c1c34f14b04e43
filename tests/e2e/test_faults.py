"""Faults on real nodes: each ends in an error that names node, cause and next command, and leaves the rest resumable.

One cluster in the making is hurt in one way after the other; the last test lets it converge. The tests build on each other.
"""

import pytest

from tests.e2e.cluster import docker


@pytest.fixture(scope="module")
def hosts(bed):
    """Machines that are made and inspected, but not yet a cluster."""
    bed.write(control=1, workers=2)
    bed.killed_at(9, "up", "--yes")
    assert bed.container("work-2")
    return bed


def fails(bed, code, *, names=(), exit=None):
    """`sloth up` fails with this error code, names these things, and says what to do next; never with a traceback."""
    envelope = bed.json("up", "--yes", code=None)
    assert not envelope["ok"], envelope
    found = [error for error in envelope["errors"] if error["code"] == code]
    assert found, envelope["errors"]
    text = " ".join(f"{error['summary']} {error['detail']} {error['where']}" for error in found)
    for name in names:
        assert name in text, (name, text)
    assert all(error["hint"] for error in envelope["errors"])
    assert "Traceback" not in str(envelope)
    if exit:
        assert found[0]["exit"] == exit


def test_port_taken(hosts):
    hosts.inside("work-1", "systemd-run --collect --unit=squatter socat TCP-LISTEN:10250,fork,reuseaddr PIPE && sleep 0.3")
    fails(hosts, "node/port-taken", names=["work-1", "10250", "socat"])
    hosts.inside("work-1", "systemctl stop squatter")


def test_wrong_clock(hosts):
    shim = "IyEvYmluL3NoCmV4ZWMgL2Jpbi9kYXRlIC1kICsxMG1pbiAiJEAiCg=="  # #!/bin/sh, exec /bin/date -d +10min "$@"
    hosts.inside("work-2", f"echo {shim} | base64 -d > /usr/local/bin/date && chmod +x /usr/local/bin/date")
    fails(hosts, "node/clock-skew", names=["work-2"])
    hosts.inside("work-2", "rm /usr/local/bin/date")


def test_several_problems_are_reported_at_once(hosts):
    hosts.inside("work-1", "systemd-run --collect --unit=squatter socat TCP-LISTEN:10250,fork,reuseaddr PIPE && sleep 0.3")
    hosts.inside("work-2", "systemd-run --collect --unit=squatter socat TCP-LISTEN:10250,fork,reuseaddr PIPE && sleep 0.3")
    fails(hosts, "node/port-taken", names=["work-1", "work-2"])
    hosts.inside("work-1", "systemctl stop squatter")
    hosts.inside("work-2", "systemctl stop squatter")


def test_mesh_udp_blocked_between_one_pair(hosts):
    other = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", hosts.container("work-2"))
    hosts.inside("work-1", "nft add table inet t && nft 'add chain inet t in { type filter hook input priority 0; }'")
    hosts.inside("work-1", f"nft add rule inet t in ip saddr {other} udp dport 51820 drop")
    hosts.inside("work-1", "nft 'add chain inet t out { type filter hook output priority 0; }'")
    hosts.inside("work-1", f"nft add rule inet t out ip daddr {other} udp dport 51820 drop")
    fails(hosts, "mesh/pair-unreachable", names=["work-1", "work-2", "UDP"])
    hosts.inside("work-1", "nft delete table inet t")


def test_disk_full(hosts):
    hosts.inside("work-1", "mkdir -p /etc/sloth && mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs /etc/sloth")
    fails(hosts, "node/disk-full", names=["work-1", "No space left"])
    hosts.inside("work-1", "umount /etc/sloth")


def test_wrong_ssh_host_key(hosts):
    hosts.inside("work-2", "mkdir /root/keep && mv /etc/ssh/ssh_host_* /root/keep/ && ssh-keygen -q -A && systemctl restart ssh")
    fails(hosts, "connect/host-key-mismatch", names=["work-2", "SHA256:"], exit=13)
    hosts.inside("work-2", "rm /etc/ssh/ssh_host_* && mv /root/keep/* /etc/ssh/ && rmdir /root/keep && systemctl restart ssh")


def test_worker_unreachable(hosts):
    hosts.inside("work-1", "nft add table inet t && nft 'add chain inet t in { type filter hook input priority 0; }'")
    hosts.inside("work-1", "nft add rule inet t in tcp dport 22 drop")
    # Docker's proxy takes the connection in the node's place, so what is seen is a host that says nothing.
    fails(hosts, "connect/no-banner", names=["work-1"], exit=13)
    hosts.inside("work-1", "nft delete table inet t")


def test_all_of_it_was_resumable(hosts):
    assert hosts.up()["nodes"] == ["control-1", "work-1", "work-2"]
    assert hosts.json("status")["data"]["healthy"]
    hosts.sloth("down", "--yes")
    assert hosts.leftovers() == []
