"""A new certificate authority: a key on this machine and a certificate that it signs itself."""

from __future__ import annotations

import datetime

from sloth.model.secret import Secret

YEARS = 10  # as kubeadm's own (kubernetes/kubernetes: cmd/kubeadm/app/constants, CACertificateValidityPeriod)


def make_authority(name: str) -> tuple[str, Secret]:
    """Certificate and key (ECDSA P-256) of an authority of that common name, PEM. Valid since five minutes: clocks differ."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509 import (
        BasicConstraints,
        CertificateBuilder,
        KeyUsage,
        Name,
        NameAttribute,
        SubjectKeyIdentifier,
        random_serial_number,
    )
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = Name([NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    usage = KeyUsage(
        digital_signature=True, key_encipherment=True, key_cert_sign=True, content_commitment=False, data_encipherment=False,
        key_agreement=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=random_serial_number(),
        not_valid_before=begin,
        not_valid_after=begin + datetime.timedelta(days=365 * YEARS),
    )
    builder = builder.add_extension(BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return certificate, Secret(private)
