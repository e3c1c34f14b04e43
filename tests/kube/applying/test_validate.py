"""Manifests against schemas, with file, line and column: by themselves, and against the real server's."""

import json
import secrets
import textwrap

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sloth.kube.applying.checking import check_all
from sloth.kube.applying.manifests import read
from sloth.kube.applying.marks import Choice, locate, steps
from sloth.kube.applying.schemas import Schema, fetch
from sloth.kube.applying.schemas_file import SchemasFile
from sloth.kube.applying.validate import check, meant
from sloth.kube.wire import Answer
from tests.kube.test_contract import CRD, config, deployment

SCHEMA = Schema(
    {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 9},
                    "name": {"type": "string", "minLength": 2},
                    "on": {"type": "boolean"},
                    "port": {"x-kubernetes-int-or-string": True},
                    "mode": {"type": "string", "enum": ["Fast", "Slow"]},
                    "blob": {"type": "string", "format": "byte"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "template": {
                        "type": "object",
                        "x-kubernetes-embedded-resource": True,
                        "properties": {"spec": {"type": "object"}},
                    },
                    "ref": {"default": {}, "allOf": [{"$ref": "#/components/schemas/Other"}]},
                    "items": {
                        "type": "array",
                        "maxItems": 3,
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name", "protocol"],
                        "items": {"$ref": "#/components/schemas/Item"},
                    },
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                },
            }
        },
    },
    {
        "Other": {"type": "object", "properties": {"deep": {"type": "number"}}},
        "Item": {"type": "object", "properties": {"name": {"type": "string"}, "protocol": {"type": "string", "default": "TCP"}}},
    },
)


def found(**spec):
    item = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "n"}, "spec": {"size": 1, **spec}, "status": {"any": 1}}
    return [(".".join(map(str, each.path)), each.what) for each in check(item, SCHEMA)]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"port": 1},
        {"port": "http"},
        {"on": True, "mode": "Fast", "name": None},
        {"labels": {"a": "b"}, "any": {"x": {"y": [1]}}},
        {"ref": {"deep": 1.5}, "blob": "YQ=="},
        {"items": [{"name": "a"}, {"name": "a", "protocol": "UDP"}], "set": ["a", "b"]},
        {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"free": 1}}},
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(spec):
    assert found(**spec) == []


TWICE = "an item with name=a, protocol=TCP is there already"


@pytest.mark.parametrize(
    ("spec", "path", "said"),
    [
        ({"Size": 2}, "spec.Size", "there is no field `Size` here, did you mean `size`?"),
        ({"labls": {}}, "spec.labls", "there is no field `labls` here, did you mean `labels`?"),
        ({"zzzzz": 1}, "spec.zzzzz", "there is no field `zzzzz` here"),
        ({"size": "3"}, "spec.size", "a whole number is wanted, and this is a string; without quotes"),
        ({"size": "x"}, "spec.size", "a whole number is wanted, and this is a string"),
        ({"size": True}, "spec.size", "a whole number is wanted, and this is true"),
        ({"size": 10}, "spec.size", "it must be at most 9"),
        ({"size": 0}, "spec.size", "it must be at least 1"),
        ({"size": None}, "spec", "`size` is missing"),
        ({"name": True}, "spec.name", "a string is wanted, and this is true; put it in quotes"),
        ({"name": 5}, "spec.name", "a string is wanted, and this is a whole number; put it in quotes"),
        ({"name": "x"}, "spec.name", "it must have 2 to any number of characters, and has 1"),
        ({"on": "yes"}, "spec.on", "true or false is wanted, and this is a string"),
        ({"port": 1.5}, "spec.port", "a whole number or a string is wanted, and this is a number; put it in quotes"),
        ({"mode": "fast"}, "spec.mode", "it must be one of Fast, Slow, did you mean `Fast`?"),
        ({"blob": "not base64!"}, "spec.blob", "it must be base64; `stringData` takes plain text"),
        ({"labels": {"a": 1}}, "spec.labels.a", "a string is wanted, and this is a whole number; put it in quotes"),
        ({"ref": {"depp": 1}}, "spec.ref.depp", "there is no field `depp` here, did you mean `deep`?"),
        ({"items": {}}, "spec.items", "a list is wanted, and this is a mapping"),
        ({"items": [{"name": "a"}, {"name": "a", "protocol": "TCP"}]}, "spec.items.1", TWICE),
        ({"items": [{"name": str(at)} for at in range(4)]}, "spec.items", "it must have 0 to 3 items, and has 4"),
        ({"set": ["a", "a"]}, "spec.set.1", "an item with a is there already"),
        ({"template": {"spce": {}}}, "spec.template.spce", "there is no field `spce` here, did you mean `spec`?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_path(spec, path, said):
    assert found(**spec) == [(path, said)]


def test_a_name_that_is_like_nothing_has_no_suggestion():
    assert meant("xyz", ["replicas", "selector"]) == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (".spec.containers[0].image", ("spec", "containers", 0, "image")),
        ('.spec.containers[name="app"].image', ("spec", "containers", Choice((("name", "app"),)), "image")),
        ('.ports[containerPort=80,protocol="TCP"]', ("ports", Choice((("containerPort", "80"), ("protocol", "TCP"))))),
        ("data[some.key]", ("data", "some.key")),
        ('.metadata.finalizers["a/b"]', ("metadata", "finalizers", "a/b")),
        ("spec.x[", ("spec", "x")),
    ],
)
def test_paths_as_the_server_writes_them(text, wanted):
    assert steps(text) == wanted


def test_a_path_leads_to_the_field_or_to_the_nearest_thing_around_it():
    text = textwrap.dedent("""\
        a:
          list:
            - name: x
              v: 1
            - {name: y, v: 2}
          set: [p, q]
        """)
    node = yaml.compose(text)
    assert locate(node, steps("a.list[1].v")) == (5, 17)
    assert locate(node, steps('a.list[name="x"].v')) == (4, 7)
    assert locate(node, steps('a.list[name="none"].v')) == (2, 3)
    assert locate(node, steps('a.set["q"]')) == (6, 12)
    assert locate(node, steps("a.nothing.deeper")) == (1, 1)
    assert locate(node, ()) == (1, 1)


@given(st.text(max_size=30))
def test_no_path_is_too_strange(text):
    locate(yaml.compose("a: [{b: 1}]"), steps(text))


def test_a_schema_that_refers_to_itself_ends():
    circle = Schema({"$ref": "#/components/schemas/A"}, {"A": {"$ref": "#/components/schemas/A"}})
    assert check({"kind": "A", "spec": {"x": 1}}, circle) == []


def play(call, answers):
    """Carry a call through with these answers by path; gives its value, and what was asked."""
    asked = []
    try:
        wanted = next(call)
        while True:
            several = wanted if isinstance(wanted, tuple) else (wanted,)
            asked += [each.path for each in several]
            got = [answers[each.path] for each in several]
            wanted = call.send(got if isinstance(wanted, tuple) else got[0])
    except StopIteration as done:
        return done.value, asked


def test_a_document_is_fetched_once_for_each_hash(tmp_path):
    keeper = SchemasFile(tmp_path)

    def index(digest):
        url = f"/openapi/v3/apis/x/v1?hash={digest}"
        return Answer(200, json.dumps({"paths": {"apis/x/v1": {"serverRelativeURL": url}}}).encode())

    body = b"""{"components": {"schemas": {"X": {"description": "long", "properties": {"description": {"type": "string"}},
        "x-kubernetes-group-version-kind": [{"group": "x", "version": "v1", "kind": "X"}]}}}}"""
    answers = {"/openapi/v3": index("A" * 32), "/openapi/v3/apis/x/v1": Answer(200, body)}
    schemas, asked = play(fetch(["x/v1", "y/v1"], keeper), answers)
    assert asked == ["/openapi/v3", "/openapi/v3/apis/x/v1"]
    assert set(schemas) == {"x/v1/X"}
    assert "description" not in schemas["x/v1/X"].root
    assert schemas["x/v1/X"].root["properties"] == {"description": {"type": "string"}}
    again, asked = play(fetch(["x/v1"], keeper), answers)
    assert asked == ["/openapi/v3"]
    assert again == {key: value for key, value in schemas.items() if key == "x/v1/X"}
    _, asked = play(fetch(["x/v1"], keeper), {**answers, "/openapi/v3": index("B" * 32)})
    assert len(asked) == 2
    (tmp_path / f"{'A' * 32}.msgpack").write_bytes(b"broken")
    assert len(play(fetch(["x/v1"], keeper), answers)[1]) == 2


@pytest.mark.parametrize("url", ["https://elsewhere.test/openapi/v3/x?hash=1", "//elsewhere/openapi/v3/", "/api/v1/secrets", ""])
def test_the_index_leads_nowhere_else(url):
    body = f'{{"paths": {{"apis/x/v1": {{"serverRelativeURL": "{url}"}}}}}}'
    assert play(fetch(["x/v1"]), {"/openapi/v3": Answer(200, body.encode())}) == ({}, ["/openapi/v3"])


def test_a_hash_is_no_path(tmp_path):
    body = b'{"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=../../../escape"}}}'
    play(
        fetch(["v1"], SchemasFile(tmp_path / "in")), {"/openapi/v3": Answer(200, body), "/openapi/v3/api/v1": Answer(200, b"{}")}
    )
    assert not list(tmp_path.rglob("*"))


def test_without_openapi_only_the_kinds_are_checked(fake_client):
    items = [config("a"), {**config("b"), "kind": "Configmap"}, {**deployment("c"), "apiVersion": "extensions/v1beta1"}]
    found = read([("f", yaml.safe_dump_all(items).encode())])
    checked = fake_client.run(check_all(fake_client.api, found))
    assert [each.partition(": ")[2] for each in checked.findings] == [
        "the cluster has no kind `Configmap` of v1, did you mean `ConfigMap`?",
        "`Deployment` is not of extensions/v1beta1 but of apps/v1",
    ]
    assert checked.unknown == ("f:1: v1/ConfigMap a",)


BAD = textwrap.dedent("""\
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: web
    spec:
      replica: 3
      selector:
        matchLabels: {app: web}
      template:
        metadata:
          labels: {app: web}
        spec:
          containers:
            - name: app
              image: app:1
              ports:
                - containerPort: "80"
              env:
                - {name: A, value: 1}
                - {name: A, value: "2"}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: s}
    spec:
      ports: [{port: 80, targetport: http}]
    """)


@pytest.fixture
def real(real_server):
    """A client of the real server."""
    from sloth.kube import Client
    from tests.kube.conftest import QUICK

    with Client(real_server.connection, policy=QUICK) as made:
        yield made


@pytest.mark.kube
def test_every_mistake_is_found_at_its_place(real):
    checked = real.run(check_all(real.api, read([("bad.yaml", BAD.encode())])))
    assert list(checked.findings) == [
        "bad.yaml:6:3: spec.replica: there is no field `replica` here, did you mean `replicas`?",
        "bad.yaml:17:15: spec.template.spec.containers[0].ports[0].containerPort: "
        "a whole number is wanted, and this is a string; without quotes",
        "bad.yaml:19:25: spec.template.spec.containers[0].env[0].value: "
        "a string is wanted, and this is a whole number; put it in quotes",
        "bad.yaml:20:15: spec.template.spec.containers[0].env[1]: an item with name=A is there already",
        "bad.yaml:26:22: spec.ports[0].targetport: there is no field `targetport` here, did you mean `targetPort`?",
    ]


@pytest.mark.kube
def test_custom_kinds_are_checked_by_the_definition_that_comes_with_them(real):
    spec = {"type": "object", "properties": {"size": {"type": "integer"}}}
    definition = yaml.safe_load(yaml.safe_dump(CRD).replace("widgets", "gadgets").replace("idget", "adget"))
    definition["spec"]["group"] = "coming.test"
    definition["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    item = {
        "apiVersion": "coming.test/v1",
        "kind": definition["spec"]["names"]["kind"],
        "metadata": {"name": "g"},
        "spec": {"sise": 1},
    }
    checked = real.run(check_all(real.api, read([("f", yaml.safe_dump_all([definition, item]).encode())])))
    (finding,) = checked.findings
    assert "no field `sise` here, did you mean `size`?" in finding


@pytest.mark.kube
def test_the_server_finds_nothing_wrong_that_it_made_itself(real, space_of_real):
    """No schema of the server is misread: every object that it has passes, of every kind."""
    count = 0
    real.apply(deployment("web"), space_of_real)
    for kind in real.resources():
        if "list" not in kind.verbs or kind.group == "metrics.k8s.io":
            continue
        for item in real.list(kind, "*"):
            schemas = real.run(fetch([item["apiVersion"]], None)) if kind.api_version not in CACHE else CACHE[kind.api_version]
            CACHE[kind.api_version] = schemas
            key = f"{item['apiVersion']}/{item['kind']}"
            if key == "events.k8s.io/v1/Event" and item.get("eventTime") is None:
                continue  # made as v1: the server shows it here too, though it would not take it here
            assert check(item, schemas[key]) == [], key
            count += 1
    assert count > 20


CACHE = {}


@pytest.fixture
def space_of_real(real):
    """A namespace of this test's own."""
    name = f"t-{secrets.token_hex(4)}"
    real.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def test_on_the_command_line(run, server, tmp_path):
    (tmp_path / "good.yaml").write_text(yaml.safe_dump_all([config("a"), deployment("web")]))
    code, out, _ = run("validate", "-f", "good.yaml")
    assert code == 0
    assert "2 objects are valid" in out
    assert ("no schema" in out) == (type(server).__name__ == "FakeKube")
    (tmp_path / "bad.yaml").write_text("apiVersion: v1\nkind: Pood\nmetadata: {name: x}\n")
    code, out, err = run("validate", "-f", "bad.yaml", "--local")
    assert (code, out) == (15, "")
    assert "bad.yaml:2:1: the cluster has no kind `Pood` of v1, did you mean `Pod`?" in " ".join(err.split())


@pytest.mark.kube
@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (("  replicas: 1", "  replicsa: 1"), "6:3", "there is no such field"),
        (("image: app:1", "imag: app:1"), "20:9", "there is no such field"),
        (("name: app\n", "name: App_\n"), "20:9", "lowercase RFC 1123"),
        (("replicas: 1", "replicas: -1"), "6:3", "must be greater than or equal to 0"),
    ],
)
def test_what_the_server_refuses_has_the_line_of_the_manifest(real, space_of_real, change, place, said):
    from sloth.kube import ApiError
    from sloth.kube.applying.compare import make_plan

    text = yaml.safe_dump(deployment("web"), sort_keys=True).replace(*change)
    line = next(at for at, each in enumerate(text.splitlines(), 1) if change[1].strip() in each)
    real.api.namespace = space_of_real
    with pytest.raises(ApiError) as caught:
        real.run(make_plan(real.api, read([("m.yaml", text.encode())])))
    assert caught.value.code == "kube/invalid"
    assert caught.value.where.startswith(f"m.yaml:{line}:")
    assert said in caught.value.detail
    assert caught.value.detail.startswith("m.yaml:")
