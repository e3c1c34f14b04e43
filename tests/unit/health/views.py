"""A cluster that is well, as a view; tests take something away or break it."""

import base64
import datetime
import json
from dataclasses import replace
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sloth.health.view import MEMBERS, NODES, PODS, STATUS, View
from sloth.model.certificate import CertificateFile
from sloth.model.facts import Facts
from sloth.model.node import Lease

NOW = 1_800_000_000.0
VERSION = "v1.36.3"
FILES = (
    CertificateFile(name="apiserver", path="/pki/apiserver.crt"),
    CertificateFile(name="cluster CA", path="/pki/ca.crt", authority=True),
    CertificateFile(name="super-admin.conf", path="/pki/super-admin.conf", kubeconfig=True, optional=True),
    CertificateFile(name="kubelet client", path="/pki/kubelet.pem", control_plane=False),
)


@cache
def certificate(days: float) -> str:
    """A certificate that ends so many days after NOW, as a node sends it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "demo")])
    end = datetime.datetime.fromtimestamp(NOW, datetime.UTC) + datetime.timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - datetime.timedelta(days=365))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def lease(name: str, number: int, role: str = "control-plane") -> Lease:
    return Lease(
        name=name, pool=name.partition("-")[0], role=role, provider="local",
        mesh_address=f"10.90.0.{number}", pod_cidr=f"10.42.{number}.0/24", ordinal=number,
    )  # fmt: skip


def node_line(name: str, ready: str = "True", version: str = VERSION, cordoned: str = "", more: str = "") -> str:
    return f"{name}\t{version}\t{cordoned}\tMemoryPressure=False {more}Ready={ready} "


def pod_line(name: str, kind: str, owner: str, node: str, ready: str = "True", reason: str = "", phase: str = "Running") -> str:
    return f"{name}\t{kind}\t{owner}\t{node}\t{phase}\t{ready}\t{reason}"


def member(number: int, name: str, **more) -> dict:
    return {"ID": number, "name": name, "peerURLs": [f"https://10.90.0.{number}:2380"], **more}


def status(number: int, leader: int = 1, term: int = 4, **more) -> dict:
    said = {"header": {"member_id": number, "raft_term": term}, "leader": leader, "raftTerm": term, "dbSizeInUse": 5 << 20}
    return {"Endpoint": f"https://10.90.0.{number}:2379", "Status": {**said, **more}}


def healthy_view(servers: int = 3, workers: int = 1) -> View:
    """All is well."""
    names = [f"cp-{n}" for n in range(1, servers + 1)] + [f"work-{n}" for n in range(1, workers + 1)]
    leases = tuple(
        lease(name, number, "control-plane" if name.startswith("cp") else "worker") for number, name in enumerate(names, 1)
    )
    common = {
        "kube.state": "joined", "kube.version": VERSION, "unit.kubelet": "active", "unit.containerd": "active",
        "disk_free": "90000", "disk./": "100000 90000", "inodes./": "100000 90000", "clock": str(NOW),
        "mesh.public_key": "KEY", "mesh.applied": "ok", "cert./pki/kubelet.pem": certificate(300),
    }  # fmt: skip
    server = {
        "kube.api": "ok",
        "kube.etcd": "ok",
        "kube.nodes": " ".join(f"{name}:Ready" for name in names),
        "cert./pki/apiserver.crt": certificate(200),
        "cert./pki/ca.crt": certificate(3000),
        "cert./pki/super-admin.conf": "missing",
        NODES: "\n".join(node_line(name) for name in names),
        PODS: "\n".join(
            [pod_line(f"kube-apiserver-cp-{n}", "Node", f"cp-{n}", f"cp-{n}") for n in range(1, servers + 1)]
            + [pod_line(f"kube-proxy-{name}", "DaemonSet", "kube-proxy", name) for name in names]
            + [pod_line(f"coredns-{n}", "ReplicaSet", "coredns-1", names[n]) for n in range(2)]
        ),
        MEMBERS: json.dumps({"members": [member(n, f"cp-{n}") for n in range(1, servers + 1)]}),
        STATUS: json.dumps([status(n) for n in range(1, servers + 1)]),
    }
    facts = {
        each.name: Facts(values={**common, **(server if each.role == "control-plane" else {})}, asked_at=NOW) for each in leases
    }
    running = frozenset(names)
    return View(
        leases=leases, running=running, version=VERSION, now=NOW, facts=facts, certificates=FILES, etcd=True, kubectl=True
    )  # fmt: skip


def told(view: View, name: str, **changes) -> View:
    """The view with other words of one node; a key with None is not said. Keys have `_` for nothing: give a dict as `values`."""
    values = {**view.facts[name].values, **changes.pop("values", {})}
    values = {key: value for key, value in values.items() if value is not None}
    return replace(view, facts={**view.facts, name: replace(view.facts[name], values=values)})


def told_by_all(view: View, key: str, value: str | None) -> View:
    """The same words of all control-plane nodes."""
    for each in view.servers:
        view = told(view, each.name, values={key: value})
    return view
