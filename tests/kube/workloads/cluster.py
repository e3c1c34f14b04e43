"""A real API server with the controllers of workloads beside it, a stand-in for kubelet and scheduler, and kubectl."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, datetime

import yaml

from sloth.errors import SlothError
from sloth.kube import ApiError, Client
from sloth.kube.retry import Policy
from tests.kube.real import RealKube, binary, mirror

CONTROLLERS = (
    "deployment-controller", "replicaset-controller", "statefulset-controller", "daemonset-controller", "disruption-controller",
    "garbage-collector-controller", "namespace-controller", "job-controller",
)  # fmt: skip
NODE = "hand-1"


def kubectl_path():
    """The newest kubectl of the mirror, or None."""
    found = sorted(mirror().glob("kubectl/*/linux-*/kubectl"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


class ControlledKube(RealKube):
    """Server, etcd and kube-controller-manager, which runs the controllers of workloads only: no nodes are looked after."""

    def start(self) -> None:
        """Start all of them."""
        super().start()
        self.tool = kubectl_path()  # now: tests change where sloth keeps its artifacts
        path = self.kubeconfig()
        self._spawn(
            binary("kube-controller-manager", self.folder), f"--kubeconfig={path}", "--leader-elect=false",
            "--bind-address=127.0.0.1", "--secure-port=0", f"--controllers={','.join(CONTROLLERS)}",
            "--use-service-account-credentials=false",
            f"--service-account-private-key-file={self.folder / 'sa.key'}",
        )  # fmt: skip

    def kubeconfig(self, namespace="default"):
        """A kubeconfig file of the administrator."""
        path = self.folder / f"kubeconfig-{namespace}"
        cluster = {
            "server": self.connection.server,
            "certificate-authority": str(self.folder / "certs" / "apiserver.crt"),
            "tls-server-name": self.connection.tls_server_name,
        }
        document = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": self.token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        }  # fmt: skip
        path.write_text(yaml.safe_dump(document))
        return path

    def kubectl(self, namespace, *words, stdin=None, check=True):
        """What kubectl prints; its own failure is ours, unless `check` is false: then exit code, stdout and stderr."""
        command = [str(self.tool), "--kubeconfig", str(self.kubeconfig(namespace)), *words]
        home = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=120, check=False, env=home)
        if not check:
            return done.returncode, done.stdout, done.stderr
        assert done.returncode == 0, done.stderr
        return done.stdout


class Hand:
    """What kubelet and scheduler would do, by hand: binds pods to a node, makes them Ready, ends those that are to end.

    A pod labelled `hand: none` is left alone: nobody runs it.
    """

    def __init__(self, connection, node: str = NODE) -> None:
        self.client = Client(connection, policy=Policy(first=0.01, longest=0.1))
        self.node = node
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"end-of-{self.node}"}}
        self.client.create(namespace)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "end"},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        self.client.create(pod, f"end-of-{self.node}")  # something to wake the watch up
        self.thread.join(30)
        self.client.close()

    def _run(self) -> None:
        for event in self.client.watch("pods", "*", stop=self.stop):
            if event.type == "DELETED" or (event.object["metadata"].get("labels") or {}).get("hand") == "none":
                continue
            try:
                self._serve(event.object)
            except ApiError:
                continue  # it changed meanwhile: its next event comes
            except SlothError:
                if not self.stop.is_set():
                    raise

    def _serve(self, pod) -> None:
        meta = pod["metadata"]
        name, namespace = meta["name"], meta["namespace"]
        if meta.get("deletionTimestamp"):
            if not meta.get("finalizers"):
                self.client.delete("pods", name, namespace, grace=0)
        elif not pod["spec"].get("nodeName"):
            self._bind(name, namespace, chosen_node(pod) or self.node)
        elif pod["status"].get("phase") == "Pending":
            self.client.patch("pods", name, {"status": ready_status(pod)}, namespace, subresource="status")

    def _bind(self, name, namespace, node) -> None:
        from sloth.kube.decode import asked, dumps
        from sloth.kube.wire import JSON, Request

        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = dumps({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target})
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/binding"
        self.client.run(asked(Request("POST", path, (), {"Content-Type": JSON}, body, f"bind {name}")))


def chosen_node(pod):
    """The node that a DaemonSet's controller chose for its pod."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    found = [value for term in terms for field in term.get("matchFields") or () for value in field["values"]]
    return found[0] if found else ""


def ready_status(pod):
    """The status of a pod whose containers all run."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    on = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("Initialized", "Ready", "ContainersReady")]
    on.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": now})
    containers = [
        {
            "name": each["name"], "image": each["image"], "imageID": f"sha256:{each['name']}", "ready": True, "started": True,
            "restartCount": 0, "containerID": f"hand://{each['name']}", "state": {"running": {"startedAt": now}},
        }
        for each in pod["spec"]["containers"]
    ]  # fmt: skip
    return {"phase": "Running", "podIP": "10.9.0.1", "startTime": now, "conditions": on, "containerStatuses": containers}
