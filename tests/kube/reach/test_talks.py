"""Orders to talk to the API, from phase to server: over one SSH connection, journalled, and as dry runs in a rehearsal."""

from pathlib import Path

import pytest
import yaml

from sloth.adapters.api_transport import KubeTransport
from sloth.contracts import api
from sloth.engine.journal import Journal, read
from sloth.engine.rehearse import rehearsing
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.errors import ConnectError, InternalError, KubernetesError, UsageError
from sloth.model.cluster import Cluster
from sloth.model.node import Lease, Machine, Node
from sloth.model.phase import Api, Connect
from sloth.model.plan import Plan
from sloth.model.record import NodeRecord, Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec
from sloth.nodes.cordon import HELD
from sloth.phases.cordon import Cordon, Uncordon
from sloth.testing import FakeMachines, FakeTransport, MemoryState


class Login:
    """A phase that says how nodes are logged in to."""

    title = "Connect"

    def __init__(self, *logins):
        self.logins = logins

    def run(self, cluster):
        yield Connect(logins=self.logins)
        return cluster


class Stage:
    """A cluster of one control-plane node behind an SSH server, whose API is the fake one, and a rig to work on it."""

    def __init__(self, folder: Path, node, kube):
        self.node, self.kube, self.folder = node, kube, folder
        lease = Lease(
            name="cp-1", pool="cp", role="control-plane", provider="fake", mesh_address="127.0.0.1", pod_cidr="10.42.0.0/24"
        )
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": "http://192.0.2.1:6443"}}],
            "users": [{"name": "a", "user": {"token": kube.connection.token.reveal()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "a"}}],
        }  # fmt: skip
        record = Record(
            cluster="c", leases=(lease,), nodes={"cp-1": NodeRecord(joined=True)}, kubeconfig=Secret(yaml.safe_dump(config))
        )
        machine = Machine(name="cp-1", id="1", address="127.0.0.1")
        self.cluster = Cluster(
            spec=ClusterSpec(name="c"), record=record, plan=Plan(leases=(lease,)), nodes=(Node(lease=lease, machine=machine),)
        )
        self.events = []
        self.rig = Rig(
            transport=FakeTransport(), state=MemoryState(), machines=lambda name: FakeMachines(), emit=self.events.append,
            api=KubeTransport(), journal=Journal(folder / "journal.jsonl"), verb="test",
        )  # fmt: skip

    def run(self, *phases, rig=None, cluster=None):
        return run_phases([Login(self.node.login(node="cp-1")), *phases], cluster or self.cluster, rig or self.rig)

    def steps(self):
        return [(each.node, each.title, each.changed) for each in self.events if each.kind == "step-finished"]

    def kube_node(self):
        return self.kube.state.get(self.kube.state.resource("", "v1", "nodes"), "", "cp-1")


@pytest.fixture
def stage(tmp_path, nodes, pods, monkeypatch):
    monkeypatch.setattr(api, "API_PORT", int(pods.connection.server.rpartition(":")[2]))
    item = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cp-1", "annotations": {HELD: "upgrade"}}}
    pods.state.create(pods.state.resource("", "v1", "nodes"), "", item, "test")
    return Stage(tmp_path, nodes()[0], pods)


def test_a_node_is_cordoned_once_and_released_with_its_note(stage):
    cluster = stage.run(Cordon(("cp-1",)), Cordon(("cp-1", "cp-1")), Uncordon(("cp-1",)), Uncordon(("cp-1",)))
    assert stage.steps() == [
        ("cp-1", "cordon cp-1", True),
        ("cp-1", "cordon cp-1", False),
        ("cp-1", "uncordon cp-1", True),
        ("cp-1", "uncordon cp-1", False),
    ]
    assert stage.node.connections == 1
    assert stage.node.commands == []
    assert cluster.changed == {"cp-1"}
    node = stage.kube_node()
    assert "unschedulable" not in node.get("spec", {})
    assert HELD not in node["metadata"].get("annotations", {})
    noted = [(line["kind"], line["step"]) for line in read(stage.folder / "journal.jsonl") if "step" in line]
    assert noted[:2] == [("before", "cordon cp-1"), ("after", "cordon cp-1")]


def test_a_rehearsal_asks_the_server_what_would_be_and_changes_nothing(stage):
    rig, rehearsal = rehearsing(stage.rig)
    stage.run(Cordon(("cp-1",)), rig=rig)
    assert [(line.node, line.title) for line in rehearsal.changes] == [("cp-1", "cordon cp-1")]
    assert "unschedulable" not in stage.kube_node().get("spec", {})
    changing = [target for method, target in stage.kube.requests if method == "PATCH"]
    assert len(changing) == 1
    assert "dryRun=All" in changing[0]


def test_a_node_that_kubernetes_does_not_know(stage):
    stage.kube.state.delete(stage.kube.state.resource("", "v1", "nodes"), "", "cp-1", {})
    with pytest.raises(KubernetesError) as caught:
        stage.run(Cordon(("cp-1",)))
    assert caught.value.code == "node/not-joined"
    assert stage.events[-1].ok is False


def test_what_is_missing_is_said(stage):
    from dataclasses import replace

    bare = replace(stage.cluster, record=replace(stage.cluster.record, kubeconfig=None))
    with pytest.raises(UsageError) as caught:
        stage.run(Cordon(("cp-1",)), cluster=bare)
    assert caught.value.code == "kubeconfig/none"
    alone = replace(stage.cluster, record=replace(stage.cluster.record, nodes={}))
    with pytest.raises(KubernetesError) as caught:
        stage.run(Cordon(("cp-1",)), cluster=alone)
    assert caught.value.code == "kubernetes/no-server"
    with pytest.raises(InternalError) as caught:
        stage.run(Cordon(("cp-1",)), rig=replace(stage.rig, api=None))
    assert caught.value.code == "engine/no-api"


def test_a_host_with_another_key_is_refused(stage, nodes):
    other = nodes()[0]
    with pytest.raises(ConnectError) as caught:
        run_phases([Login(stage.node.login(node="cp-1", port=other.port)), Cordon(("cp-1",))], stage.cluster, stage.rig)
    assert caught.value.code == "connect/host-key-mismatch"
    assert other.logins == []


def test_an_order_that_only_reads_is_not_journalled(stage):
    seen = []

    class Look:
        title = "Look"

        def run(self, cluster):
            def talk(api, _say):
                return (yield from api.get("nodes", "cp-1"))

            order = Api(title="look at cp-1", node="cp-1", servers=cluster.control_plane, talk=talk, changes=False)
            seen.append((yield order)["metadata"]["name"])
            return cluster

    stage.run(Look())
    assert seen == ["cp-1"]
    assert stage.steps() == [("cp-1", "look at cp-1", False)]
    assert not [line for line in read(stage.folder / "journal.jsonl") if "step" in line]
