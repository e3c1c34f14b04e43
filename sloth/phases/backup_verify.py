"""Phase: prove that a backup can be restored, in a scratch etcd on a control-plane node that is gone afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import cast

from sloth.backup.manifest import Manifest
from sloth.backup.scripts import RESTORE, verification
from sloth.contracts.distribution import Distribution
from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Do, Result, Script, Step, Upload
from sloth.phases.backup_create import able
from sloth.phases.server import server_of


@dataclass(frozen=True)
class Opened:
    """A backup that was fetched and opened, as a file of this machine."""

    manifest: Manifest
    path: str  # tar.gz
    sha256: str


@dataclass(frozen=True)
class Verify:
    """Revision, hash and number of keys of the restored etcd are those of the manifest."""

    distribution: Distribution
    backup: Opened
    title: str = "Verify the backup"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises KubernetesError `backup/not-the-same`."""
        server = server_of(cluster)
        yield Each(title=self.title, scripts={server.name: self._script(server, cluster)})
        return cluster

    def _script(self, node: Node, cluster: Cluster) -> Script[None]:
        manifest = self.backup.manifest
        begin, end = able(self.distribution).scratch_etcd(cluster)
        folder = f"{RESTORE}/verify"
        expected = " ".join(f"{key}={value}" for key, value in manifest.content.items())
        check = Do(
            title="restore it into a scratch etcd",
            run=f"sh -c {quote(verification(folder, manifest.revision, begin, end))}",
            timeout=600.0,
            expected=expected,
            hint=f"sloth ssh {node.name} -- df -h /var/lib",
        )
        result = cast(list[Result], (yield [*unpack(self.backup, folder), check]))[-1]
        found = dict(word.partition("=")[::2] for word in result.out.split())
        differs = [
            f"{key}: {found.get(key, 'not told')}, in the manifest {value}"
            for key, value in manifest.content.items()
            if found.get(key) != str(value)
        ]
        if differs:
            raise KubernetesError(
                "backup/not-the-same",
                f"{manifest.name} does not hold what its manifest says",
                detail="\n".join(differs),
                where=node.name,
                hint="sloth backup create, then sloth backup verify",
            )


def unpack(backup: Opened, folder: str) -> list[Step]:
    """Have `folder` on the node hold `etcd.db` and `files.tar` of the backup, checked against its manifest."""
    manifest = backup.manifest
    archive = f"{RESTORE}/{manifest.name}.tar.gz"
    sums = f"{manifest.data_sha256}  {folder}/etcd.db\n{manifest.files_sha256}  {folder}/files.tar\n"
    return [
        Do(title=f"have {RESTORE}", unless=f"[ -d {RESTORE} ]", run=f"mkdir -p {RESTORE} && chmod 700 {RESTORE}"),
        Upload(path=archive, source=backup.path, sha256=backup.sha256, mode=0o600, timeout=3600.0),
        Do(
            title="unpack the backup",
            run=f"umask 077; rm -rf {folder} && mkdir -p {folder} && tar -C {folder} -xzf {archive} && rm -f {archive} && "
            f"printf %s {quote(sums)} | sha256sum -c --quiet --strict -",
            timeout=600.0,
        ),
    ]
