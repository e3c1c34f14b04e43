"""Provider `ssh` and the mirror on real nodes: hosts that were there before, with nothing baked in, get all they need from
`sloth mirror serve`; what is missing or altered in the mirror is named; `down` leaves the hosts as they were.

The hosts are containers of the plain node image. What containers need beyond ordinary hosts (kubelet's cgroup settings) is
added to the provider's answer by a driver; everything else is the product's own way. The tests build on each other.
"""

import json
import shutil
import subprocess
import sys

import pytest

from tests.e2e.cluster import SLOTH, docker, newest

DRIVER = """
import dataclasses, sys
from sloth import registry
from sloth.model.artifact import Delivery
plugin = registry.provider("ssh")
local = sys.modules[type(registry.provider("local")).__module__ + ".profile"]
profile = local.profile(sys.argv.pop(1), baked=False)
original = type(plugin).machines

def machines(self, spec, emit, delivery):
    made = original(self, spec, emit, delivery)
    for name in ("apply", "survey"):
        def answer(*words, real=getattr(made, name)):
            return [dataclasses.replace(machine, profile=profile) for machine in real(*words)]
        object.__setattr__(made, name, answer)
    return made

type(plugin).machines = machines
from sloth.cli.main import run
run()
"""


class Hosts:
    """Two hosts, a mirror, and `sloth` with the driver."""

    def __init__(self, bed):
        self.bed = bed
        self.mirror = bed.folder / "mirror"
        self.server = None

    def make(self):
        from sloth import registry
        from sloth.adapters.ssh_keys import new_pair
        from sloth.config.load import from_document
        from sloth.model.artifact import Delivery
        from sloth.model.plan import MachineRequest

        pools = [{"name": "h", "role": "control-plane", "count": 1}]
        spec = from_document(
            {"apiVersion": "sloth.dev/v1", "kind": "Cluster", "metadata": {"name": self.bed.name}, "spec": {"pools": pools}}
        ).spec
        login, boot = new_pair("user"), {name: new_pair(name) for name in ("a", "b")}
        key = self.bed.folder / "id"
        key.touch(mode=0o600)
        key.write_text(login.private.reveal())
        made = registry.provider("local").machines(spec, lambda event: None, Delivery())
        machines = made.apply(
            [
                MachineRequest(
                    name=name, cluster=self.bed.name, pool="h", role="worker", ssh_public_key=login.public,
                    boot_key_private=boot[name].private, boot_key_public=boot[name].public,
                )
                for name in boot
            ]
        )  # fmt: skip
        self.addresses = {machine.name: machine.private_address for machine in machines}
        self.keys = {name: pair.public for name, pair in boot.items()}
        self.cgroup = "1" if machines[0].profile.kubelet.get("failCgroupV1") is False else "2"

    def serve(self):
        from sloth.adapters.paths import cache_dir

        shutil.copytree(cache_dir() / "mirror", self.mirror)
        gateway = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", f"sloth-{self.bed.name}")
        self.server = subprocess.Popen(
            [SLOTH, "mirror", "serve", "--bind", gateway, "--port", "0", "--directory", str(self.mirror)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=self.bed.folder, env=self.bed.env,
        )  # fmt: skip
        line = self.server.stderr.readline()
        self.url = next(word.rstrip(";") for word in line.split() if word.startswith("http://"))

    def write(self, *workers):
        hosts = {
            name: f"{{name: {name}, address: {address}, hostKey: {json.dumps(self.keys[name])}}}"
            for name, address in self.addresses.items()
        }
        self.bed.spec.write_text(
            f"""apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: {self.bed.name}}}
spec:
  providers: {{ssh: {{user: root, key: {{file: {self.bed.folder / "id"}}}}}}}
  artifacts: {{source: mirror, mirror: "{self.url}"}}
  pools:
    - {{name: c, role: control-plane, provider: ssh, hosts: [{hosts["a"]}]}}
"""
            + "".join(f"    - {{name: w, role: worker, provider: ssh, hosts: [{hosts[name]}]}}\n" for name in workers)
        )

    def sloth(self, *words):
        driver = self.bed.folder / "existing.py"
        driver.write_text(DRIVER)
        done = subprocess.run(
            [sys.executable, str(driver), self.cgroup, *words, "--output", "json"],
            cwd=self.bed.folder, env=self.bed.env, capture_output=True, text=True, timeout=580, check=False,
        )  # fmt: skip
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def hosts(bed):
    made = Hosts(bed)
    try:
        made.make()
        made.serve()
        made.write("b")
        yield made
    finally:
        if made.server:
            made.server.terminate()
            made.server.wait(timeout=10)
            made.server.stderr.close()
        for container in docker("ps", "-aq", "--filter", f"label=sloth.cluster={bed.name}").split():
            docker("rm", "-fv", container)
        for network in docker("network", "ls", "-q", "--filter", f"label=sloth.cluster={bed.name}").split():
            docker("network", "rm", network)


def codes(envelope):
    return {error["code"] for error in envelope["errors"]}


def files_of(hosts, name):
    return newest(hosts.mirror / name)


def test_a_file_missing_in_the_mirror_is_named(hosts):
    victim = files_of(hosts, "kubelet")
    aside = victim.with_name("aside")
    victim.rename(aside)
    answer = hosts.sloth("up", "--yes")
    aside.rename(victim)
    assert codes(answer) & {"artifacts/missing-in-mirror", "artifacts/not-in-mirror"}, answer["errors"]
    assert "kubelet" in str(answer["errors"])


def test_an_altered_file_is_refused(hosts):
    victim = files_of(hosts, "kubelet")
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    answer = hosts.sloth("up", "--yes")
    victim.unlink()
    victim.write_bytes(content)
    assert codes(answer) & {"artifacts/digest-mismatch", "artifacts/wrong-content"}, answer["errors"]
    assert "kubelet" in str(answer["errors"])


def test_an_image_missing_in_the_mirror_is_named(hosts):
    victim = files_of(hosts, "coredns")
    aside = victim.with_name("aside")
    victim.rename(aside)
    answer = hosts.sloth("up", "--yes")
    aside.rename(victim)
    assert codes(answer) & {"artifacts/missing-in-mirror", "artifacts/not-in-mirror"}, answer["errors"]
    assert "coredns" in str(answer["errors"])


def test_existing_hosts_become_a_cluster(hosts):
    answer = hosts.sloth("up", "--yes")
    assert answer["ok"], answer["errors"]
    assert answer["data"]["nodes"] == ["c-a", "w-b"]
    assert hosts.sloth("up", "--yes")["data"]["changed"] == []
    status = hosts.sloth("status")["data"]
    assert {row["name"]: row["ready"] for row in status["nodes"]} == {"c-a": "Ready", "w-b": "Ready"}


def test_a_host_that_leaves_is_left_as_it_was(hosts):
    hosts.write()
    answer = hosts.sloth("up", "--yes")
    assert answer["ok"], answer["errors"]
    assert answer["data"]["nodes"] == ["c-a"]
    assert_clean(container_at(hosts, "b"))


def test_down_leaves_the_hosts_as_they_were(hosts):
    answer = hosts.sloth("down", "--yes")
    assert answer["ok"], answer["errors"]
    for container in docker("ps", "-q", "--filter", f"label=sloth.cluster={hosts.bed.name}").split():
        assert_clean(container)


def container_at(hosts, name):
    for container in docker("ps", "-q", "--filter", f"label=sloth.cluster={hosts.bed.name}").split():
        if f'"{hosts.addresses[name]}"' in docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container):
            return container
    raise AssertionError(f"no container has the address of {name}")


def assert_clean(container):
    processes = docker("exec", container, "ps", "-eo", "comm")
    assert not {"kubelet", "containerd", "etcd", "kube-apiserver", "wireguard-go", "haproxy"} & set(processes.split())
    kept = "/etc/kubernetes /var/lib/etcd /etc/sloth /var/lib/sloth /etc/wireguard/peers.d"
    assert docker("exec", container, "sh", "-c", f"ls -d {kept} 2>/dev/null; true") == ""
    assert "wg0" not in docker("exec", container, "ip", "-br", "link")
