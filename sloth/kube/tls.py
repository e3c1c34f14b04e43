"""The TLS side of a connection. Private keys are never written to a disk."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sloth.errors import CredentialsError
from sloth.kube.connection import Connection
from sloth.kube.kubeconfig_entries import broken
from sloth.model.secret import Secret


def context(connection: Connection, certificate: tuple[bytes, Secret] | None) -> ssl.SSLContext:
    """Trusts the cluster's own authority, or the system's where it names none. Raises KubernetesError, CredentialsError."""
    try:
        made = ssl.create_default_context(cadata=connection.ca.decode("ascii") if connection.ca else None)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise broken(connection.name, f"`certificate-authority` is no PEM certificate: {error}") from error
    if connection.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if certificate:
        chain, key = certificate
        with _readable(chain + b"\n" + key.reveal().encode()) as path:
            try:
                made.load_cert_chain(path)
            except (ssl.SSLError, ValueError) as error:
                raise CredentialsError(
                    "kube/client-certificate",
                    "the client certificate and its key do not fit",
                    detail=str(error),
                    hint="sloth kubeconfig --merge",
                ) from error
    return made


@contextmanager
def _readable(text: bytes) -> Iterator[str]:
    """A name under which OpenSSL can read this: memory where the system has that, else a file of ours alone, for a moment."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("client", os.MFD_CLOEXEC)
        try:
            os.write(handle, text)
            yield f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "client.pem")
        path.touch(mode=0o600)
        path.write_bytes(text)
        yield str(path)
