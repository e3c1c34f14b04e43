"""Nodes without a public address reach the internet through one that forwards: the real scripts, in network namespaces.

    private 10.110.0.3 -- router 10.110.0.1 -- gateway 10.110.0.2, 203.0.113.2 -- internet 203.0.113.1

The internet knows no way back to private addresses, as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack

import pytest

from sloth.cloud.user_data import text

NETWORK, ROUTER, INTERNET = "10.110.0.0/16", "10.110.0.1", "203.0.113.1"
HOSTS = ("private", "router", "gateway", "internet")


class Lab:
    """Four hosts as network namespaces."""

    def __init__(self, folder):
        self.folder = folder
        self.names = {host: f"sloth-{os.getpid()}-{host}" for host in HOSTS}

    def run(self, host, *words, check=True):
        done = subprocess.run(["ip", "netns", "exec", self.names[host], *words], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done

    def ip(self, host, line):
        self.run(host, "ip", *line.split())

    def link(self, one, other, first, second):
        """A cable: each end is called after the other host."""
        a, b = f"{os.getpid()}{one[0]}{other[0]}", f"{os.getpid()}{other[0]}{one[0]}"
        subprocess.run(["ip", "link", "add", a, "type", "veth", "peer", "name", b], check=True)
        for host, name, end, address in ((one, a, other, first), (other, b, one, second)):
            subprocess.run(["ip", "link", "set", name, "netns", self.names[host], "name", end], check=True)
            self.ip(host, f"link set {end} up")
            self.ip(host, f"addr add {address} dev {end}")

    def script(self, host, name, *words):
        """A script of templates/cloud, with files of its own."""
        code = text(name).replace("/etc/resolv.conf", f"{self.folder}/resolv.conf").replace("/run/systemd/resolve", "/nowhere")
        return self.run(host, "sh", "-c", code.replace("seq 90", "seq 1").replace("seq 60", "seq 1"), "sh", *words)

    def reaches(self, host, address):
        """Whether a connection from there comes about; whoever has the address answers."""
        owner = "internet" if address == INTERNET else "gateway"
        serve = f"import socket; s = socket.create_server(('{address}', 8000)); print('up', flush=True); s.accept()"
        words = ["ip", "netns", "exec", self.names[owner], sys.executable, "-c", serve]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None
                server.stdout.readline()
                connect = f"import socket; socket.create_connection(('{address}', 8000), 2)"
                return self.run(host, sys.executable, "-c", connect, check=False).returncode == 0
            finally:
                server.kill()

    def rules(self):
        """What translates addresses at the gateway."""
        words = ("nft", "list", "ruleset") if shutil.which("nft") else ("iptables-save", "-t", "nat")
        return self.run("gateway", *words).stdout.lower()


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path)
    with ExitStack() as stack:
        for host, name in made.names.items():
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=False)
            made.ip(host, "link set lo up")
        made.link("private", "router", "10.110.0.3/32", f"{ROUTER}/32")
        made.link("gateway", "router", "10.110.0.2/32", f"{ROUTER}/32")
        made.link("gateway", "internet", "203.0.113.2/24", f"{INTERNET}/24")
        for host in ("private", "gateway"):
            made.ip(host, f"route add {ROUTER} dev router")
            made.ip(host, f"route add {NETWORK} via {ROUTER} dev router onlink")
        made.run("router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        made.ip("router", "route add 10.110.0.3 dev private")
        made.ip("router", "route add 10.110.0.2 dev gateway")
        made.ip("router", "route add default via 10.110.0.2 dev gateway onlink")
        yield made


def test_what_a_private_node_sends_leaves_with_the_gateways_address(lab):
    assert lab.reaches("private", "10.110.0.2")
    assert not lab.reaches("private", INTERNET)
    lab.script("private", "way-out.sh", ROUTER, INTERNET)
    assert not lab.reaches("private", INTERNET)
    lab.script("gateway", "forward.sh", NETWORK)
    assert lab.reaches("private", INTERNET)
    assert (lab.folder / "resolv.conf").read_text() == f"nameserver {INTERNET}\n"


def test_every_boot_does_the_same_again(lab):
    for _ in range(2):
        lab.script("gateway", "forward.sh", NETWORK)
        lab.script("private", "way-out.sh", ROUTER, INTERNET)
    assert lab.reaches("private", INTERNET)
    assert lab.rules().count("masquerade") == 1
    routes = lab.run("private", "ip", "route").stdout
    assert routes.count("default") == 1
    assert (lab.folder / "resolv.conf").read_text().count("nameserver") == 1


def test_inside_the_network_addresses_stay_what_they_are(lab):
    lab.script("gateway", "forward.sh", NETWORK)
    assert lab.rules().count(NETWORK) == 2
    assert lab.reaches("private", "10.110.0.2")
