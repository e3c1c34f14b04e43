"""The program that runs on nodes: what it makes, what it refuses, and that half a backup is never seen as one."""

import io
import subprocess
import tarfile

import pytest

from sloth.adapters.backup_keys import check_signature, fingerprint
from sloth.adapters.cms import NotSealed, opened
from sloth.backup.manifest import split
from sloth.backup.scripts import Origin, program, send_to_folder
from sloth.errors import KubernetesError
from sloth.model.secret import Secret
from tests.unit.backup.material import Site, keys


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "node")


def made(site):
    return site.make().stdout.split()[-1]


def archive(site, name, key=None):
    with (site.spool / f"{name}.tar.gz.cms").open("rb") as stream:
        return b"".join(opened(stream, key or keys().key))


def sealed(folder, cipher, data):
    """What openssl makes of it without streaming."""
    (folder / "c.pem").write_text(keys().certificate)
    words = ["-encrypt", "-binary", cipher, "-outform", "DER", "-recip", str(folder / "c.pem")]
    padding = ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"]
    return subprocess.run(["openssl", "cms", *words, *padding], input=data, capture_output=True, check=True, timeout=60).stdout


def test_it_holds_data_and_keys_and_only_the_records_key_opens_it(site):
    name = made(site)
    with tarfile.open(fileobj=io.BytesIO(archive(site, name)), mode="r:gz") as packed:
        assert packed.getnames() == ["etcd.db", "files.tar"]
        assert packed.extractfile("etcd.db").read() == site.data.read_bytes()
        with tarfile.open(fileobj=packed.extractfile("files.tar")) as files:
            [member] = files.getnames()
    assert f"/{member}" == f"{site.root}/pki/ca.key"
    assert b"very secret" not in (site.spool / f"{name}.tar.gz.cms").read_bytes()
    assert "PRIVATE" not in (site.own / "certificate.pem").read_text()
    from sloth.adapters.backup_keys import make_keys

    with pytest.raises(NotSealed):
        archive(site, name, make_keys("shop").key)


def test_the_manifest_says_what_is_in_it_and_is_signed(site):
    name = made(site)
    signed = split((site.spool / f"{name}.json").read_bytes())
    check_signature(signed.line, signed.signature, keys().signing_public, name)
    manifest = signed.manifest
    assert (manifest.name, manifest.cluster, manifest.node, manifest.kubernetes) == (name, "shop", "control-1", "v1.36.3")
    assert manifest.content == {"revision": 42, "hash": 123456, "keys": 9}
    assert manifest.etcd == "3.6.8"
    assert manifest.data_size == 30000
    assert manifest.sealed_for == fingerprint(keys().certificate)
    assert manifest.archive_size == (site.spool / f"{name}.tar.gz.cms").stat().st_size
    with pytest.raises(KubernetesError) as caught:
        check_signature(signed.line.replace(b"42", b"43"), signed.signature, keys().signing_public, name)
    assert caught.value.code == "backup/forged"


def compacts(site, *revisions):
    site.data.with_name("data.compacts").write_text("".join(f"{revision}\n" for revision in revisions))


def test_a_snapshot_amid_a_compaction_is_taken_again(site):
    compacts(site, 11, 20, 20, 20)  # asked before and after each snapshot
    name = made(site)
    assert split((site.spool / f"{name}.json").read_bytes()).manifest.compacted == 20
    assert site.data.with_name("data.compacts").read_text() == ""


def test_a_snapshot_that_never_fits_its_hash_is_no_backup(site):
    compacts(site, 1, 2, 3, 4, 5, 6)
    assert "no hash fits" in site.make(code=1).stderr
    assert list(site.spool.iterdir()) == []


@pytest.mark.parametrize("at", [30, 700, 5000, -30, -10])
def test_a_changed_archive_does_not_open(site, at):
    path = site.spool / f"{made(site)}.tar.gz.cms"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    with pytest.raises(NotSealed):
        b"".join(opened(io.BytesIO(bytes(data)), keys().key))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_cut_archive_does_not_open(site, share):
    data = (site.spool / f"{made(site)}.tar.gz.cms").read_bytes()
    with pytest.raises(NotSealed):
        b"".join(opened(io.BytesIO(data[: int(len(data) * share)]), keys().key))


def test_openssl_itself_opens_it(site, tmp_path):
    """Nobody needs sloth for that."""
    name = made(site)
    (tmp_path / "key.pem").write_text(keys().key.reveal())
    path = site.spool / f"{name}.tar.gz.cms"
    done = subprocess.run(
        ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", str(path), "-inkey", str(tmp_path / "key.pem")],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == archive(site, name)


def test_what_openssl_seals_in_one_piece_opens_too(tmp_path):
    data = b"x" * 700000
    assert b"".join(opened(io.BytesIO(sealed(tmp_path, "-aes-256-gcm", data)), keys().key)) == data


@pytest.mark.parametrize("how", ["-aes-256-cbc", "-aes-128-gcm"])
def test_a_weaker_seal_is_refused(tmp_path, how):
    with pytest.raises(NotSealed):
        b"".join(opened(io.BytesIO(sealed(tmp_path, how, b"x")), keys().key))


def test_noise_is_not_sealed():
    for data in (b"", b"\x30", b"\x30\x80", b"{}" * 500, b"\x30\x89" + b"\xff" * 20):
        with pytest.raises(NotSealed):
            b"".join(opened(io.BytesIO(data), Secret("unused-key")))


def test_only_the_newest_stays_on_the_node(site):
    first = made(site)
    for path in site.spool.iterdir():
        path.rename(path.with_name(path.name.replace(first, "shop-20200101T000000Z")))
    second = made(site)
    assert sorted(path.name for path in site.spool.iterdir()) == [f"{second}.json", f"{second}.tar.gz.cms"]
    assert not (site.run / "work").exists()


def test_a_full_disk_is_said_before_and_leaves_the_last_one(site):
    name = made(site)
    before = {path.name: path.read_bytes() for path in site.spool.iterdir()}
    said = site.make(code=1, ETCD_SIZE=str(1 << 60)).stderr
    assert "No space left on device" in said
    assert {path.name: path.read_bytes() for path in site.spool.iterdir()} == before
    assert f"{name}.json" in before


@pytest.mark.parametrize("tool", ["openssl", "gzip", "tar"])
def test_a_disk_that_fills_up_in_the_middle_leaves_no_half_one(site, tool):
    broken = site.root / "bin" / tool
    broken.write_text('#!/bin/sh\nfor word in "$@"; do case $word in *.part|*.tar.gz) echo half >"$word" ;; esac; done\n'
                      "echo 'write error: No space left on device' >&2; exit 1\n")  # fmt: skip
    broken.chmod(0o755)
    assert "No space left on device" in site.make(code=1).stderr
    assert [path.name for path in site.spool.iterdir() if not path.name.startswith(".")] == []
    assert not (site.run / "work").exists()


def test_an_etcd_that_does_not_answer_is_named(site):
    assert "etcd on this node does not answer: connection refused" in site.make(code=1, ETCD_DOWN="yes").stderr


def test_others_than_the_leader_make_none_by_themselves(site):
    assert "not the leader" in site.make("--if-leader", "--send", ETCD_LEADER="8").stdout
    assert list(site.spool.iterdir()) == []
    assert site.make(ETCD_LEADER="8").stdout.startswith("shop-")  # asked for, it does


def test_two_at_once_do_not_meet(site):
    site.spool.mkdir(parents=True)
    command = ["flock", str(site.run / "lock"), "sh", "-c", "echo here; read x"]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    try:
        assert "another backup" in site.make(code=75).stderr
    finally:
        holder.communicate(b"\n", timeout=30)
    made(site)


def test_a_folder_that_is_mounted_gets_it_and_one_that_is_not_is_named(site, tmp_path):
    there = tmp_path / "mounted"
    (site.own / "send").write_text(send_to_folder(str(there)))
    assert "is it mounted" in site.make("--send", code=1).stderr
    assert not (site.run / "sent").exists()
    there.mkdir()
    name = site.make("--send").stdout.split()[-1]
    assert sorted(path.name for path in there.iterdir()) == [f"{name}.json", f"{name}.tar.gz.cms"]
    assert (site.run / "sent").read_text().split()[1] == name


def test_an_odd_path_is_refused():
    with pytest.raises(ValueError, match="not a path"):
        program(Origin(cluster="c", node="n", distribution="d", kubernetes="v", etcd_flags="", paths=["etc/x"]))
