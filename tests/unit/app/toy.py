"""A distribution of few steps and a host that carries them out: for whole runs of the real verbs without any machine.

The host understands what the phases `connect`, `inspect` and `mesh` send, and the toy's own commands. Everything it does is
kept below a directory, so that a run can be killed. Like a real host it does not do things twice that cannot be done twice.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from pathlib import Path

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.mesh.host import PUBLIC_KEY
from sloth.mesh.wireguard import INCOMING, PEERS, PRIVATE_KEY, SETTINGS
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Wait
from sloth.phases.stamp import FOLDER as STAMPS
from sloth.testing import FakeHost
from tests.unit.app import toy_nodes

VERSION = "v1.36.3"


class Toy(Distribution):
    """Members are files on hosts."""

    name = "kubeadm"

    def versions(self):
        return (VERSION, "v1.35.9")

    def check(self, spec):
        return ()

    def needs(self, version):
        return ()

    def probe(self):
        return "cat toy-probe"

    def prepare(self, node, cluster):
        return [
            Put(path="/etc/toy.conf", content=f"address={node.mesh_address}\n", then="toy restart"),
            Do(title="install runtime", run="toy install", unless="test -e /usr/bin/toy"),
        ]

    def first_server(self, node, cluster):
        yield Do(title="found the cluster", run="toy found", unless="test -e /var/lib/toy/member")
        yield Wait(title="API answers", until="test -e /var/lib/toy/member")

    def join_info(self, node, cluster):
        result = yield Do(title="make a token", run="toy token", secret=True, expected="token")
        return JoinInfo(token=Secret(result.out))

    def join(self, node, cluster, info):
        yield Do(title="join", run="toy join", unless="test -e /var/lib/toy/member", env={"TOKEN": info.token})

    def settle(self, server, cluster):
        yield Wait(title="all nodes Ready", until="toy ready")

    def evict(self, server, name, cluster):
        yield Do(title=f"evict {name}", run=f"toy evict {name}")

    def remove(self, node, cluster):
        yield Do(title="remove everything", run="toy remove")

    def kubectl(self):
        return toy_nodes.KUBECTL

    def kubeconfig(self, server, cluster):
        result = yield Ask(title="read the kubeconfig", run="cat /etc/toy/admin.conf", secret=True)
        return Secret(result.out)


ADMIN = """apiVersion: v1
kind: Config
clusters: [{name: toy, cluster: {server: "https://127.0.0.1:6444", certificate-authority-data: Y2E=}}]
users: [{name: admin, user: {client-key-data: dG95LWtleS1vZi10aGUtYWRtaW4=}}]
"""


class ToyHost(FakeHost):
    """One machine's disk. `others` gives all hosts by node name: what a control plane sees of its members."""

    def __init__(self, node: str, directory: Path, after_step, others) -> None:
        super().__init__(node, directory, after_step)
        self.others = others
        self.facts.setdefault("evicted", [])
        for pattern, handler in (*HANDLERS, *toy_nodes.HANDLERS):
            self.on(pattern, handler)
        probe = (re.compile("cat toy-probe"), lambda host, _: "\n".join(_kube(host)))
        self.handlers[:0] = [probe, toy_nodes.BOOT_ID]  # before the `cat` of any file

    def members(self) -> list[str]:
        """Who is a member of the toy's Kubernetes."""
        return _members(self)

    @property
    def _store(self) -> Path:
        return self.directory / "disk.json"

    def has(self, path: str) -> bool:
        return path in self.files

    @property
    def host_key(self) -> str:
        """The public key that sshd shows, once it is not the one from user-data."""
        return self.facts.get("active", "")


def _make_host_keys(host, _match):
    host.facts["staged"] = [f"{kind} {secrets.token_hex(16)}" for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256")]


def _activate(host, _match):
    host.facts["active"] = host.facts["staged"][0]


def _stamp(host, match):
    paths = re.findall(r" (/\S+)", match["stat"] or "")
    host.write(f"{STAMPS}/{match['name']}", f"{match['digest']}\n" + "".join(f"{path} {host.files[path][0]}\n" for path in paths))


def _stamps(host):
    for path in sorted(path for path in host.files if path.startswith(f"{STAMPS}/")):
        digest, *lines = host.text(path).splitlines()
        kept = all(host.has(name) and host.files[name][0] == content for name, _, content in (x.partition(" ") for x in lines))
        yield f"stamp.{path.rpartition('/')[2]}={digest} {'ok' if kept else 'drift'}"


def _peers(host):
    return {path: host.text(path) for path in sorted(host.files) if path.startswith(f"{PEERS}/")}


def _sums(host):
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in _peers(host).items()}


def _wanted(host):
    own = host.text(SETTINGS) if host.has(SETTINGS) else ""
    return hashlib.sha256("".join([own, *_peers(host).values()]).encode()).hexdigest()


def _apply(host, _match):
    """What `sloth-mesh sync` does with files."""
    name = ""
    texts = {}
    for line in host.text(INCOMING).splitlines(keepends=True) if host.has(INCOMING) else ():
        if line == "#clear\n":
            for path in _peers(host):
                host.files.pop(path)
        elif line.startswith("#put "):
            name = line.split()[1]
            texts[name] = ""
        else:
            texts[name] += line
    for name, text in texts.items():
        host.write(f"{PEERS}/{name}.conf", text, 0o600)
    host.files.pop(INCOMING, None)
    host.facts["applied"] = _wanted(host)


def _mesh(host):
    if not host.has(PRIVATE_KEY):
        return
    yield f"mesh.public_key={host.text(PUBLIC_KEY)}"
    yield f"mesh.files={_wanted(host)}"
    if host.facts.get("applied") == _wanted(host):
        yield "mesh.applied=ok"
    if host.facts.get("passed") == _sums(host):
        yield "mesh.passed=ok"


def _mesh_key(host, _match):
    if not host.has(PRIVATE_KEY):
        host.write(PRIVATE_KEY, secrets.token_hex(16), 0o600)
    host.write(PUBLIC_KEY, hashlib.sha256(host.read(PRIVATE_KEY)).hexdigest())


def _check(host, _match):
    """A pair works if each has the other's key."""
    lines = [f"self {host.text(PUBLIC_KEY)} 51820"]
    for path, text in _peers(host).items():
        name = path.rpartition("/")[2].removesuffix(".conf")
        peer = host.others().get(name)
        fine = peer and f"PublicKey = {peer.text(PUBLIC_KEY)}\n" in text and f"{PEERS}/{host.name}.conf" in peer.files
        lines.append(f"peer {name} ok" if fine else f"peer {name} silent 0 never 0 0 none")
    if not any("silent" in line for line in lines):
        host.facts["passed"] = _sums(host)
    return "\n".join([*lines, "end"])


def _members(host):
    gone = {disk for other in host.others().values() for disk in other.facts.get("gone", ())}
    here = host.others().items()
    return sorted(name for name, other in here if other.has("/var/lib/toy/member") and other.directory.name not in gone)


def _kube(host):
    state = host.facts.get("state") or ("joined" if host.has("/var/lib/toy/member") else "none")
    yield f"kube.state={state}"
    yield f"kube.version={host.text('/etc/toy.version') if host.has('/etc/toy.version') else VERSION}"
    if host.has("/etc/toy/admin.conf"):
        yield "kube.api=ok"
        yield "kube.nodes=" + " ".join(f"{name}:Ready" for name in _members(host))


def _inspect(host, match):
    lines = [
        "arch=amd64",
        "os=debian 13",
        "user=0",
        "cpus=4",
        "memory=4096",
        "disk_free=90000",
        "wireguard=kernel",
        "link.eth0=1500",
    ]
    lines += [*_stamps(host), *_mesh(host), *_kube(host)]
    return "\n".join([*lines, f"clock={time.time()}"])


def _found(host, _match):
    if any(other.has("/etc/toy/admin.conf") for other in host.others().values()):
        return 9  # a second cluster beside the first
    host.write("/etc/toy/admin.conf", ADMIN, 0o600)
    host.write("/var/lib/toy/member", "yes")
    return None


def _join(host, _match):
    if not any(other.has("/etc/toy/admin.conf") for other in host.others().values()):
        return 9
    host.write("/var/lib/toy/member", "yes")
    return None


def _evict(host, match):
    host.facts["evicted"].append(match[1])
    host.facts.get("nodes", {}).pop(match[1], None)
    if match[1] in host.others():  # a later machine of that name is another disk
        host.facts.setdefault("gone", []).append(host.others()[match[1]].directory.name)


def _remove(host, _match):
    host.files.clear()


def _as_wanted(host, match):
    """What a rehearsal asks about a file: content (mode and owner are the ones that everything here has)."""
    path = match["path"]
    return 0 if host.has(path) and hashlib.sha256(host.read(path)).hexdigest() == match["sum"] else 1


def _yes(*_):
    return None


HANDLERS = [
    (r"(?:test ! -e \S+ && )?case \"\$\(stat .*? -- (?P<path>\S+) .* printf %s '(?P<sum>\w{64})  .*", _as_wanted),
    (r"umask 077; rm -rf /var/lib/sloth/host-keys\.new.*", _make_host_keys),
    (r"\[ -d /var/lib/sloth/host-keys \]", lambda host, _: 0 if "staged" in host.facts else 1),
    (r"cat /var/lib/sloth/host-keys/.*", lambda host, _: "\n".join(host.facts["staged"])),
    (r"\[ -d /var/lib/sloth/host-keys \] && .*", lambda host, _: 0 if "active" in host.facts else 1),
    (r"\(\ncd /var/lib/sloth/host-keys .*", _activate),
    (r"test -d /etc/ssh", _yes),
    (r"uname -s -r -m.*cat toy-probe.*", _inspect),
    (rf"\[ ! -e {STAMPS}/(\S+) \]", lambda host, match: 1 if host.has(f"{STAMPS}/{match[1]}") else 0),
    (
        rf"mkdir -p -m 0700 {STAMPS} && \{{ echo (?P<digest>\w+)(?P<stat> && stat .*)?; \}} >{STAMPS}/\.(?P<name>\w+) && mv .*",
        _stamp,
    ),
    (r"! for tool in .*", _yes),
    (rf"\[ -s {PRIVATE_KEY} \].*", lambda host, _: 0 if host.has(PUBLIC_KEY) else 1),
    (rf"umask 077; mkdir -p {PEERS} .*", _mesh_key),
    (r"systemctl is-enabled -q sloth-mesh .*", lambda host, _: 0 if host.facts.get("enabled") else 1),
    (r"systemctl daemon-reload && systemctl enable -q sloth-mesh", lambda host, _: host.facts.update(enabled=True)),
    (r"sha256sum \S+/\*\.conf", lambda host, _: "\n".join(f"{digest}  {path}" for path, digest in _sums(host).items())),
    (r"if systemctl is-active -q sloth-mesh .*", _apply),
    (r"PATIENCE=\d+ \S+/sloth-mesh check.*", _check),
    (r": \w+", _yes),
    (r"toy restart", _yes),
    (r"toy install", lambda host, _: host.write("/usr/bin/toy", "program")),
    (r"toy found", _found),
    (r"toy token", lambda host, _: f"token-{secrets.token_hex(8)}"),
    (r"toy join", _join),
    (r"toy ready", _yes),
    (r"toy evict (\S+)", _evict),
    (r"toy remove", _remove),
]
