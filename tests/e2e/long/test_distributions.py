"""One story for every distribution: HA cluster, more and fewer nodes, first control plane replaced, upgrade, rotation, backup,
everything destroyed, restore, gone. K3s and RKE2 are the stand-ins of tests/standins unless the real ones are given
(tests/e2e/distributions.py). Tests of a distribution build on each other, in order.
"""

import json
import secrets
import subprocess
import time

import pytest

from tests.e2e.cluster import Bed, docker, eventually
from tests.e2e.distributions import mirror, release

CONTROL = ["control-1", "control-2", "control-3"]
CTR = {
    "kubeadm": "ctr -n k8s.io",
    "k3s": "k3s ctr",
    "rke2": "/var/lib/rancher/rke2/bin/ctr -a /run/k3s/containerd/containerd.sock -n k8s.io",
}
CA = {
    "kubeadm": "/etc/kubernetes/pki/ca.crt",
    "k3s": "/var/lib/rancher/k3s/server/tls/server-ca.crt",
    "rke2": "/var/lib/rancher/rke2/server/tls/server-ca.crt",
}
SERVICE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      tolerations: [{operator: Exists}]
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {app: web}}
      containers:
        - name: web
          image: sloth.test/probe:1
          imagePullPolicy: Never
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 3}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec:
  minAvailable: 2
  selector: {matchLabels: {app: web}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"""


class World(Bed):
    """A bed with a distribution of its own."""

    def __init__(self, folder, distro):
        super().__init__(folder, f"t{secrets.token_hex(3)}")
        self.distro = distro
        self.workers = 1
        self.new = "1.36" if distro == "kubeadm" else mirror(distro, folder / "mirror")
        self.version = "1.35" if distro == "kubeadm" else mirror(distro, folder / "mirror", old=True)

    def spec_text(self):
        lines = f"  kubernetes:\n    distribution: {self.distro}\n    version: '{self.version}'\n"
        if self.distro != "kubeadm":
            lines += f"  artifacts:\n    source: mirror\n    mirror: {self.folder}/mirror\n"
        self.write(control=3, workers=self.workers, extra=lines + f"  backup:\n    to: file://{self.folder}/backups\n")

    def nodes(self):
        found = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in found}

    def ready(self):
        return {
            name: next(each["status"] for each in item["status"]["conditions"] if each["type"] == "Ready")
            for name, item in self.nodes().items()
        }

    def load(self, image, *nodes):
        for node in nodes:
            with image.open("rb") as stream:
                subprocess.run(
                    ["docker", "exec", "-i", self.container(node), "sh", "-c", f"{CTR[self.distro]} images import -"],
                    stdin=stream, check=True, capture_output=True, timeout=120,
                )  # fmt: skip

    def rows(self):
        found = json.loads(self.kubectl("get", "configmaps", "-l", "kind=row", "-o", "json"))["items"]
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in found}

    def add_rows(self, first, count):
        items = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"row-{number}", "labels": {"kind": "row"}}}
            for number in range(first, first + count)
        ]
        self.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def forget_kubeconfig(self):
        (self.folder / "kubeconfig").unlink(missing_ok=True)


class Client:
    """Asks the Service by its address all the time, on a host that stays: what the host runs does not go with a drain.

    (Not by a NodePort from outside: kube-proxy in mode nftables takes those at the node's own address only: the mesh's.)
    """

    END = "/run/asked-enough"

    def __init__(self, world):
        self.container = world.container("work-1")
        address = world.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
        ask = f"curl -s -m 5 -o /dev/null -w '%{{http_code}} %{{errormsg}}\\n' http://{address}/ | sed \"s/^/$(date +%T) /\""
        self.script = f"rm -f {self.END}; until [ -e {self.END} ]; do {ask}; sleep 0.1; done"
        self.lines = []

    @property
    def failed(self):
        return [line for line in self.lines if line.split()[1:2] != ["200"]]

    def __enter__(self):
        self.process = subprocess.Popen(
            ["docker", "exec", self.container, "sh", "-c", self.script], stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_):
        docker("exec", self.container, "touch", self.END)
        self.lines = self.process.communicate(timeout=30)[0].splitlines()


@pytest.fixture(scope="module", params=["kubeadm", "k3s", "rke2"])
def world(request, tmp_path_factory):
    made = World(tmp_path_factory.mktemp(request.param), request.param)
    made.spec_text()
    try:
        yield made
    finally:
        made.destroy()


def test_three_servers_and_a_worker_are_ready(world, probe_image):
    assert world.up()["nodes"] == [*CONTROL, "work-1"]
    assert world.ready() == dict.fromkeys([*CONTROL, "work-1"], "True")
    assert {item["status"]["nodeInfo"]["kubeletVersion"] for item in world.nodes().values()} == {exact(world)}
    world.load(probe_image, *CONTROL, "work-1")
    world.kubectl("apply", "-f", "-", stdin=SERVICE)
    world.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    world.add_rows(0, 50)


def exact(world):
    if world.distro == "kubeadm":
        from sloth import registry

        return next(each for each in registry.distribution("kubeadm").versions() if each.startswith(f"v{world.version}."))
    return world.version


def test_a_second_up_changes_nothing(world):
    assert world.up()["changed"] == []


def test_a_worker_is_added_and_removed(world):
    world.sloth("nodes", "add", "work", "--yes")
    assert world.ready() == dict.fromkeys([*CONTROL, "work-1", "work-2"], "True")
    world.sloth("nodes", "remove", "work-2", "--yes")
    assert sorted(world.ready()) == [*CONTROL, "work-1"]


def test_the_first_control_plane_is_replaced(world, probe_image):
    before = world.container("control-1")
    rows = world.rows()
    world.sloth("nodes", "replace", "control-1", "--yes", timeout=900)
    assert world.container("control-1") != before
    assert world.ready() == dict.fromkeys([*CONTROL, "work-1"], "True")
    assert world.rows() == rows
    world.load(probe_image, "control-1")


def test_the_next_minor_comes_without_a_failed_request(world):
    world.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    world.version = world.new
    world.spec_text()
    with Client(world) as client:
        world.sloth("upgrade", "apply", "--yes", timeout=1500)
    print(f"\n{world.distro}: {len(client.lines)} requests during the upgrade, {len(client.failed)} failed {client.failed[:3]}")
    assert {item["status"]["nodeInfo"]["kubeletVersion"] for item in world.nodes().values()} == {exact(world)}
    assert world.ready() == dict.fromkeys([*CONTROL, "work-1"], "True")
    assert len(client.lines) > 50
    assert client.failed == []


def ends(world):
    rows = world.json("certs", "check")["data"]["certificates"]
    return {(row["node"], row["name"]): row["expires"] for row in rows if not row["authority"]}


def test_certificates_are_rotated(world):
    before = ends(world)
    world.sloth("certs", "rotate", "--yes", timeout=900)
    eventually(lambda: _all_ready(world))
    # A kubelet of kubeadm's renews its certificate itself, in time.
    left = {key for key, end in ends(world).items() if end <= before[key]}
    assert left == ({(node, "kubelet client") for node in (*CONTROL, "work-1")} if world.distro == "kubeadm" else set())


def test_certificate_authorities_are_replaced_without_a_failed_request(world):
    path = CA[world.distro]
    before = world.inside("control-1", f"cat {path}")
    with Client(world) as client:
        world.sloth("certs", "rotate", "--ca", "--yes", timeout=1800)
    print(f"\n{world.distro}: {len(client.lines)} requests during the rotation, {len(client.failed)} failed {client.failed[:3]}")
    now = {world.inside(node, f"cat {path}") for node in CONTROL}
    assert len(now) == 1 and not any(each in next(iter(now)) for each in before.split("-----BEGIN CERTIFICATE-----")[1:])
    assert world.kubectl("get", "nodes", check=False) == "", "kubeconfigs of before do not work any more"
    world.forget_kubeconfig()
    eventually(lambda: _all_ready(world))
    assert world.up()["changed"] == []
    assert client.failed == []


def tokens(world):
    """What nodes of K3s and RKE2 join with, each node's by its name; kubeadm's are in the cluster and end by themselves."""
    at = f"/etc/rancher/{world.distro}"
    return {node: world.inside(node, f"cat {at}/*-token 2>/dev/null || :") for node in (*CONTROL, "work-1")}


def test_other_tokens_let_nodes_join(world):
    before = tokens(world)
    world.sloth("certs", "rotate", "--join-tokens", "--yes", timeout=900)
    eventually(lambda: _all_ready(world))
    now = tokens(world)
    assert [node for node in before if before[node] and now[node] == before[node]] == []
    assert world.up()["changed"] == []
    world.sloth("nodes", "add", "work", "--yes")
    assert world.ready() == dict.fromkeys([*CONTROL, "work-1", "work-2"], "True")
    world.sloth("nodes", "remove", "work-2", "--yes")


def _all_ready(world):
    assert world.ready() == dict.fromkeys([*CONTROL, "work-1"], "True")


def test_all_machines_destroyed_the_cluster_comes_back(world):
    world.backup = world.json("backup", "create")["data"]["name"]
    kept = world.rows()
    world.add_rows(1000, 3)
    mark = f"label=sloth.cluster={world.name}"
    for container in docker("ps", "-aq", "--filter", mark, "--filter", "label=sloth.node").split():
        subprocess.run(["docker", "rm", "-fv", container], check=True, capture_output=True, timeout=120)
    began = time.monotonic()
    world.sloth("backup", "restore", "--yes", timeout=900)
    print(f"\n{world.distro}: restored in {time.monotonic() - began:.1f} s")
    world.forget_kubeconfig()
    assert world.rows() == kept
    eventually(lambda: _all_ready(world))


def test_down_leaves_nothing(world):
    world.sloth("down", "--yes")
    assert world.leftovers() == []


def test_the_version_under_test_is_one_that_the_plugin_knows():
    from sloth import registry

    for distro in ("k3s", "rke2"):
        assert release(distro) in registry.distribution(distro).versions()
        assert release(distro, old=True) in registry.distribution(distro).versions()
