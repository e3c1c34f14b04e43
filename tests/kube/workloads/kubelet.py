"""A stand-in for the kubelet of one node, for the real API server to get logs from (`/containerLogs/…`, as kubelets serve it)."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from sloth.testing import kube_logs
from sloth.testing.kube_patch import Refused
from sloth.testing.kube_state import State
from tests.kube.real import client_pair


class Kubelet:
    """Serves over TLS on the loopback. `state.logs` is what its containers wrote; `asked` every path and query."""

    def __init__(self, folder):
        self.state, self.stopping, self.asked = State(), threading.Event(), []
        chain, key = client_pair(folder / "kubelet-ca.crt")
        (folder / "kubelet.pem").write_bytes(chain + key.encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "kubelet.pem")
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"of": self}))
        self._http.daemon_threads = True
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self):
        return self._http.server_address[1]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        with self.state.lock:
            self.state.lock.notify_all()
        self._http.shutdown()
        self._http.server_close()

    def runs(self, pod):
        """It runs this pod, as the API server has it."""
        space = pod["metadata"]["namespace"]
        state, name = self.state, pod["metadata"]["name"]
        if ("", "namespaces", "", space) not in state.objects:
            one = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
            state.create(state.resource("", "v1", "namespaces"), "", one, "kubelet")
        bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod["spec"]}
        state.create(state.resource("", "v1", "pods"), space, bare, "kubelet")

    def ends(self, pod):
        """Its containers ended."""
        meta = pod["metadata"]
        with self.state.lock:
            self.state.delete(self.state.resource("", "v1", "pods"), meta["namespace"], meta["name"], {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Kubelet

    def do_GET(self):
        parts = urlsplit(self.path)
        _, what, space, name, container = parts.path.split("/")
        assert what == "containerLogs"
        self.of.asked.append((parts.path, dict(parse_qsl(parts.query))))
        state = self.of.state
        try:
            with state.lock:
                pod = state.get(state.resource("", "v1", "pods"), space, name)
                body = kube_logs.log(state, pod, {**dict(parse_qsl(parts.query)), "container": container}, self.of.stopping)
        except Refused as refused:
            self._start(refused.status)
            self._chunk(refused.message.encode())
            self._chunk(b"")
            return
        self._start(200)
        try:
            for piece in [body] if isinstance(body, bytes) else body:
                if piece:
                    self._chunk(piece)
            self._chunk(b"")
        except OSError:  # the reader has gone
            self.close_connection = True

    def _start(self, status):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_):
        """Say nothing."""
