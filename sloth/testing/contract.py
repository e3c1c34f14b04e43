"""What every plugin must hold, as functions that a test calls for each plugin that the registry finds.

Each returns the list of its complaints, empty if there are none, so that one run shows all of them.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.contracts.lifecycle import HasEtcd, HasKubectl
from sloth.contracts.provider import Provider
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Lease, Machine, Node
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec, Role
from sloth.model.step import Ask, Do, Put, Script, Step
from sloth.testing.cloud import check_cloud
from sloth.testing.script import rehearse

# How an `Ask` may begin: a program that only reads, and for some the words that make it read.
READING_VERBS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        [
            "[", "awk", "base64", "case", "cat", "cmp", "command", "cut", "date", "df", "diff", "dig", "dpkg-query", "du", "echo",
            "false", "file", "find", "findmnt", "for", "free", "getent", "grep", "head", "hostname", "id", "if", "journalctl",
            "jq", "ls", "lsblk", "lsmod", "md5sum", "nproc", "openssl", "pgrep", "pidof", "ping", "printf", "ps", "readlink",
            "realpath", "sed", "set", "sha256sum", "ss", "stat", "tail", "test", "tr", "true", "uname", "uptime", "wc", "which",
            "while", "whoami",
        ],
        (),
    ),
    "containerd": ("--version",),
    "crictl": ("images", "info", "inspect", "pods", "ps", "version"),
    "ctr": ("image list", "images list", "version"),
    "curl": ("-", "http"),
    "etcdctl": ("endpoint", "get", "member list", "version"),
    "ip": ("-", "addr", "address", "link show", "neigh", "route get", "route show"),
    "kubeadm": ("certs check-expiration", "config images list", "config print", "token list", "version"),
    "kubectl": ("--", "api-resources", "cluster-info", "config view", "describe", "explain", "get", "logs", "version"),
    "kubelet": ("--version",),
    "nft": ("list",),
    "sysctl": ("-n",),
    "systemctl": ("cat", "is-active", "is-enabled", "is-failed", "is-system-running", "list-", "show", "status"),
    "wg": ("pubkey", "show"),
}  # fmt: skip
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def reads_only(text: str) -> bool:
    """Whether a shell text begins with a reading verb, after comments, brackets and assignments."""
    for line in text.splitlines():
        words = _words(line)
        if words:
            allowed = READING_VERBS.get(words[0])
            return allowed == () or any(" ".join(words[1:]).startswith(start) for start in allowed or ())
    return False


def _words(line: str) -> list[str]:
    """The words of a line from its first command on."""
    code = line.strip(" \t({")
    try:
        words = shlex.split(code, comments=True)
    except ValueError:  # a quoted text goes on in the next line
        words = code.split()
    while words and _ASSIGNMENT.match(words[0]):
        words.pop(0)
    return words


def check_steps(steps: Iterable[Step], where: str = "") -> list[str]:
    """Titles say something, questions begin with a reading verb, no secret stands in a command."""
    complaints = []
    for step in steps:
        name = f"{where}: step “{step.title}”"
        if not step.title.strip():
            complaints.append(f"{where}: a step without a title: {step!r}")
        if isinstance(step, Ask) and not reads_only(step.run):
            complaints.append(f"{name} is a question that begins with no reading verb: {step.run.splitlines()[:1]}")
        if isinstance(step, Do) and any(secret.reveal() in step.run for secret in step.env.values()):
            complaints.append(f"{name} has a secret of its `env` in its command, too")
        if isinstance(step, Put) and isinstance(step.content, Secret) and step.mode & 0o077:
            complaints.append(f"{name} writes a secret with mode {step.mode:04o}")
        if step.retry.attempts > 1 and not step.retry.reason:
            complaints.append(f"{name} is tried again without a reason")
    return complaints


def check_provider(plugin: Provider) -> list[str]:
    """Name, folder, README and option schemas of a provider; `check` accepts an empty spec without failing itself."""
    complaints = _check_folder(plugin, plugin.name)
    schema = plugin.options_schema()
    for part in schema:
        if part not in ("provider", "pool"):
            complaints.append(f"{plugin.name}: options_schema has the unknown key `{part}`; known are `provider` and `pool`")
    for part in ("provider", "pool"):
        complaints += _check_schema(plugin.name, part, schema.get(part, {}), _readme(plugin))
    spec = ClusterSpec(name="sample", pools=(PoolSpec(name="a", role="control-plane", provider=plugin.name, count=1),))
    list(plugin.check(spec))
    list(plugin.networks(spec))
    return complaints


def check_distribution(plugin: Distribution) -> list[str]:
    """Name, folder, README, versions, needs, and the steps of every script on a sample cluster."""
    complaints = _check_folder(plugin, plugin.name)
    complaints += _check_schema(plugin.name, "kubernetes", plugin.options_schema(), _readme(plugin))
    versions = list(plugin.versions())
    complaints += [f"{plugin.name}: `{v}` is no exact version" for v in versions if not re.fullmatch(r"v\d+\.\d+\.\d+\S*", v)]
    if not versions:
        return [*complaints, f"{plugin.name}: it knows no version"]
    for need in plugin.needs(versions[0]):
        if need.kind == "binary" and not need.path:
            complaints.append(f"{plugin.name}: the binary {need.name} has no path")
        if need.kind == "image" and not need.ref:
            complaints.append(f"{plugin.name}: the image {need.name} has no name")
    complaints += _check_abilities(plugin)
    if not reads_only(plugin.probe()):
        complaints.append(f"{plugin.name}: the probe begins with no reading verb")
    cluster = sample_cluster(plugin.name, versions[0])
    for what, steps in script_steps(plugin, cluster).items():
        complaints += check_steps(steps, f"{plugin.name}.{what}")
    return complaints


def _check_abilities(plugin: Distribution) -> list[str]:
    """What optional abilities say has the form that sloth builds commands from."""
    complaints = []
    if isinstance(plugin, HasEtcd):
        access = plugin.etcd_access()
        paths = (access.cacert, access.cert, access.key, access.data_dir)
        relative = [path for path in paths if not path.startswith("/")]
        complaints += [f"{plugin.name}: etcd_access names `{path}`, which is no absolute path" for path in relative]
    if isinstance(plugin, HasKubectl) and not reads_only(f"{plugin.kubectl()} get nodes"):
        complaints.append(f"{plugin.name}: `{plugin.kubectl()}` is no kubectl to which a verb can be added")
    return complaints


def script_steps(plugin: Distribution, cluster: Cluster) -> dict[str, list[Step]]:
    """Every script of a distribution, rehearsed on that cluster: method name -> steps."""
    server, worker = cluster.control_plane[0], cluster.workers[0]
    info = JoinInfo(token=Secret("abcdef.0123456789abcdef"), ca_hash=f"sha256:{'0' * 64}", certificate_key=Secret("0" * 64))
    scripts: dict[str, Script[Any]] = {
        "first_server": plugin.first_server(server, cluster),
        "join_info": plugin.join_info(server, cluster),
        "join (control plane)": plugin.join(cluster.control_plane[1], cluster, info),
        "join (worker)": plugin.join(worker, cluster, info),
        "settle": plugin.settle(server, cluster),
        "evict": plugin.evict(server, worker.name, cluster),
        "remove": plugin.remove(worker, cluster),
        "kubeconfig": plugin.kubeconfig(server, cluster),
    }
    steps = {what: rehearse(script, _PLAUSIBLE) for what, script in scripts.items()}
    return {"prepare": list(plugin.prepare(server, cluster)), **steps}


# A script may insist on answers of a certain form; rehearsing plugins say so with `expected`. None is known to need more.
_PLAUSIBLE: Mapping[str, str] = {}


def sample_cluster(distribution: str, version: str) -> Cluster:
    """Two control-plane nodes and one worker with documentation addresses (RFC 5737)."""
    nodes = tuple(_node(name, role, n) for n, (name, role) in enumerate(_NODES.items(), start=1))
    pools = (
        PoolSpec(name="cp", role="control-plane", provider="sample", count=2),
        PoolSpec(name="work", role="worker", provider="sample", count=1),
    )
    leases = tuple(node.lease for node in nodes)
    return Cluster(
        spec=ClusterSpec(name="sample", pools=pools),
        record=Record(cluster="sample", leases=leases),
        plan=Plan(leases=leases, add=tuple(_NODES)),
        nodes=nodes,
        facts={node.name: Facts(values={"kube.state": "none", "arch": "x86_64"}) for node in nodes},
        version=version,
        endpoint="192.0.2.1:6443",
    )


_NODES: Mapping[str, Role] = {"cp-1": "control-plane", "cp-2": "control-plane", "work-1": "worker"}


def _node(name: str, role: Role, number: int) -> Node:
    pool = name.partition("-")[0]
    lease = Lease(
        name=name,
        pool=pool,
        role=role,
        provider="sample",
        mesh_address=f"10.90.0.{number}",
        pod_cidr=f"10.42.{number}.0/24",
        ordinal=int(name.rpartition("-")[2]),
    )
    return Node(lease=lease, machine=Machine(name=name, id=name, address=f"192.0.2.{number}"))


def _folder(plugin: object) -> Path:
    return Path(inspect.getfile(type(plugin))).parent


def _readme(plugin: object) -> str:
    file = _folder(plugin) / "README.md"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _check_folder(plugin: object, name: str) -> list[str]:
    folder = _folder(plugin)
    complaints = []
    if folder.name != name:
        complaints.append(f"{name}: its folder is called {folder.name}")
    if not _readme(plugin).strip():
        complaints.append(f"{name}: {folder.name}/README.md is missing or empty")
    return complaints


def _check_schema(name: str, part: str, schema: Mapping[str, Any], readme: str) -> list[str]:
    """A JSON Schema of named properties, every one described there and in the README."""
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        return [f"{name}: the schema of `{part}` is wrong: {error.message}"]
    properties: Mapping[str, Any] = schema.get("properties", {})
    complaints = []
    for key, value in properties.items():
        if not (isinstance(value, Mapping) and value.get("description")):
            complaints.append(f"{name}: option `{part}.{key}` has no description")
        if key not in readme:
            complaints.append(f"{name}: option `{part}.{key}` is not in the README")
    return complaints


__all__ = [
    "READING_VERBS", "check_cloud", "check_distribution", "check_provider", "check_steps", "reads_only", "sample_cluster",
    "script_steps",
]  # fmt: skip
