"""One cluster's containers: the contract `Machines`, and `Balancer`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sloth.api import ClusterSpec, Emit, Event, Machine, MachineRequest, Machines, MachinesError

from . import balancer, network
from .create import Place, create, places, seed_and_start
from .docker import Docker
from .image import NodeImage
from .labels import CLUSTER, GONE, Container, container_name, listing
from .profile import profile

_WIDTH = 8  # containers started at once; the engine does not get faster with more


@dataclass(frozen=True)
class LocalMachines(Machines):
    """Containers with the label of one cluster. What a later run must know is in their labels; nothing is kept here."""

    spec: ClusterSpec
    emit: Emit
    image: NodeImage
    docker: Docker = field(default_factory=Docker)

    def apply(self, wanted: Sequence[MachineRequest]) -> Sequence[Machine]:
        """Create missing containers, start stopped ones; one listing call if there is nothing to do."""
        have = self._nodes()
        todo = [request for request in wanted if request.name not in have or have[request.name].state != "running"]
        if todo:
            self._bring_up(todo, have)
            have = self._nodes()
        lost = [request.name for request in wanted if request.name not in have or have[request.name].state != "running"]
        if lost:
            raise self._stopped(lost[0])
        return [self._machine(have[request.name], request.boot_key_public) for request in wanted]

    def delete(self, names: Sequence[str]) -> None:
        """Remove these nodes' containers with their volumes."""
        have = self._nodes(gone=True)
        self._remove([have[name] for name in names if name in have])

    def survey(self) -> Sequence[Machine]:
        """Every node container of the cluster; ones that Docker has begun to remove do not count."""
        return [self._machine(container) for container in self._nodes().values()]

    def destroy(self) -> None:
        """Remove containers, volumes and networks with the cluster's label."""
        self._remove(self._containers())
        for kind in ("volume", "network"):
            ids = self._labelled(kind)
            if ids:
                self._tolerant(kind, "rm", *ids)

    def leftovers(self) -> Sequence[str]:
        """Containers, networks and volumes with the cluster's label."""
        found = [f"container {container.name}" for container in self._containers()]
        return found + [f"{kind} {name}" for kind in ("network", "volume") for name in self._labelled(kind)]

    def balance(self, targets: Sequence[str]) -> str:
        """One control-plane node: its own published port. More: an HAProxy container in front of them."""
        return balancer.balance(self.docker, self.spec, self._containers(), targets)

    def _bring_up(self, todo: Sequence[MachineRequest], have: dict[str, Container]) -> None:
        missing = [request for request in todo if request.name not in have]
        where: dict[str, Place] = {}
        if missing:
            self._remove([c for c in self._containers() if c.state in GONE])
            mode = self.image.ensure()
            subnet = network.ensure(self.docker, self.spec)
            where = places(self.docker, missing, subnet, list(have.values()), mode)
        jobs = [lambda r=request: self._bring_one(r, have.get(r.name), where) for request in todo]
        with ThreadPoolExecutor(_WIDTH) as pool:
            futures = [pool.submit(job) for job in jobs]
        problems = [error for future in futures if (error := future.exception())]
        if problems:
            for other in problems[1:]:
                problems[0].add_note(str(other))
            raise problems[0]

    def _bring_one(self, request: MachineRequest, known: Container | None, where: dict[str, Place]) -> None:
        if known is None:
            create(self.docker, self.spec, request, self.image, where[request.name])
            detail = "created"
        elif known.state == "paused":
            self.docker.call("unpause", known.id)
            detail = "continued"
        elif known.state == "created":  # an earlier run was killed before it could start this one
            seed_and_start(self.docker, request, known.id)
            detail = "started"
        else:
            self._start(known)
            detail = "started"
        self.emit(Event(kind="machine", node=request.name, title="container", detail=detail, changed=True))

    def _start(self, known: Container) -> None:
        try:
            self.docker.call("start", known.id)
        except MachinesError as error:
            if "port is already allocated" not in error.detail and "address already in use" not in error.detail:
                raise
            raise MachinesError(
                "local/port-taken", f"node `{known.node}` cannot start: another program has one of its ports",
                detail=error.detail, hint=f"see who listens: ss -ltnp | grep -E '{known.ssh}|{known.api or known.ssh}'",
            ) from None  # fmt: skip

    def _stopped(self, name: str) -> MachinesError:
        container = container_name(self.spec.name, name)
        logs = self.docker.attempt("logs", "--tail", "15", container)
        return MachinesError(
            "local/node-stopped", f"node `{name}` stopped right after its start",
            detail=(logs.stdout + logs.stderr).decode(errors="replace"), hint=f"see why: docker logs {container}",
        )  # fmt: skip

    def _remove(self, containers: Sequence[Container]) -> None:
        if not containers:
            return
        with ThreadPoolExecutor(_WIDTH) as pool:
            list(pool.map(lambda c: self._tolerant("rm", "--force", "--volumes", c.id), containers))
        for container in containers:
            title = "container" if container.node else "balancer"
            self.emit(Event(kind="machine", node=container.node, title=title, detail="removed", changed=True))

    def _tolerant(self, *args: str) -> None:
        """Run a removal; what is gone already, or going, is no error."""
        try:
            self.docker.call(*args)
        except MachinesError as error:
            text = error.detail.lower()
            if not any(words in text for words in ("no such", "not found", "already in progress")):
                raise

    def _containers(self) -> list[Container]:
        return listing(self.docker, f"{CLUSTER}={self.spec.name}")

    def _nodes(self, *, gone: bool = False) -> dict[str, Container]:
        return {c.node: c for c in self._containers() if c.node and (gone or c.state not in GONE)}

    def _labelled(self, kind: str) -> list[str]:
        return self.docker.call(kind, "ls", "--filter", f"label={CLUSTER}={self.spec.name}", "--format", "{{.Name}}").split()

    def _machine(self, container: Container, host_key: str = "") -> Machine:
        return Machine(
            name=container.node,
            id=container.id,
            address="127.0.0.1",
            port=container.ssh,
            private_address=container.address,
            network=f"docker/{network.network_name(self.spec.name)}",
            host_key=host_key,
            running=container.state == "running",
            profile=profile(container.cgroup, baked=bool(self.image.delivery.artifacts) and container.image == self.image.key),
            sans=("127.0.0.1", container.address),
        )
