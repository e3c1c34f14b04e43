"""The static list of existing hosts, as machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sloth.api import ClusterSpec, HostSpec, Machine, MachineRequest, Machines, MachinesError

NAME = "ssh"


def hosts(spec: ClusterSpec) -> Iterator[tuple[str, HostSpec]]:
    """All hosts that the spec lists, by the node's name."""
    for pool in spec.pools:
        if pool.provider == NAME:
            yield from ((f"{pool.name}-{host.name}", host) for host in pool.hosts)


class ExistingHosts(Machines):
    """A static list. Deleting only forgets: what sloth installed is removed by the phases, the host stays."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._hosts: Mapping[str, HostSpec] = dict(hosts(spec))
        self._user = str(spec.providers.get(NAME, {}).get("user") or "root")

    def apply(self, wanted: Sequence[MachineRequest]) -> Sequence[Machine]:
        """The hosts asked for."""
        return [self._machine(request.name, request.host or self._known(request.name)) for request in wanted]

    def delete(self, names: Sequence[str]) -> None:
        """Existing hosts are left as they are."""

    def survey(self) -> Sequence[Machine]:
        """All hosts that the spec lists. Whether they answer is seen when they are connected to."""
        return [self._machine(name, host) for name, host in self._hosts.items()]

    def destroy(self) -> None:
        """Existing hosts are left as they are."""

    def leftovers(self) -> Sequence[str]:
        """Nothing was made, so nothing is left."""
        return ()

    def _known(self, name: str) -> HostSpec:
        if name not in self._hosts:
            hint = "add it to `hosts` of its pool in the spec"
            raise MachinesError("ssh/no-host", f"{name}: no pool lists this host", hint=hint, where=name)
        return self._hosts[name]

    def _machine(self, name: str, host: HostSpec) -> Machine:
        user = host.user or self._user
        return Machine(
            name=name, id=f"{host.address}:{host.port}", address=host.address, port=host.port, user=user, existing=True
        )
