"""A new authority: what it may do, how long, and that certificates which it signs are accepted."""

import datetime
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from sloth.adapters.authority import YEARS, cross_sign, make_authority
from sloth.model.secret import Secret


def openssl(*words, stdin=""):
    return subprocess.run(["openssl", *words], input=stdin, capture_output=True, text=True, check=True).stdout


def test_it_is_an_authority_of_that_name_for_ten_years():
    certificate, key = make_authority("kubernetes 2026-01-01")
    assert isinstance(key, Secret) and key.reveal().startswith("-----BEGIN EC PRIVATE KEY-----"), "kubeadm reads this form"
    text = openssl("x509", "-noout", "-text", stdin=certificate)
    assert "CN = kubernetes 2026-01-01" in text.replace("CN=kubernetes", "CN = kubernetes")
    assert "CA:TRUE" in text and "Certificate Sign" in text
    openssl("x509", "-noout", "-checkend", str((YEARS * 365 - 1) * 86400), stdin=certificate)


def test_what_it_signs_is_trusted_by_who_trusts_it_and_by_nobody_else(tmp_path):
    for name in ("old", "new"):
        certificate, key = make_authority(f"kubernetes {name}")  # a name of its own: not everybody looks further than the name
        (tmp_path / f"{name}.crt").write_text(certificate)
        (tmp_path / f"{name}.key").write_text(key.reveal())
    paths = {each.name: str(each) for each in tmp_path.iterdir()}
    leaf, request = str(tmp_path / "leaf.crt"), str(tmp_path / "leaf.csr")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(tmp_path / "k"),
            "-subj", "/CN=x", "-out", request)  # fmt: skip
    openssl("x509", "-req", "-in", request, "-CA", paths["new.crt"], "-CAkey", paths["new.key"], "-CAcreateserial", "-out", leaf)
    bundle = tmp_path / "both.crt"
    bundle.write_text((tmp_path / "old.crt").read_text() + (tmp_path / "new.crt").read_text())
    assert openssl("verify", "-CAfile", paths["new.crt"], leaf) and openssl("verify", "-CAfile", str(bundle), leaf)
    refused = subprocess.run(["openssl", "verify", "-CAfile", paths["old.crt"], leaf], capture_output=True, check=False)
    assert refused.returncode != 0


# --- signed by the old one, too


def leaf(authority, certificate):
    """A certificate that the authority signs, with all of the bundle behind it, as a server shows it."""
    signer = x509.load_pem_x509_certificate(certificate.encode())
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=signer.subject,
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]),
        public_key=ec.generate_private_key(ec.SECP256R1()).public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(minutes=1),
        not_valid_after=now + datetime.timedelta(days=1),
    )
    key = load_pem_private_key(authority.key.reveal().encode(), None)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def trusted(folder, shown, chain, roots):
    """Whether somebody who has `roots` believes `shown`, which comes with `chain`."""
    for name, text in (("shown", shown), ("chain", chain), ("roots", roots)):
        (folder / name).write_text(text)
    words = ["openssl", "verify", "-CAfile", str(folder / "roots"), "-untrusted", str(folder / "chain"), str(folder / "shown")]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def bundles(authority):
    return authority.chain, authority.new


def test_who_trusts_the_old_or_the_new_root_trusts_what_is_new(tmp_path):
    old, key = make_authority("server old")
    other, _ = make_authority("somebody else")
    made = cross_sign("server 20260102T030405Z", old, key)
    both, new = bundles(made)
    shown = leaf(made, made.new)
    assert trusted(tmp_path, shown, both, old), "by the certificate that the old one has signed"
    assert trusted(tmp_path, shown, both, both)
    assert trusted(tmp_path, shown, new, new), "when the old one is gone"
    assert not trusted(tmp_path, shown, new, old), "nothing that is left leads to the old one"
    assert not trusted(tmp_path, shown, both, other)


def test_the_next_rotation_signs_with_what_the_last_one_left(tmp_path):
    old, key = make_authority("server old")
    first = cross_sign("server 1", old, key)
    second = cross_sign("server 2", first.new, first.key)
    both, new = bundles(second)
    shown = leaf(second, second.new)
    assert trusted(tmp_path, shown, both, first.new) and trusted(tmp_path, shown, new, new)
    assert not trusted(tmp_path, shown, both, old), "who was dropped stays out"


def test_roots_name_no_other_signer_and_the_rest_do(tmp_path):
    old, key = make_authority("server old")
    made = cross_sign("server 1", old, key)
    own, root, crossed, was = x509.load_pem_x509_certificates((made.new + made.old).encode())
    named = [any(e.oid == x509.AuthorityKeyIdentifier.oid for e in each.extensions) for each in (own, root, crossed, was)]
    assert named == [True, False, True, False]
    assert root.subject == crossed.subject != own.subject and root.public_key() == crossed.public_key()


@pytest.mark.parametrize(("old", "key"), [("no certificate", "no key"), ("", "")])
def test_what_is_no_authority_is_refused(old, key):
    with pytest.raises(ValueError):
        cross_sign("x", old, Secret(key, known=False))
