"""Other certificate authorities in place of the five that the supervisor has, stage by stage (sloth.model.authorities).

`certificate rotate-ca` takes new ones into the datastore; a server reads them when it starts and then makes every leaf anew that
another key has signed; an agent fetches them and has its own certificates signed anew whenever it starts; servers come first,
then agents (docs.k3s.io "k3s certificate", docs.rke2.io "Certificate Management"; k3s-io/k3s pkg/daemons/control/deps and
pkg/agent/config). The new ones are signed by the old ones, too, and every leaf carries the whole chain, so that who still trusts
the old ones only trusts what is new (the same page, "Rotating Self-Signed CA Certificates"). So `trust` has the new ones sign at
once, `leaves` and `nodes` find nothing to do, and `drop` loads what there is without the old ones: led to by a root that is
trusted already, it needs no `--force` (pkg/server/handlers/cert.go, validateCA). A token names a bundle by the fingerprint of its
root (docs.k3s.io "k3s token", "Secure").
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from typing import cast

from sloth.hosting.admin import WHY
from sloth.hosting.authorities import published, restart_workloads
from sloth.model.authorities import Authority, Rotation
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Ask, Do, Put, Result, Script, Step, Wait
from sloth.supervised.flavour import Flavour
from sloth.supervised.prepare import RESTART
from sloth.supervised.state import works

_ETCD = "etcd"  # a folder
# An authority -> its files below server/tls, without endings.
_NAMES = {
    "server": "server-ca",
    "client": "client-ca",
    "request-header": "request-header-ca",
    "etcd-server": f"{_ETCD}/server-ca",
    "etcd-peer": f"{_ETCD}/peer-ca",
}
_WORK = ("trust", "drop")  # the stages in which something is done


def paths(flavour: Flavour, ending: str) -> dict[str, str]:
    """The files of all of them: `crt` certificates, `key` keys."""
    return {name: f"{flavour.data}/server/tls/{file}.{ending}" for name, file in _NAMES.items()}


def has(rotation: Rotation, flavour: Flavour) -> Script[bool]:
    """Whether this node has started with what the stage trusts: its agent keeps what it was given then."""
    if rotation.stage not in _WORK:
        return True
    seen = yield Ask(title="look at its authorities", run=_started(rotation, flavour), check=False, expected="")
    return cast(Result, seen).ok


def apply(node: Node, cluster: Cluster, rotation: Rotation, flavour: Flavour) -> Script[None]:
    """Have this node start with what the stage trusts. The first server loads it for all; doing so again is no harm."""
    if rotation.stage not in _WORK:
        return
    if node.name == cluster.control_plane[0].name:
        look = Ask(title="look what it was given", run=_has(rotation, paths(flavour, "crt")["server"]), check=False)
        if not cast(Result, (yield look)).ok:
            yield _load(rotation, flavour)
    token = flavour.server_token if node.is_control_plane else flavour.agent_token
    yield [_rename(token, rotation.authorities["server"]), _restart(node, flavour), _arrived(node, rotation, flavour)]


def spread(rotation: Rotation, flavour: Flavour) -> Script[None]:
    """Namespaces are told; pods are made anew before the old ones go."""
    if rotation.stage not in _WORK:
        return
    steps: list[Step] = [published(rotation.authorities["server"], rotation, flavour.admin)]
    if rotation.stage == "trust":
        steps.append(restart_workloads(rotation, flavour.admin))
    yield steps


def _bundle(rotation: Rotation, name: str) -> str:
    """What is trusted; the first certificate of it signs, already while the old ones are trusted too."""
    one = rotation.authorities[name]
    return one.new if rotation.stage == "drop" else one.chain


def _load(rotation: Rotation, flavour: Flavour) -> list[Step]:
    """In a folder of its own: what is in use must not be overwritten. In the last stage the keys stay as they are."""
    at = f"{flavour.data}/server/sloth-authorities"
    steps: list[Step] = [
        Put(path=f"{at}/tls/{file}.crt", content=_bundle(rotation, name), mode=0o600) for name, file in _NAMES.items()
    ]
    if rotation.stage == "trust":
        keys = {file: rotation.authorities[name].key for name, file in _NAMES.items()}
        steps += [Put(path=f"{at}/tls/{file}.key", content=key, mode=0o600) for file, key in keys.items()]
    load = Do(
        title="load the authorities into the datastore",
        run=f"{flavour.binary} certificate rotate-ca {flavour.itself} --path={at} >/dev/null && rm -rf {at}",
        timeout=120.0,
        hint=f"journalctl -u {flavour.server_unit} -n 50 on the node says what is wrong with them",
    )
    return [*steps, load]


def _rename(token: str, server: Authority) -> Do:
    """A token that proves the cluster to who joins does so by the new root. One that does not is left alone."""
    name = f"K10{fingerprint(server)}"
    return Do(
        title="have its token name the new authority",
        unless=f"! grep -q '^K10' {token} || grep -q '^{name}::' {token}",
        run=f"sed -i 's/^K10[0-9a-f]*::/{name}::/' {token}",
        hint=f"ls -l {token} on the node",
    )


def fingerprint(authority: Authority) -> str:
    """SHA-256 of the last certificate in `new`: the root."""
    body = authority.new.split("-----BEGIN CERTIFICATE-----")[-1].partition("-----END")[0]
    return sha256(b64decode("".join(body.split()))).hexdigest()


def _restart(node: Node, flavour: Flavour) -> Do:
    unit = flavour.unit(server=node.is_control_plane)
    return Do(
        title=f"restart {unit} with the authorities",
        run=RESTART if node.is_control_plane else f"systemctl restart {unit}",
        timeout=1500.0,
        hint=f"journalctl -u {unit} -n 100 on {node.name}",
    )


def _arrived(node: Node, rotation: Rotation, flavour: Flavour) -> Wait:
    return Wait(
        title=f"wait until {node.name} works with them",
        until=f"{_started(rotation, flavour)} && {works(node, flavour)}",
        timeout=420.0,
        diagnose=WHY,
        hint=f"sloth ssh {node.name} -- journalctl -u {flavour.unit(server=node.is_control_plane)} -n 100; "
        "then sloth certs rotate --ca",
    )


def _started(rotation: Rotation, flavour: Flavour) -> str:
    return _has(rotation, f"{flavour.data}/agent/server-ca.crt")


def _has(rotation: Rotation, file: str) -> str:
    """Shell condition: the file holds what the stage trusts. Each certificate is known by its line with the serial number."""
    one = rotation.authorities["server"]
    old, new = (text.splitlines()[1] for text in (one.old, one.new))
    gone = "" if rotation.stage == "trust" else f" && ! grep -qF '{old}' {file}"
    return f"grep -qF '{new}' {file}{gone}"
