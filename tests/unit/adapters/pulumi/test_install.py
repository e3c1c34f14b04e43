"""Having the engine and its plugins here, from a mirror folder; and what doctor says of it. No network."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

import pytest

from sloth import registry
from sloth.adapters.artifacts.entries import dump, entry
from sloth.adapters.artifacts.layout import Variant
from sloth.adapters.doctor import clouds
from sloth.adapters.doctor.finding import Context
from sloth.adapters.paths import cache_dir
from sloth.adapters.pulumi import install, plugins, tool
from sloth.contracts.cloud import Cloud, Sdk
from sloth.errors import ConfigError, MachinesError

SDK = Sdk(module="pulumi_toy", plugin="toy", extra="toy")
PROGRAM = b"#!/bin/sh\necho v3.259.0\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A machine with an empty cache, no engine in PATH, and no way out: what would fetch anything fails."""
    monkeypatch.setenv("SLOTH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PULUMI_DEBUG_PROVIDERS", raising=False)
    monkeypatch.delenv(install.MIRROR, raising=False)
    (tmp_path / "bin").mkdir()
    tool.version_of.cache_clear()
    return install.engine_home()


@pytest.fixture
def sdk(tmp_path, monkeypatch):
    """An SDK that asks for version 1.2.3 of its plugin."""
    package = tmp_path / "site" / "pulumi_toy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('nobody may import it')\n")
    (package / "pulumi-plugin.json").write_text(json.dumps({"resource": True, "name": "toy", "version": "1.2.3"}))
    monkeypatch.syspath_prepend(str(package.parent))
    return SDK


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """`mirror(need)`: a mirror folder that has it, and is the one to use."""
    root = tmp_path / "mirror"

    def make(*needs, content=PROGRAM):
        entries = []
        for need in needs:
            variant = Variant(need=need, origin="upstream")
            path = root / variant.file
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
            digest = hashlib.sha256(PROGRAM).hexdigest()
            entries.append(entry(variant.artifact(sha256=digest, size=len(PROGRAM))))
        (root / "index.json").write_bytes(dump(entries).encode())
        monkeypatch.setenv(install.MIRROR, str(root))

    return make


def test_the_engine_comes_from_a_mirror_and_is_found(mirror):
    with pytest.raises(MachinesError) as caught:
        tool.find(cache_dir())
    assert (caught.value.code, caught.value.hint) == ("engine/no-cli", "sloth doctor --fix")
    mirror(tool.need())
    path = install.install_tool()
    assert tool.find(cache_dir()) == (str(path), tool.VERSION)
    assert path.read_bytes() == PROGRAM
    assert os.access(path, os.X_OK)
    assert [each.name for each in path.parent.iterdir() if each.is_file()] == [path.name]
    (path.parent / "mirror" / "pulumi").rename(path.parent / "gone")
    assert install.install_tool() == path  # it is here: nobody is asked


def test_a_file_that_is_not_what_the_mirror_says_is_refused(mirror):
    mirror(tool.need(), content=PROGRAM + b"# and more\n")
    with pytest.raises(MachinesError):
        install.install_tool()
    assert not tool.pinned(cache_dir()).exists()


def test_a_plugin_comes_from_a_mirror_to_where_the_engine_looks(mirror, sdk, home):
    with pytest.raises(MachinesError) as caught:
        plugins.require(home, sdk)
    assert (caught.value.code, caught.value.hint) == ("engine/no-plugin", "sloth doctor --fix")
    assert "pulumi-resource-toy v1.2.3" in caught.value.summary
    mirror(plugins.need(sdk))
    folder = install.install_plugin(sdk)
    assert folder == home / "plugins" / "resource-toy-v1.2.3"
    assert os.access(folder / "pulumi-resource-toy", os.X_OK)
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]
    plugins.require(home, sdk)
    install.install_plugin(sdk)
    plugins.require(home, sdk)


def test_a_plugin_that_the_mirror_has_not_is_named(mirror, sdk):
    mirror(tool.need())
    with pytest.raises(MachinesError) as caught:
        install.install_plugin(sdk)
    assert caught.value.code == "engine/plugin-not-had"
    assert "pulumi-resource-toy v1.2.3" in caught.value.summary
    assert install.MIRROR in caught.value.hint


def test_a_plugin_that_was_put_there_by_half_is_not_there(sdk, home, tmp_path):
    (tmp_path / "program").write_bytes(PROGRAM)
    folder = plugins.place(home, sdk, tmp_path / "program")
    assert plugins.there(home, sdk)
    half = folder.with_name(f"{folder.name}.partial")  # the engine takes no notice of the finished one then, either
    half.mkdir()
    assert not plugins.there(home, sdk)
    plugins.place(home, sdk, tmp_path / "program")
    assert plugins.there(home, sdk)


def test_a_plugin_in_path_or_attached_will_do(sdk, home, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "pulumi-resource-toy"
    program.write_bytes(PROGRAM)
    assert not plugins.there(home, sdk)
    program.chmod(0o755)
    assert plugins.there(home, sdk)
    program.unlink()
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", "toys:1,toy:4321")
    assert plugins.there(home, sdk)
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", "toys:1")
    assert not plugins.there(home, sdk)


def test_without_the_sdk_nobody_knows_the_version():
    assert not plugins.installed(SDK)
    with pytest.raises(ConfigError) as caught:
        plugins.version(SDK)
    assert (caught.value.code, caught.value.hint) == ("cloud/no-sdk", "pip install 'sloth-kubernetes[toy]'")


def test_upstream_addresses_of_plugins(sdk):
    need = plugins.need(sdk)
    variant = Variant(need=need, origin="upstream")
    base = "https://github.com/pulumi/pulumi-toy/releases/download/v1.2.3/"
    assert variant.fill(need.url) == f"{base}pulumi-resource-toy-v1.2.3-linux-amd64.tar.gz"
    assert variant.fill(need.checksum_url) == f"{base}pulumi-toy_1.2.3_checksums.txt"
    other = Sdk(module="pulumi_toy", plugin="toy", extra="toy", version="9.0.0", server="github://api.github.com/ann/pulumi-toy")
    assert plugins.need(other).version == "v9.0.0"
    assert plugins.need(other).url.startswith("https://github.com/ann/pulumi-toy/releases/download/")


@pytest.mark.parametrize("name", [name for name in registry.names("providers") if isinstance(registry.provider(name), Cloud)])
def test_every_clouds_plugin_has_a_version_and_a_checksum(name):
    need = plugins.need(registry.provider(name).sdk)
    assert need.version.startswith("v") and need.version[1].isdigit()
    assert need.url.startswith("https://github.com/") and need.checksum_url.startswith("https://github.com/")
    assert not need.source


@pytest.mark.parametrize(("says", "good"), [
    ("v3.259.0", True), ("v3.300.1", True), ("3.259.0-dev", True), ("v3.258.9", False), ("v4.0.0", False), ("v2.300.0", False),
    ("", False), ("command not found", False),
])  # fmt: skip
def test_an_engine_in_path_must_be_new_enough(says, good, tmp_path):
    program = tmp_path / "bin" / "pulumi"
    program.write_text(f'#!/bin/sh\necho "{says}"\n')
    program.chmod(0o755)
    if good:
        assert tool.find(cache_dir()) == (str(program), says)
    else:
        with pytest.raises(MachinesError):
            tool.find(cache_dir())


def test_an_engine_that_cannot_be_started_says_nothing(tmp_path, monkeypatch):
    (tmp_path / "not-a-program").write_text("")
    assert tool.version_of(str(tmp_path / "not-a-program")) == ""

    def hang(*words, **options):
        raise subprocess.TimeoutExpired(words, options["timeout"])

    monkeypatch.setattr(tool.subprocess, "run", hang)
    assert tool.version_of("/any") == ""


class TestDoctor:
    def find(self, *providers):
        return {finding.id: finding for finding in clouds.findings(Context(data_dir=cache_dir(), providers=frozenset(providers)))}

    def test_nothing_without_a_cloud(self):
        assert self.find() == {}
        assert self.find("local", "ssh", "no-such-provider") == {}

    def test_what_is_missing_is_found_and_mended(self, mirror, home):
        found = self.find("hcloud")
        assert {name: finding.ok for name, finding in found.items()} == {
            "engine": False, "sdk-hcloud": True, "plugin-hcloud": False,
        }  # fmt: skip
        sdk = registry.provider("hcloud").sdk
        assert plugins.version(sdk) in found["plugin-hcloud"].fix
        assert tool.VERSION in found["engine"].fix
        mirror(tool.need(), plugins.need(sdk))
        for finding in found.values():
            if finding.work:
                finding.work(lambda line: None)
        assert all(finding.ok for finding in self.find("hcloud").values())

    def test_without_the_sdk_it_comes_first(self, monkeypatch):
        monkeypatch.setattr(plugins, "installed", lambda sdk: False)
        found = self.find("hcloud")
        assert not found["sdk-hcloud"].ok and found["sdk-hcloud"].hint == "pip install 'sloth-kubernetes[hcloud]'"
        assert not found["plugin-hcloud"].ok and found["plugin-hcloud"].work is None
