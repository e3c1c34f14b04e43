"""`sloth certs`: how long certificates last, and new ones; the same for keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.flows.up import Tools
    from sloth.model.phase import Phase

Authorities = Annotated[bool, typer.Option("--ca", help="The certificate authorities; goes on with a rotation that was cut off.")]
EncryptionKey = Annotated[bool, typer.Option("--encryption-key", help="The key of Kubernetes Secrets at rest.")]
JoinTokens = Annotated[bool, typer.Option("--join-tokens", help="Tokens that let nodes join: all of them are revoked.")]
MeshKeys = Annotated[bool, typer.Option("--mesh-keys", help="WireGuard keys, one node after the other.")]
SshKey = Annotated[bool, typer.Option("--ssh-key", help="The key with which sloth logs in to machines that it made.")]
Passphrase = Annotated[bool, typer.Option("--passphrase", help="The record's passphrase, to $SLOTH_NEW_PASSPHRASE(_FILE).")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "check")
    def check(options: Options) -> Outcome:
        """List every certificate on every node with the days that it has left. Changes nothing."""
        return check_certificates(options)

    @verb(group, "rotate")
    def rotate(
        options: Options,
        *,
        ca: Authorities = False,
        encryption_key: EncryptionKey = False,
        join_tokens: JoinTokens = False,
        mesh_keys: MeshKeys = False,
        ssh_key: SshKey = False,
        passphrase: Passphrase = False,
        yes: Yes = False,
    ) -> Outcome:
        """New certificates (without an option: all that are no authority), or new keys; one node at a time."""
        flags = {
            "ca": ca,
            "encryption-key": encryption_key,
            "join-tokens": join_tokens,
            "mesh-keys": mesh_keys,
            "ssh-key": ssh_key,
            "passphrase": passphrase,
        }
        return rotate_what(options, [name for name, wanted in flags.items() if wanted], yes=yes)


def check_certificates(options: Options) -> Outcome:
    """The verb without its command line. The exit code is that of the severity. Raises SlothError."""
    import time

    from sloth.app import known_spec
    from sloth.cli.looking import outcome_of
    from sloth.desk import desk
    from sloth.flows.status import phases
    from sloth.health.certificates import certificates, listing
    from sloth.health.report import Report
    from sloth.phases.certs import able
    from sloth.phases.vitals import view_of
    from sloth.ui.health_table import certs

    with desk(options, known_spec(options), "certs", lock=False) as here:
        tools = here.tools
        able(tools.distribution)
        cluster = here.run(phases(tools), here.cluster(as_recorded=True))
    view = view_of(cluster, tools.distribution, time.time())
    report = Report(findings=tuple(certificates(view)))
    data: dict[str, Any] = {
        "cluster": cluster.spec.name,
        "severity": report.severity.word,
        "certificates": listing(view),
        "findings": [finding.as_dict() for finding in report.findings],
    }
    return outcome_of("Certificates", data, report, lambda chosen: certs(data, chosen))


def rotate_what(options: Options, what: list[str], *, yes: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.app import confirm, known_spec

    if len(what) > 1:
        raise UsageError(
            "usage/not-together", f"--{' and --'.join(what)} do not go together", hint=f"sloth certs rotate --{what[0]}"
        )
    name = what[0] if what else "certificates"
    known_spec(options)  # what is wrong with it is said before anything is asked
    if not yes:
        confirm(f"{WORDS[name].asked} Go on?")
    data = _new_passphrase(options) if name == "passphrase" else _rotate(options, name)
    return Outcome("Rotated", data=data, text=f"{data['cluster']}: {WORDS[name].done}\nnext: {WORDS[name].next}")


def _rotate(options: Options, name: str) -> dict[str, Any]:
    from sloth.adapters.authority import cross_sign, make_authority
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.flows import certs

    stories: dict[str, Callable[[Tools], list[Phase]]] = {
        "ca": lambda tools: certs.authorities(tools, make_authority, cross_sign),
        "certificates": certs.leaves,
        "encryption-key": certs.encryption_key,
        "join-tokens": certs.join_tokens,
        "ssh-key": certs.ssh_key,
    }
    with desk(options, known_spec(options), "certs") as here:
        names = [lease.name for lease in here.record.leases]
        story = certs.mesh_keys(here.tools, names) if name == "mesh-keys" else stories[name](here.tools)
        cluster = here.run(story, here.cluster(as_recorded=True))
        changed = sorted(cluster.changed)
        return {"cluster": cluster.spec.name, "rotated": name, "changed": changed, "seconds": round(here.elapsed, 1)}


def _new_passphrase(options: Options) -> dict[str, Any]:
    from sloth.adapters.reseal import reseal
    from sloth.app import cluster_name, state_of

    name = cluster_name(options)
    record = reseal(lambda: state_of(options, name), name)
    return {"cluster": name, "rotated": "passphrase", "changed": [], "revision": record.revision}


class Words(NamedTuple):
    """What is said of one rotation."""

    asked: str
    done: str
    next: str


WORDS = {
    "certificates": Words(
        "Every control plane is restarted in its turn; kubeconfigs that people have stay valid until they expire.",
        "all certificates that are no authority are new",
        "sloth kubeconfig --merge",
    ),
    "ca": Words(
        "Every control plane and every kubelet is restarted up to three times in its turn, and the pods of all workloads are "
        "made anew, by their own rules. Kubeconfigs that people have do not work afterwards.",
        "everything is signed by new certificate authorities, and the old ones are not trusted any more",
        "sloth kubeconfig --merge, and sloth backup create: older backups hold the old authorities",
    ),
    "encryption-key": Words(
        "Every API server is restarted in its turn, up to three times, and all Secrets are written anew.",
        "all Secrets are encrypted with a new key",
        "sloth health",
    ),
    "join-tokens": Words(
        "No token or shared certificate for joining works any more; with K3s and RKE2 every node's service restarts in its turn.",
        "no old token lets a node join",
        "sloth up, and with K3s and RKE2 sloth backup create: an older backup opens with the old token, which it holds",
    ),
    "mesh-keys": Words(
        "Every node gets a new WireGuard key in its turn; its connections to the others pause for a moment.",
        "every node has a new mesh key",
        "sloth health",
    ),
    "ssh-key": Words(
        "Every machine that sloth made lets a new key in and shuts the old one out.",
        "the SSH key of the cluster is new",
        "sloth health",
    ),
    "passphrase": Words(
        "The record is sealed with the new passphrase; older revisions keep the old one.",
        "the record has a new passphrase: use it from now on in place of the old one",
        "sloth state list",
    ),
}
