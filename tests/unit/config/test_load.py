"""Reading, overlays, defaults, and the spec that comes out."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from sloth.config import load as module
from sloth.config.load import first_spec, from_document, load
from sloth.config.reader import MAX_BYTES
from sloth.errors import ConfigError
from sloth.model.spec import ArtifactsSpec, ClusterSpec, HostSpec, KubernetesSpec, MeshSpec, NetworkSpec, PoolSpec

MINIMAL = "metadata: {name: demo}\nspec:\n  pools:\n  - {name: control, role: control-plane}\n"
NONE = {"apiServer": {}, "controllerManager": {}, "scheduler": {}, "etcd": {}}


def test_minimal_spec_is_the_models_defaults(spec):
    control = PoolSpec(name="control", role="control-plane", provider="local", count=1)
    expected = ClusterSpec(name="demo", kubernetes=KubernetesSpec(args=NONE), providers={"local": {}}, pools=(control,))
    loaded = spec.load(MINIMAL)
    assert loaded.spec == expected
    assert ("spec", "mesh", "cidr") in loaded.defaulted
    assert ("metadata", "name") not in loaded.defaulted


def test_every_field_arrives(spec):
    loaded = spec.load("""\
apiVersion: sloth.dev/v1
kind: Cluster
metadata: {name: shop, labels: {team: web}}
spec:
  protect: yes
  kubernetes:
    distribution: toy
    datastore: sqlite
    version: v1.36.2
    api: {hostname: api.example.com, extraSANs: [k8s.example.com, 203.0.113.10, "2001:db8::1", "*.example.com"]}
    kubelet: {config: {maxPods: 99, evictionHard: {memory.available: 5%}}}
    apiServer: {args: {v: 2, profiling: false, event-ttl: 3h}}
    etcd: {args: {quota-backend-bytes: "1"}}
  providers:
    cloud: {region: south, token: {env: CLOUD_TOKEN}}
  pools:
    - {name: c, role: control-plane, count: 3}
    - {name: w, role: worker, provider: cloud, size: large, zones: [a, b], labels: {a.b/c: d}, kubelet: {maxPods: 9},
       taints: ["x=y:NoExecute", "x:NoSchedule"]}
    - name: m
      role: worker
      provider: ssh
      hosts: [{name: r1, address: 10.1.0.1}, {name: r2, address: h2, user: me, port: 2222}]
  mesh: {cidr: 100.64.0.0/16, port: 1, mtu: 1400}
  network: {pods: 172.16.0.0/16, services: 192.168.0.0/20, dnsDomain: shop.internal}
  artifacts: {source: mirror, mirror: /srv/mirror}
""")
    kubernetes = KubernetesSpec(
        distribution="toy",
        version="1.36.2",
        hostname="api.example.com",
        extra_sans=("k8s.example.com", "203.0.113.10", "2001:db8::1", "*.example.com"),
        kubelet={"maxPods": 99, "evictionHard": {"memory.available": "5%"}},
        args={**NONE, "apiServer": {"v": "2", "profiling": "false", "event-ttl": "3h"}, "etcd": {"quota-backend-bytes": "1"}},
        options={"datastore": "sqlite"},
    )
    work = PoolSpec(
        name="w",
        role="worker",
        provider="cloud",
        count=1,
        labels={"a.b/c": "d"},
        taints=("x=y:NoExecute", "x:NoSchedule"),
        kubelet={"maxPods": 9},
        options={"size": "large", "zones": ["a", "b"], "disk": 40},
    )
    hosts = (HostSpec(name="r1", address="10.1.0.1"), HostSpec(name="r2", address="h2", user="me", port=2222))
    assert loaded.spec == ClusterSpec(
        name="shop",
        labels={"team": "web"},
        protect=True,
        kubernetes=kubernetes,
        providers={"cloud": {"region": "south", "token": {"env": "CLOUD_TOKEN"}}, "local": {}, "ssh": {"user": "root"}},
        pools=(
            PoolSpec(name="c", role="control-plane", provider="local", count=3),
            work,
            PoolSpec(name="m", role="worker", provider="ssh", count=2, hosts=hosts),
        ),
        mesh=MeshSpec(cidr="100.64.0.0/16", port=1, mtu=1400),
        network=NetworkSpec(pods="172.16.0.0/16", services="192.168.0.0/20", dns_domain="shop.internal"),
        artifacts=ArtifactsSpec(source="mirror", mirror="/srv/mirror"),
    )


def test_origins_count_from_one(spec):
    loaded = spec.load(MINIMAL)
    mark = loaded.origins["spec", "pools", 0, "role"]
    assert (mark.line, mark.column) == (4, 27)
    assert mark.file == loaded.files[0]


def test_anchors_are_fine_in_moderation(spec):
    text = "metadata: {name: a, labels: &l {team: web}}\nspec: {pools: [{name: c, role: control-plane, labels: *l}]}"
    assert spec.load(text).spec.pools[0].labels == {"team": "web"}


def test_explicit_core_tags_and_dates_are_text(spec):
    text = "metadata: {name: a, labels: {day: 2026-01-01, n: !!str 5, eq: =}}\nspec: {pools: [{name: c, role: control-plane}]}"
    assert [p.summary for p in spec.problems(text)] == ["`metadata.labels.eq` is not a label value"]
    assert spec.load(text.replace(", eq: =", "")).spec.labels == {"day": "2026-01-01", "n": "5"}


def test_byte_order_mark_and_windows_lines(spec):
    assert spec.load("\ufeff" + MINIMAL.replace("\n", "\r\n")).spec.name == "demo"


class TestOverlays:
    def test_maps_merge_and_scalars_and_lists_replace(self, spec):
        over = "metadata: {labels: {stage: prod}}\nspec: {protect: true, kubernetes: {api: {extraSANs: [b]}}}"
        base = MINIMAL.replace("{name: demo}", "{name: demo, labels: {team: web}}") + "  kubernetes: {api: {extraSANs: [a, c]}}\n"
        loaded = spec.load(base, over)
        assert loaded.spec.labels == {"team": "web", "stage": "prod"}
        assert loaded.spec.protect
        assert loaded.spec.kubernetes.extra_sans == ("b",)

    def test_pools_merge_by_name_and_new_ones_come_last(self, spec):
        loaded = spec.load(MINIMAL, "spec: {pools: [{name: work, role: worker, count: 2}, {name: control, count: 3}]}")
        assert [(pool.name, pool.count) for pool in loaded.spec.pools] == [("control", 3), ("work", 2)]

    def test_null_removes(self, spec):
        base = MINIMAL + "  protect: true\n  mesh: {cidr: 10.9.0.0/16, port: 1000}\n"
        loaded = spec.load(base, "spec: {protect: null, mesh: {port: null}}")
        assert (loaded.spec.protect, loaded.spec.mesh.port, loaded.spec.mesh.cidr) == (False, 51820, "10.9.0.0/16")

    def test_problems_name_the_file_that_wrote_the_value(self, spec):
        problems = spec.problems(MINIMAL, "spec: {mesh: {port: 0}}", "spec: {netwrok: {}}")
        assert [Path(problem.where.rsplit(":", 2)[0]).name for problem in problems] == ["1.yaml", "2.yaml"]

    def test_pools_without_a_name_are_kept_for_the_check(self, spec):
        (problem,) = spec.problems(MINIMAL, "spec: {pools: [{role: worker}]}")
        assert problem.code == "config/missing"

    def test_kind_of_value_changes(self, spec):
        (problem,) = spec.problems(MINIMAL, "spec: {pools: 3}")
        assert problem.code == "config/type" and problem.where.endswith("1.yaml:1:15")

    def test_env(self, spec):
        spec.write("spec: {protect: true}", "sloth.d/prod.yaml")
        assert load([spec.write(MINIMAL)], env="prod").spec.protect

    @pytest.mark.parametrize(("env", "hint"), [("prd", "did you mean `prod`?"), ("../x", "use `prod`"), ("", "use `prod`")])
    def test_unknown_env(self, spec, env, hint):
        spec.write("spec: {protect: true}", "sloth.d/prod.yaml")
        with pytest.raises(ConfigError) as caught:
            load([spec.write(MINIMAL)], env=env)
        assert (caught.value.code, caught.value.hint) == ("config/unknown-env", hint)

    def test_no_environments_at_all(self, spec):
        with pytest.raises(ConfigError, match="no overlay `prod`"):
            load([spec.write(MINIMAL)], env="prod")


class TestFiles:
    def test_missing(self, tmp_path):
        with pytest.raises(ConfigError) as caught:
            load([tmp_path / "sloth.yaml"])
        assert (caught.value.code, caught.value.hint) == ("config/no-file", "sloth init > sloth.yaml")

    def test_directory(self, tmp_path):
        with pytest.raises(ConfigError, match="Is a directory") as caught:
            load([tmp_path])
        assert caught.value.code == "config/unreadable"

    def test_unreadable(self, tmp_path):
        with pytest.raises(ConfigError) as caught:
            load([tmp_path / ("a" * 300)])
        assert caught.value.code == "config/unreadable"

    def test_nul_in_name(self):
        with pytest.raises(ConfigError) as caught:
            load(["a\0b"])
        assert caught.value.code in ("config/unreadable", "config/no-file")

    def test_too_large(self, spec):
        (problem,) = spec.problems(MINIMAL + "#" * MAX_BYTES)
        assert problem.code == "config/too-large"

    def test_too_many_values_without_aliases(self, spec):
        (problem,) = spec.problems("a: [" + "1," * 110_000 + "]")
        assert problem.code == "config/bomb"

    def test_stdin(self, monkeypatch):
        monkeypatch.setattr(module, "sys", SimpleNamespace(stdin=SimpleNamespace(buffer=io.BytesIO(MINIMAL.encode()))))
        assert load(["-"]).spec.name == "demo"


def test_from_document(spec):
    loaded = spec.load(MINIMAL)
    again = from_document(loaded.raw)
    assert again.spec == loaded.spec
    with pytest.raises(ConfigError) as caught:
        from_document({**loaded.raw, "kind": "Old"})
    assert caught.value.where == "the cluster's record:1:1"


class TestFirstSpec:
    @pytest.mark.parametrize("name", ["demo", "a", "on", "null", "12", "1e3", "a" * 40])
    def test_is_valid_and_short(self, spec, name):
        text = first_spec(name)
        assert spec.load(text).spec.name == name
        assert len(text.splitlines()) <= 25

    @pytest.mark.parametrize("name", ["", "Demo", "-a", "a-", "a" * 41, "a b", "a\n", "ä", "x: {y"])
    def test_impossible_name(self, name):
        with pytest.raises(ConfigError) as caught:
            first_spec(name)
        assert caught.value.exit == 10
