"""A mirror's folder holds what its index lists, whatever was there before."""

from __future__ import annotations

from pathlib import Path

from sloth.adapters.artifacts.layout import Variant
from sloth.adapters.artifacts.mirror import Mirror
from sloth.adapters.artifacts.store import Store
from sloth.model.artifact import Need

NEED = Need(name="tool", version="v1.2.3+k3s1", kind="binary", path="/usr/local/bin/tool")


def published(folder: Path, content: bytes) -> bytes:
    """Publish a build of the tool into the mirror; what nodes would get."""
    blob = Store(folder / "store").put([content])
    artifact = Variant(need=NEED, origin="upstream").artifact(sha256=blob.sha256, size=blob.size)
    mirror = Mirror(folder / "mirror")
    mirror.publish([(artifact, blob)])
    assert [each.sha256 for each in mirror.entries()] == [blob.sha256]
    return (folder / "mirror" / artifact.file).read_bytes()


def test_another_build_of_the_same_version_and_size_replaces_the_old_one(tmp_path: Path) -> None:
    assert published(tmp_path, b"first") == b"first"
    assert published(tmp_path, b"other") == b"other"
    assert published(tmp_path, b"first") == b"first"


def test_a_file_that_no_index_lists_is_not_trusted(tmp_path: Path) -> None:
    published(tmp_path, b"first")
    (tmp_path / "mirror/index.json").unlink()
    assert published(tmp_path, b"other") == b"other"


def test_the_same_build_is_left_where_it_is(tmp_path: Path) -> None:
    published(tmp_path, b"first")
    path = tmp_path / "mirror/tool/v1.2.3+k3s1/linux-amd64/tool"
    before = path.stat().st_ino
    published(tmp_path, b"first")
    assert path.stat().st_ino == before
