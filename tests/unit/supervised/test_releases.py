"""Versions with a `+`: how they map to minors, where they are fetched, and that a mirror in a folder serves them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from sloth.adapters.artifacts.ensure import ensure
from sloth.adapters.artifacts.layout import Variant
from sloth.adapters.artifacts.mirror import Mirror
from sloth.adapters.artifacts.store import Store
from sloth.adapters.artifacts.upstream import published
from sloth.contracts.delivery import deliver
from sloth.contracts.distribution import Distribution
from sloth.errors import MachinesError
from sloth.model.artifact import Delivery
from sloth.model.spec import ClusterSpec, KubernetesSpec
from sloth.model.step import Do
from sloth.supervised.releases import Release
from sloth.supply import exact
from tests.unit.distributions.kubeadm.clusters import KUBEADM

from .clusters import BOTH, K3S, NAMES, RKE2

both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)


def spec(plugin: Distribution, version: str) -> ClusterSpec:
    return ClusterSpec(name="shop", kubernetes=KubernetesSpec(distribution=plugin.name, version=version))


@both
def test_a_minor_means_its_newest_release_and_a_number_its_own(plugin: Distribution) -> None:
    newest = {minor: next(each for each in plugin.versions() if each.startswith(f"v{minor}.")) for minor in ("1.35", "1.36")}
    assert {minor: exact(spec(plugin, minor), minor) for minor in newest} == newest
    for version in plugin.versions():
        assert exact(spec(plugin, version), version.removeprefix("v")) == version
        number = version.removeprefix("v").partition("+")[0]
        assert exact(spec(plugin, number), number).partition("+")[0] == f"v{number}"


@both
def test_versions_are_in_order_and_carry_the_flavours_name(plugin: Distribution) -> None:
    def key(version: str) -> list[int]:
        number, _, build = version.removeprefix("v").partition(f"+{plugin.name}r" if plugin is RKE2 else f"+{plugin.name}")
        return [*map(int, number.split(".")), int(build)]

    assert list(plugin.versions()) == sorted(plugin.versions(), key=key, reverse=True)
    assert len(set(plugin.versions())) == len(plugin.versions())


def test_addresses() -> None:
    k3s = {need.name: Variant(need=need, origin="upstream") for need in K3S.needs("v1.36.2+k3s1")}
    base = "https://github.com/k3s-io/k3s/releases/download/v1.36.2+k3s1/"
    assert k3s["k3s"].fill(k3s["k3s"].need.url) == f"{base}k3s"
    assert k3s["k3s-images"].fill(k3s["k3s-images"].need.url) == f"{base}k3s-airgap-images-amd64.tar.zst"
    assert k3s["k3s"].fill(k3s["k3s"].need.checksum_url) == f"{base}sha256sum-amd64.txt"
    assert k3s["k3s"].file == "k3s/v1.36.2+k3s1/linux-amd64/k3s"
    rke2 = {need.name: Variant(need=need, origin="upstream") for need in RKE2.needs("v1.36.3+rke2r1")}
    base = "https://github.com/rancher/rke2/releases/download/v1.36.3+rke2r1/"
    assert rke2["rke2"].fill(rke2["rke2"].need.url) == f"{base}rke2.linux-amd64.tar.gz" and rke2["rke2"].need.member == "bin/rke2"
    assert rke2["rke2-images"].need.path == "/var/lib/rancher/rke2/agent/images/rke2-images.linux-amd64.tar.zst"


def test_a_checksum_is_found_among_those_of_a_whole_release() -> None:
    lines = {"k3s": "a", "k3s-airgap-images-amd64.tar.zst": "b", "k3s-arm64": "c"}
    text = "".join(f"{digit * 64}  {name}\n" for name, digit in lines.items())
    for name, digit in lines.items():
        assert published(text, f"https://example.com/v1.36.2+k3s1/{name}") == digit * 64


@both
@pytest.mark.parametrize("source", ["mirror", "auto"])
def test_a_folder_serves_as_a_mirror(plugin: Distribution, source: str, tmp_path: Path) -> None:
    """What the guide says: files from elsewhere, laid out and listed, are what nodes get."""
    needs = plugin.needs(plugin.versions()[0])
    shelf, store = tmp_path / "shelf", Store(tmp_path / "theirs")
    found = []
    for need in needs:
        blob = store.put([f"content of {need.name}".encode()])
        found.append((Variant(need=need, origin="upstream").artifact(sha256=blob.sha256, size=blob.size), blob))
    Mirror(shelf).publish(found)
    artifacts = ensure(
        needs,
        source=source,  # type: ignore[arg-type]
        mirror=str(shelf),
        cache=tmp_path / "cache",
        source_dirs=tmp_path / "none",
        lock_path=tmp_path / "sloth.lock",
        emit=lambda event: None,
    )
    assert [each.name for each in artifacts] == [need.name for need in needs]
    binary = artifacts[0]
    assert (tmp_path / "cache/mirror" / binary.file).read_bytes() == f"content of {plugin.name}".encode()
    assert plugin.versions()[0] in (tmp_path / "sloth.lock").read_text()
    (step,) = deliver(binary, Delivery(base="http://192.0.2.1:1"))
    assert isinstance(step, Do) and f"http://192.0.2.1:1/{plugin.name}/{plugin.versions()[0]}/" in step.run


@both
def test_it_is_not_built_from_source(plugin: Distribution, tmp_path: Path) -> None:
    with pytest.raises(MachinesError) as caught:
        ensure(
            plugin.needs(plugin.versions()[0]),
            source="build",
            cache=tmp_path,
            source_dirs=tmp_path / "source",
            emit=lambda event: None,
        )
    assert caught.value.code == "artifacts/no-recipe" and plugin.name in caught.value.summary


def test_the_binary_is_taken_out_of_rke2s_archive() -> None:
    from sloth.adapters.artifacts.store import Stored
    from sloth.adapters.artifacts.upstream import _member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {"lib/systemd/system/rke2-server.service": b"unit", "bin/rke2": b"program"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    path = Path("/dev/null")
    data = buffer.getvalue()
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
        file.write(data)
        file.flush()
        path = Path(file.name)
        blob = Stored(path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        assert b"".join(_member(blob, "bin/rke2", "https://example.com/rke2.linux-amd64.tar.gz")) == b"program"


def test_kubeadm_has_no_release_of_the_flavours() -> None:
    assert not [version for version in KUBEADM.versions() if "+" in version]
    assert Release(version="v1.36.2+k3s1", etcd="v3.6.12").kubernetes == "v1.36.2"
