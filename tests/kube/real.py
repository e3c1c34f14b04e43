"""A real kube-apiserver with etcd on the loopback, from the images that sloth's mirror has.

How it is started follows controller-runtime: pkg/internal/testing/controlplane.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from sloth.errors import ConnectError
from sloth.kube import ApiError, Client, Connection
from sloth.kube.retry import Policy
from sloth.kube.wire import Request, ask
from sloth.model.secret import Secret
from tests.ports import free_port

READY = 90.0  # seconds; 5 on an idle machine
# What anybody who is somebody may do, once the default roles are there and the authorizer has seen them.
ANYBODY = {
    "apiVersion": "authorization.k8s.io/v1",
    "kind": "SubjectAccessReview",
    "spec": {
        "user": "anybody",
        "groups": ["system:authenticated"],
        "resourceAttributes": {"verb": "create", "group": "authentication.k8s.io", "resource": "selfsubjectreviews"},
    },
}


def mirror() -> Path:
    """Where sloth's artifacts are kept on this machine."""
    from sloth.adapters.paths import cache_dir

    return cache_dir() / "mirror"


def archive(name: str) -> Path | None:
    """The newest image archive of this name in the mirror."""
    found = sorted(mirror().glob(f"{name}/*/linux-*/{name}.tar"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def binary(name: str, folder: Path) -> Path:
    """The one program in an image, taken out of it."""
    outer = archive(name)
    assert outer, f"the mirror has no {name}: sloth mirror create"
    target = folder / name
    with tarfile.open(outer) as image:
        manifest = json.load(image.extractfile("manifest.json"))
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                for member in files:
                    if member.isfile() and Path(member.name).name == name:
                        with files.extractfile(member) as source, target.open("wb") as sink:
                            shutil.copyfileobj(source, sink)
    target.chmod(0o755)
    return target


def client_pair(authority: Path) -> tuple[bytes, str]:
    """A client certificate of `cert-user` in system:masters and its key, PEM; its authority's certificate goes to that file."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def made(names, key, issuer, signer, *, ca):
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(kind, value) for kind, value in names])
        builder = x509.CertificateBuilder(issuer or name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        return builder.sign(signer, hashes.SHA256())

    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    top = made([(NameOID.COMMON_NAME, "test clients")], root, None, root, ca=True)
    authority.write_bytes(top.public_bytes(serialization.Encoding.PEM))
    names = [(NameOID.ORGANIZATION_NAME, "system:masters"), (NameOID.COMMON_NAME, "cert-user")]
    leaf = made(names, key, top.subject, root, ca=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return leaf.public_bytes(serialization.Encoding.PEM), private


class RealKube:
    """The two processes. `connection` is an administrator's; `stop` ends them and leaves nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = secrets.token_hex(16)
        self.etcd_port, self.peer_port, self.port = free_port(), free_port(), free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def connection(self) -> Connection:
        """As system:masters, over TLS, with the certificate that the server made for itself."""
        ca = (self.folder / "certs" / "apiserver.crt").read_bytes()
        return Connection(
            server=f"https://127.0.0.1:{self.port}",
            ca=ca,
            token=Secret(self.token),
            tls_server_name="kubernetes.default.svc",
            name="real",
        )

    def start(self) -> None:
        """Start both and wait until the server is ready."""

        (self.folder / "tokens.csv").write_text(f'{self.token},admin,1,"system:masters"\n')
        self.client_pair = client_pair(self.folder / "client-ca.crt")
        key = self.folder / "sa.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        url, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        self._spawn(
            binary("etcd", self.folder), f"--data-dir={self.folder / 'etcd-data'}", f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}", "--unsafe-no-fsync",
        )  # fmt: skip
        self._spawn(
            binary("kube-apiserver", self.folder), f"--etcd-servers={url}", f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certs'}", "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://sloth.test",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}", "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens.csv'}", f"--client-ca-file={self.folder / 'client-ca.crt'}",
            "--allow-privileged", "--disable-admission-plugins=ServiceAccount",
        )  # fmt: skip
        self._wait()

    def _spawn(self, *command: str | Path) -> None:
        with (self.folder / f"{Path(command[0]).name}.log").open("wb") as log:
            self.processes.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT))

    def _wait(self) -> None:
        """Until /readyz says yes, its first namespaces are there, and its default roles have an effect."""
        deadline = time.monotonic() + READY
        while True:
            try:
                with Client(self.connection, policy=Policy(attempts=1)) as client:
                    client.get("namespaces", "default")
                    client.get("namespaces", "kube-system")
                    client.run(ask(Request("GET", "/readyz")))
                    if client.create(ANYBODY)["status"]["allowed"]:
                        return
                problem = "an ordinary user may not do anything yet"
            except (FileNotFoundError, ConnectError, ApiError) as error:  # the first: its certificate is not made yet
                problem = f"{error!r} {getattr(error, 'detail', '')}"
            dead = [process.args[0] for process in self.processes if process.poll() is not None]
            assert not dead, f"{dead} ended; see the logs in {self.folder}"
            assert time.monotonic() < deadline, f"not ready after {READY} s: {problem}"
            time.sleep(0.2)

    def stop(self) -> None:
        """End both, the server first."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
