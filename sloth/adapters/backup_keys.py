"""The keys of a cluster's backups: one to seal for, whose private half stays in the record, and one that nodes sign with."""

from __future__ import annotations

import base64
import datetime
import hashlib

from sloth.backup.memory import Keys
from sloth.errors import KubernetesError
from sloth.model.secret import Secret

_BITS = 3072  # as strong as AES-128 (NIST SP 800-57 part 1, table 2)
_YEARS = 100  # it only carries a public key: nothing looks at its dates


def make_keys(cluster: str) -> Keys:
    """New keys for a cluster."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
    from cryptography.x509 import CertificateBuilder, Name, NameAttribute, random_serial_number
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, _BITS)
    name = Name([NameAttribute(NameOID.COMMON_NAME, f"sloth backup {cluster}")])
    now = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(random_serial_number()).not_valid_before(now)
    certificate = builder.not_valid_after(now.replace(year=now.year + _YEARS)).sign(key, SHA256())
    signer = ec.generate_private_key(ec.SECP256R1())

    def private(of: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Secret:
        return Secret(of.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())

    return Keys(
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        key=private(key),
        signing_key=private(signer),
        signing_public=signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


def fingerprint(certificate: str) -> str:
    """SHA-256 of a certificate (PEM), in hexadecimal."""
    body = "".join(line for line in certificate.splitlines() if "-----" not in line)
    return hashlib.sha256(base64.b64decode(body)).hexdigest()


def check_signature(line: bytes, signature: str, public: str, name: str) -> None:
    """Raises KubernetesError `backup/forged` if no node of this cluster has signed it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  sloth made it
    try:
        key.verify(base64.b64decode(signature, validate=True), line, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise KubernetesError(
            "backup/forged",
            f"{name} was not signed by a node of this cluster, or was changed afterwards: it is not used",
            where=name,
            hint="sloth backup list shows the others",
        ) from error
