"""Plugins and stand-ins were written apart, each from the documentation: what a plugin configures, its stand-in must take."""

import socket

import pytest

from sloth import registry
from sloth.model.spec import ClusterSpec, KubernetesSpec
from sloth.model.step import Put
from tests.standins.conftest import Bare
from tests.unit.supervised.clusters import CONTAINER, cluster

SPEC = {
    "k3s": {"options": {"disable": ["traefik", "servicelb"]}},
    "rke2": {"options": {"disable": ["rke2-ingress-nginx"], "hardening": "default"}},
}
ARGS = {"apiServer": {"v": "2"}, "etcd": {"quota-backend-bytes": "4294967296"}, "scheduler": {"v": "1"}}


@pytest.fixture(params=["k3s", "rke2"])
def both(request, programs, tmp_path):
    return registry.distribution(request.param), Bare(programs[request.param], tmp_path)


def write(plugin, bare, node, made):
    """Every file that the plugin puts below /etc/rancher and /var/lib/rancher, below the test's own root."""
    for step in plugin.prepare(node, made):
        if isinstance(step, Put) and "/rancher/" in step.path and isinstance(step.content, str):
            path = bare.root / step.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.content)


def local(bare, **more):
    """What keeps a test on the loopback address, as the last drop-in; tokens beside the test."""
    (bare.root / "secret").write_text("secret")
    keys = {"bind-address": "127.0.0.1", "token-file": f"{bare.root}/secret", "node-ip": "127.0.0.1", **more}
    if bare.distro == "k3s" and "server" not in more:
        with socket.create_server(("127.0.0.1", 0)) as free:
            keys["https-listen-port"] = free.getsockname()[1]
    bare.config("".join(f"{key}: {value}\n" for key, value in keys.items()), "config.yaml.d/90-test.yaml")


def planned(plugin):
    spec = {"kubernetes": KubernetesSpec(distribution=plugin.name, args=ARGS, **SPEC[plugin.name])}
    return cluster(plugin, 1, 1, CONTAINER, spec)


def test_a_servers_configuration_is_taken(both):
    plugin, bare = both
    made = planned(plugin)
    write(plugin, bare, made.control_plane[0], made)
    local(bare, **{"agent-token-file": f"{bare.root}/secret"})
    said = bare.refuses("server")
    assert "Unknown flag" not in said
    assert "this executable carries no programs" in said, "it got past every check of the configuration"


def test_an_agents_configuration_is_taken(both):
    plugin, bare = both
    made = planned(plugin)
    write(plugin, bare, made.workers[0], made)
    local(bare, server="https://127.0.0.1:1")
    said = bare.refuses("agent")
    assert "Unknown flag" not in said
    assert "this executable carries no programs" in said


def test_the_versions_are_told_in_the_form_that_the_plugin_reads(both):
    plugin, bare = both
    first = bare.run("--version").stdout.splitlines()[0].split()
    assert first[:2] == [plugin.name, "version"]
    assert first[2].partition("+")[2][:3] == plugin.versions()[0].partition("+")[2][:3]


def test_specs_that_the_plugin_takes_name_components_that_there_are(both):
    plugin, _ = both
    spec = ClusterSpec(name="shop", kubernetes=KubernetesSpec(distribution=plugin.name, **SPEC[plugin.name]))
    assert list(plugin.check(spec)) == []
