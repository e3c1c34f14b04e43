"""Phase: reboot nodes, one at a time: emptied before, and back as healthy members before the next one goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasEtcd
from sloth.errors import ConnectError, InternalError
from sloth.etcd.steps import wait_healthy
from sloth.model.cluster import Cluster
from sloth.model.node import Login, Machine, Node
from sloth.model.phase import Connect, Each, MakeMachines, Order, PhaseRun, Say, SurveyMachines, Together
from sloth.model.record import Record
from sloth.model.step import Ask, Do, Result, Script, Step, Wait
from sloth.nodes.api import KUBELET_PORT, unknown, wait_api, wait_ready
from sloth.nodes.cordon import release
from sloth.phases.connect import accepted
from sloth.phases.emptying import emptied
from sloth.phases.machines import node_of, request
from sloth.phases.quorum import guard_pause
from sloth.phases.server import kubectl_of, running, server_of

WHY = "reboot"  # in the note on the cordoned node
# Seconds to go on trying to log in, attempt after attempt. Between two, the provider is asked whether the machine is off: some
# machines (containers) do not come up by themselves. The last one is as long as a slow server may take to boot.
_PATIENCE = (2.0, 5.0, 15.0, 60.0, 420.0)
# The boot id is the kernel's; a container keeps that of its host, so the time at which its first process began counts, too.
_BOOT = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"
_MAY_BOOT = {"connect/unreachable", "connect/lost", "connect/refused", "connect/no-banner"}
# A timer fires up to a minute late unless it is told otherwise (systemd.timer(5), AccuracySec).
_GO = "systemd-run --quiet --collect --on-active=1s --timer-property=AccuracySec=100ms systemctl reboot"


@dataclass(frozen=True)
class Reboot:
    """Guard, cordon, drain, reboot, wait, uncordon. What was cordoned before stays cordoned."""

    distribution: Distribution
    login_for: Callable[[Node, Record], Login]  # with the host keys that are accepted
    names: tuple[str, ...]
    seconds: float = 0.0  # for each drain; 0 = as the node's pool says
    force: Collection[str] = field(default_factory=tuple)  # budgets, `NAMESPACE/NAME`
    accept_outage: bool = False
    title: str = "Reboot"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One after the other; the first that fails ends it. Raises SlothError."""
        running(cluster, self.names)
        for name in dict.fromkeys(self.names):
            cluster = yield from self._one(cluster.node(name), cluster)
        return cluster

    def _one(self, node: Node, cluster: Cluster) -> PhaseRun:
        kubectl = kubectl_of(self.distribution)
        server = server_of(cluster, avoid=(node.name,))
        if node.is_control_plane:
            hint = f"bring the others back with sloth up, or take the outage: sloth nodes reboot {node.name} --accept-outage"
            accept = self.accept_outage
            yield from guard_pause(self.distribution, server, [node.name], cluster, accept=accept, hint=hint)
        yield from self._empty(node.name, server, cluster)
        before = yield Each(title=f"reboot {node.name}", scripts={node.name: _begin()})
        node, boot = yield from self._returned(node, cluster, before[node.name])
        nodes = tuple(node if each.name == node.name else each for each in cluster.nodes)
        cluster = replace(cluster, nodes=nodes, changed=cluster.changed | {node.name})
        yield Each(title=f"wait for {node.name}", scripts={server.name: self._back(node, boot, kubectl)})
        yield Say(text=f"{node.name} was rebooted")
        return cluster

    def _empty(self, name: str, server: Node, cluster: Cluster) -> Generator[Order, Any, None]:
        lives = yield from emptied(
            self.distribution, server, name, cluster, ready=False, seconds=self.seconds, budgets=self.force, why=WHY
        )  # fmt: skip
        if lives is None:
            raise unknown(name)

    def _returned(self, node: Node, cluster: Cluster, before: str) -> Generator[Order, Any, tuple[Node, str]]:
        """Log in until the machine shows another boot; started by its provider if it stays off. Answers it as it is now."""
        error: Exception = InternalError("engine/no-login", f"{node.name} was never tried", hint="sloth up --debug")
        for patience in _PATIENCE:
            yield Connect(logins=(replace(self._login(node, cluster), patience=patience),))
            answers = yield Each(title=f"wait for {node.name}", scripts={node.name: self._booted(node, before)}, gather=True)
            if isinstance(answers[node.name], str):
                return node, answers[node.name]
            error = answers[node.name]
            if not isinstance(error, ConnectError) or error.code not in _MAY_BOOT:
                break
            node = yield from _started(node, cluster)
        raise error

    def _booted(self, node: Node, before: str) -> Script[str]:
        return _booted(node, before, self.distribution.kubelet_unit(node.role))

    def _login(self, node: Node, cluster: Cluster) -> Login:
        login = self.login_for(node, cluster.record)
        return replace(login, host_keys=accepted(cluster.record.node(node.name)) or login.host_keys)

    def _back(self, node: Node, boot: str, kubectl: str) -> Script[None]:
        steps: list[Step] = [wait_api(kubectl, 180.0)]
        if node.is_control_plane and isinstance(self.distribution, HasEtcd):
            steps.append(wait_healthy(self.distribution.etcd_access(), node.mesh_address, node.name))
        unit = self.distribution.kubelet_unit(node.role)
        yield [*steps, wait_ready(node.name, kubectl, unit=unit, boot=boot), release(node.name, kubectl)]


def _begin() -> Script[str]:
    """What the node's boot is now; then it goes down, a second later, so that its answer still arrives."""
    boot = cast(Result, (yield Ask(title="look at the boot", run=_BOOT))).out
    # A batch whose connection was lost is sent again: by then the node may have done it.
    yield Do(title="reboot", unless=f"[ \"$({_BOOT})\" != '{boot}' ]", run=_GO, hint="systemctl reboot on the machine's console")
    return boot


def _booted(node: Node, before: str, unit: str) -> Script[str]:
    """Until the node runs another boot, and its kubelet has come up in it. Answers the kernel's boot id."""
    kubelet = f"curl -sk -m 2 -o /dev/null https://{node.mesh_address}:{KUBELET_PORT}/healthz"
    wait = Wait(
        title="wait for another boot",
        until=f"[ \"$({_BOOT})\" != '{before}' ] && {kubelet}",
        timeout=300.0,
        diagnose=f"uptime; systemctl --failed --no-pager; journalctl -u {unit} -n 20 --no-pager -o cat",
        hint="look at the machine's console; then run the same command again",
    )
    _, boot = cast(list[Result], (yield [wait, Ask(title="read the boot id", run="cat /proc/sys/kernel/random/boot_id")]))
    return boot.out


def _started(node: Node, cluster: Cluster) -> Generator[Order, Any, Node]:
    """If the machine is off, have its provider start it; its address or port may be another one afterwards.

    A machine that is gone is not made anew here: that would be another node.
    """
    (survey,) = yield Together(orders=(SurveyMachines(provider=node.lease.provider),))
    machines: dict[str, Machine] = {machine.name: machine for machine in survey}
    seen = machines.get(node.name)
    if seen is None or seen.running:
        return node
    (made,) = yield MakeMachines(provider=node.lease.provider, wanted=(request(node.lease, cluster),))
    return node_of(node.lease, made, cluster.spec)
