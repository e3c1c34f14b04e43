"""Archives read as they come: every form, every cut, and bytes that are none."""

import io
import shutil
import subprocess
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import KubernetesError, UsageError
from sloth.kube.streams.pack import Pack
from sloth.kube.streams.untar import Entry, Untar

NAMES = ["a", "dir/", "dir/" + "n" * 150, "d" * 90 + "/" + "e" * 90 + "/f", "ü/ñ", "sp ace\nline", "\udcff-no-utf8"]


def archive(form, members):
    """An archive of (name, type, data, link)."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as made:
        for name, kind, data, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname, info.mode, info.mtime = kind, len(data), link, 0o640, 1_000_000_000
            made.addfile(info, io.BytesIO(data))
    return target.getvalue()


MEMBERS = [
    ("top/", tarfile.DIRTYPE, b"", ""), ("top/file", tarfile.REGTYPE, b"x" * 1500, ""), ("top/empty", tarfile.REGTYPE, b"", ""),
    ("top/" + "n" * 180, tarfile.REGTYPE, b"long", ""), ("top/link", tarfile.SYMTYPE, b"", "l" * 150),
    ("top/second", tarfile.LNKTYPE, b"", "top/file"), ("top/pipe", tarfile.FIFOTYPE, b"", ""),
]  # fmt: skip
FORMS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
STREAMS = {name: archive(form, MEMBERS) for name, form in FORMS.items()}


def read(*parts):
    """Entries with their whole contents, and the reader."""
    untar, found = Untar(), []
    for part in parts:
        for came in untar.feed(part):
            if isinstance(came, Entry):
                found.append((came, bytearray()))
            else:
                found[-1][1].extend(came)
    return found, untar


@pytest.mark.parametrize("form", STREAMS)
def test_every_entry_comes_as_it_was_sent(form):
    found, untar = read(STREAMS[form])
    untar.finish()
    assert [(entry.name.rstrip("/"), entry.link, bytes(data)) for entry, data in found] == [
        (name.rstrip("/"), link, data) for name, _, data, link in MEMBERS
    ]
    assert [entry.kind for entry, _ in found] == ["directory", "file", "file", "file", "symlink", "hardlink", "other"]
    assert {(entry.mode, entry.mtime) for entry, _ in found} == {(0o640, 1_000_000_000.0)}


@pytest.mark.parametrize("form", STREAMS)
@given(data=st.data())
def test_however_the_bytes_come_they_say_the_same(form, data):
    stream = STREAMS[form]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    whole, _ = read(stream)
    parts, untar = read(*(stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)))
    untar.finish()
    assert parts == whole


@pytest.mark.parametrize("form", STREAMS)
def test_cut_at_every_byte_it_is_a_beginning_and_not_finished(form):
    stream = STREAMS[form]
    whole, _ = read(stream)
    end = len(stream.rstrip(b"\0"))
    for cut in range(0, end, 7):
        found, untar = read(stream[:cut])
        assert [entry for entry, _ in found] == [entry for entry, _ in whole[: len(found)]]
        assert all(full.startswith(part) for (_, part), (_, full) in zip(found, whole, strict=False))
        with pytest.raises(KubernetesError) as caught:
            untar.finish()
        assert caught.value.code == "kube/bad-archive"


@given(st.binary(max_size=2000))
def test_noise_is_no_archive(noise):
    with pytest.raises(KubernetesError):
        _, untar = read(b"\1" + noise)
        untar.finish()


@given(st.integers(0, 511), st.integers(1, 255))
def test_a_flipped_bit_in_a_header_is_seen(at, flip):
    stream = bytearray(archive(tarfile.USTAR_FORMAT, [("name", tarfile.REGTYPE, b"", "")]))
    stream[at] ^= flip
    try:
        found, untar = read(bytes(stream))
        untar.finish()
    except KubernetesError as error:
        assert error.code == "kube/bad-archive"
    else:  # spaces and zeros around the sum itself say the same
        assert 148 <= at < 156
        assert [entry.name for entry, _ in found] == ["name"]


def pax(record):
    """An entry behind a pax header with these bytes in it."""
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, len(record)
    body = record + bytes(-len(record) % 512)
    return head.tobuf(tarfile.USTAR_FORMAT) + body + archive(tarfile.USTAR_FORMAT, [("short", tarfile.REGTYPE, b"abc", "")])


def test_a_size_in_a_pax_header_counts():
    found, untar = read(pax(b"9 size=3\n"))
    untar.finish()
    assert [(entry.size, bytes(data)) for entry, data in found] == [(3, b"abc")]


@pytest.mark.parametrize(
    "record",
    [b"x", b"5", b"0 a=b\n", b"99 a=b\n", b"6 a=bc", b"-1 a=b\n", b"9 size=x\n", b"10 size=-3\n", b"24 GNU.sparse.major=1 \n"],
)
def test_pax_headers_that_are_broken(record):
    with pytest.raises(KubernetesError) as caught:
        read(pax(record))
    assert caught.value.code == "kube/bad-archive"


def test_names_longer_than_a_mebibyte_are_not_collected():
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, 2 * 1024 * 1024
    with pytest.raises(KubernetesError):
        read(head.tobuf(tarfile.GNU_FORMAT))


def test_a_packed_folder_is_read_by_tar_and_by_us(tmp_path):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "big").write_bytes(bytes(range(256)) * 4000)
    (source / ("n" * 200)).write_text("long")
    (source / "link").symlink_to("deep/big")
    pack = Pack(source, "./copy")
    stream = b"".join(pack)
    assert (pack.files, pack.bytes, pack.left_out) == (3, 1_024_004, [])
    found, untar = read(stream)
    untar.finish()
    assert {entry.name.rstrip("/") for entry, _ in found} == {
        "./copy", "./copy/deep", "./copy/deep/big", "./copy/link", "./copy/" + "n" * 200,
    }  # fmt: skip
    program = shutil.which("tar")
    assert program
    (tmp_path / "out").mkdir()
    subprocess.run([program, "-x", "-f", "-", "-C", str(tmp_path / "out")], input=stream, check=True)
    assert (tmp_path / "out" / "copy" / "link").read_bytes() == (source / "deep" / "big").read_bytes()


def test_links_are_followed_if_asked_but_not_in_circles(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")
    (source / "again").symlink_to("file")
    (source / "round").symlink_to(".")
    pack = Pack(source, "c", follow=True)
    found, _ = read(b"".join(pack))
    assert {entry.name: entry.kind for entry, _ in found} == {
        "c": "directory", "c/file": "file", "c/again": "file", "c/round": "directory",
    }  # fmt: skip
    assert [why for _, why in pack.left_out] == ["a link that leads back to a folder above it"]


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError) as caught:
        b"".join(Pack(tmp_path / "nothing", "x"))
    assert caught.value.code == "kube/copy-read"


def test_a_file_that_becomes_shorter_meanwhile_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(1_000_000))
    blocks = iter(Pack(file, "x"))
    next(blocks)
    file.write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        list(blocks)
    assert caught.value.code == "kube/copy-changed"
