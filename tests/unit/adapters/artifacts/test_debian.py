import io
import shutil
import subprocess
import tarfile

import pytest

from sloth.adapters.artifacts import debian
from sloth.errors import MachinesError

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb on this machine")


def package(folder, name, files, links=()):
    """A .deb with these files (path -> content) and links (path, destination)."""
    root = folder / f"{name}-root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@example.com>\nDescription: x\n"
    )
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
        (root / path).chmod(0o755)
    for path, destination in links:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(destination)
    target = folder / f"{name}_1_amd64.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(root), str(target)], check=True, capture_output=True)
    return target


def build(tmp_path, monkeypatch, *packages, name="layer.tar"):
    monkeypatch.setattr(debian, "_download", lambda folder, wanted, arch: list(packages))
    debian.write_layer(tmp_path / name, ["x"])
    with tarfile.open(tmp_path / name) as tar:
        return {member.name: (member, tar.extractfile(member).read() if member.isfile() else b"") for member in tar}


@needs_dpkg
def test_a_layer_is_the_packages_merged(tmp_path, monkeypatch):
    tables = package(
        tmp_path, "iptables",
        {"usr/sbin/xtables-nft-multi": "prog", "lib/x86_64-linux-gnu/libx.so.1": "lib", "usr/share/doc/iptables/copyright": "no",
         "usr/lib/x86_64-linux-gnu/gconv/UTF-16.so": "no", "usr/share/man/man8/x.8": "no", "usr/lib/systemd/system/x": "no"},
        [("sbin/iptables-nft", "xtables-nft-multi")],
    )  # fmt: skip
    other = package(tmp_path, "other", {"bin/other": "other"})
    found = build(tmp_path, monkeypatch, tables, other)
    files = {name: content for name, (member, content) in found.items() if member.isfile()}
    assert files == {
        "usr/sbin/xtables-nft-multi": b"prog", "usr/lib/x86_64-linux-gnu/libx.so.1": b"lib", "usr/bin/other": b"other",
    }  # fmt: skip
    links = {name: member.linkname for name, (member, _) in found.items() if member.issym()}
    assert links.items() >= {("bin", "usr/bin"), ("lib64", "usr/lib64")}
    for name in ("iptables", "ip6tables-restore", "iptables-nft"):
        assert links[f"usr/sbin/{name}"] == "xtables-nft-multi"
    assert list(found) == sorted(found)
    assert found["usr/bin/other"][0].mode == 0o755
    assert {(member.uid, member.mtime) for member, _ in found.values()} == {(0, 0)}


@needs_dpkg
def test_same_packages_same_bytes(tmp_path, monkeypatch):
    one, two = package(tmp_path, "one", {"bin/a": "a"}), package(tmp_path, "two", {"bin/b": "b"})
    build(tmp_path, monkeypatch, one, two)
    found = build(tmp_path, monkeypatch, two, one, name="again.tar")
    assert (tmp_path / "layer.tar").read_bytes() == (tmp_path / "again.tar").read_bytes()
    assert "usr/sbin/iptables" not in found  # its program is not there


def test_hard_links_move_with_what_they_point_at(tmp_path):
    source = tmp_path / "source.tar"
    with tarfile.open(source, "w") as tar:
        entry = tarfile.TarInfo("./bin/a")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"a"))
        link = tarfile.TarInfo("./bin/b")
        link.type, link.linkname = tarfile.LNKTYPE, "./bin/a"
        tar.addfile(link)
    debian._merge(tmp_path / "out.tar", [source])
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.getmember("usr/bin/b").linkname == "usr/bin/a"
        assert tar.extractfile("usr/bin/b").read() == b"a"


def tool(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_apt_works_in_private_folders_against_an_empty_database(tmp_path, monkeypatch):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    calls = tmp_path / "calls"
    # What the real one does with --download-only: it leaves packages in its cache.
    tool(
        bin_folder,
        "apt-get",
        f"""echo "$*" >>{calls}
for word; do case $word in Dir::Cache=*) cache=${{word#*=}};; Dir::State::status=*) status=${{word#*=}};; esac; done
[ -e "$status" ] && ! [ -s "$status" ] || exit 9
case "$*" in *--download-only*) echo deb >$cache/archives/b_1.deb; echo deb >$cache/archives/a_1.deb;; esac""",
    )
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    archives = debian._download(tmp_path, ["nftables", "iptables"], "amd64")
    assert [path.name for path in archives] == ["a_1.deb", "b_1.deb"]
    update, install = calls.read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith("--yes --download-only install nftables iptables")
    assert "APT::Install-Recommends=false" in install


def test_a_machine_without_apt(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachinesError) as caught:
        debian.write_layer(tmp_path / "layer.tar", ["nftables"])
    assert caught.value.code == "artifacts/apt-missing"
    assert "apt-get" in caught.value.summary


def test_apt_that_fails_or_hangs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tool(tmp_path, "apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    with pytest.raises(MachinesError) as caught:
        debian.write_layer(tmp_path / "layer.tar", ["nftables"])
    assert caught.value.code == "artifacts/packages-failed"
    assert "exit code 100" in caught.value.summary
    assert "Unable to locate" in caught.value.detail
    tool(tmp_path, "apt-get", "exec sleep 30")
    monkeypatch.setattr(debian, "_TIMEOUT", 0.2)
    with pytest.raises(MachinesError) as caught:
        debian.write_layer(tmp_path / "layer.tar", ["nftables"])
    assert caught.value.code == "artifacts/packages-failed"
    assert not (tmp_path / "layer.tar").exists()
