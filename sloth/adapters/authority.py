"""A new certificate authority: a key on this machine and a certificate that it signs itself, or that an old one signs."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from sloth.model.authorities import Authority
from sloth.model.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
    from cryptography.x509 import Certificate

YEARS = 10  # as kubeadm's own (kubernetes/kubernetes: cmd/kubeadm/app/constants, CACertificateValidityPeriod)


def make_authority(name: str) -> tuple[str, Secret]:
    """Certificate and key (ECDSA P-256) of an authority of that common name, PEM. Valid since five minutes: clocks differ."""
    key = _key()
    return _pem(_signed(name, key)), _key_pem(key)


def cross_sign(name: str, old: str, old_key: Secret) -> Authority:
    """A root and an authority below it, of that common name. The first certificate in `old` signs too, with its key.

    `new` is the authority and its root; `old` becomes the same root by the hand of the old one, and then all of the old. Who
    trusts one of the two trusts what is signed: the topology of docs.k3s.io, "k3s certificate", "Rotating Self-Signed CA
    Certificates". The root's key is forgotten. Raises ValueError for what is no certificate or no key.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    signer = load_pem_x509_certificates(old.encode())[0]
    signing: CertificateIssuerPrivateKeyTypes = load_pem_private_key(old_key.reveal().encode(), None)  # type: ignore[assignment]
    root_key, key = _key(), _key()
    root = _signed(f"{name} root", root_key)
    crossed = _signed(f"{name} root", root_key, by=signer, with_key=signing)
    own = _signed(name, key, by=root, with_key=root_key)
    return Authority(old=_pem(crossed) + old, new=_pem(own) + _pem(root), key=_key_pem(key))


def _signed(
    name: str,
    key: EllipticCurvePrivateKey,
    by: Certificate | None = None,
    with_key: CertificateIssuerPrivateKeyTypes | None = None,
) -> Certificate:
    """An authority's certificate, signed by itself unless another one is given with its key."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import (
        AuthorityKeyIdentifier,
        BasicConstraints,
        CertificateBuilder,
        KeyUsage,
        Name,
        NameAttribute,
        SubjectKeyIdentifier,
        random_serial_number,
    )
    from cryptography.x509.oid import NameOID

    subject = Name([NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    usage = KeyUsage(
        digital_signature=True, key_encipherment=True, key_cert_sign=True, content_commitment=False, data_encipherment=False,
        key_agreement=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = CertificateBuilder(
        issuer_name=by.subject if by else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=random_serial_number(),
        not_valid_before=begin,
        not_valid_after=begin + datetime.timedelta(days=365 * YEARS),
    )
    builder = builder.add_extension(BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if by:  # a root names no other signer: that is what K3s tells it by
        known = by.extensions.get_extension_for_class(SubjectKeyIdentifier).value
        builder = builder.add_extension(AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False)
    return builder.sign(with_key or key, SHA256())


def _key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: EllipticCurvePrivateKey) -> Secret:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode())
