"""What verbs about single nodes really send to a kubeadm cluster: review the diff of the golden file, not this test."""

from collections.abc import Callable
from pathlib import Path

from sloth.etcd.members import Member
from sloth.etcd.steps import look, remove_member, snapshot, wait_healthy
from sloth.model.step import Result
from sloth.nodes.api import see, wait_ready
from sloth.nodes.cordon import release
from sloth.phases.reboot import _begin, _booted
from tests.unit.distributions.kubeadm.clusters import KUBEADM, cluster
from tests.unit.distributions.kubeadm.run import run, shown

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "nodes" / "steps.md"
OF = cluster(3, 1)


def test_steps_are_as_reviewed(golden: Callable[[Path, str], None]) -> None:
    kubectl, etcd = KUBEADM.kubectl(), KUBEADM.etcd_access()
    first = OF.nodes[0]
    seen = {"look at node work-1": "work-1 True", "look at the boot": Result(out="0a1b\n1")}
    parts = {
        "before a drain": run(see("work-1", OF, kubectl, ready=True), seen).trips,
        "reboot: go, wait, release": [
            *run(_begin(), seen).trips,
            *run(_booted(OF.nodes[3], "0a1b\n1", "kubelet"), seen).trips,
            [wait_ready("work-1", kubectl, unit="kubelet", boot="2c3d"), release("work-1", kubectl)],
        ],
        "quorum guard": [
            *run(look(etcd, first, OF)).trips,
            [snapshot(etcd, first.mesh_address, "before-removal")],
            [remove_member(etcd, Member(id="a2", name="control-2"), ["10.90.0.1"]), wait_healthy(etcd, "10.90.0.1", "control-1")],
        ],
    }
    golden(GOLDEN, "\n".join(f"# {title}\n\n{shown(trips)}" for title, trips in parts.items()))
