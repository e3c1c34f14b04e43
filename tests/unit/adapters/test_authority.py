"""A new authority: what it may do, how long, and that certificates which it signs are accepted."""

import subprocess

from sloth.adapters.authority import YEARS, make_authority
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
