"""JSONPath templates and columns: kubectl's documented cases, and kubectl itself as the judge."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import UsageError
from sloth.kube.workloads.columns import columns, of_file, table
from sloth.kube.workloads.jsonpath import parse, render, shown

# The object and most of the cases: kubernetes.io/docs/reference/kubectl/jsonpath.
DOC = {
    "kind": "List",
    "items": [
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
            "status": {
                "capacity": {"cpu": "4"}, "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}],
            },
        },
        {
            "kind": "None", "metadata": {"name": "127.0.0.2"},
            "status": {
                "capacity": {"cpu": "8"},
                "addresses": [
                    {"type": "LegacyHostIP", "address": "127.0.0.2"}, {"type": "another", "address": "127.0.0.3"},
                ],
            },
        },
    ],
    "users": [
        {"name": "myself", "user": {}},
        {"name": "e2e", "user": {"username": "admin", "password": "secret"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("kind is {.kind}", "kind is List"),
        ("{.kind}", "List"),
        ("{@.kind}", "List"),
        ("{['kind']}", "List"),
        ("{..name}", "127.0.0.1 127.0.0.2 myself e2e"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{.users[0].name}", "myself"),
        ("{.users[-1:].name}", "e2e"),
        ("{.users[0:2:2].name}", "myself"),
        ("{.items[*]['metadata.name', 'status.capacity']}", '127.0.0.1 127.0.0.2 {"cpu":"4"} {"cpu":"8"}'),
        ('{.users[?(@.name=="e2e")].user.password}', "secret"),
        ('{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}', '[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] '),
        ('{range .items[*]}{.metadata.name}{"\\t"}{end}', "127.0.0.1\t127.0.0.2\t"),
        ("{.items[0].metadata.labels.kubernetes\\.io/hostname}", "127.0.0.1"),
        ("{.nothing}", ""),
        ("{.items[*].status.addresses[?(@.type=='another')].address}", "127.0.0.3"),
        ("{.users[*].*}", None),
        ("no expression", "no expression"),
    ],
)  # fmt: skip
def test_the_documented_cases(template, text):
    found = render(parse(template), DOC)
    if text is not None:
        assert found == text


POD = {
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "x", "tier": "a"}, "annotations": {"n": "<&> é \" \\"}},
    "spec": {
        "terminationGracePeriodSeconds": 30, "hostNetwork": False, "enableServiceLinks": True,
        "containers": [
            {"name": "a", "image": "i:1", "args": ["x", "y", "z"], "ports": [{"containerPort": 80}, {"containerPort": 443}]},
            {"name": "b", "image": "i:2", "env": [{"name": "E", "value": "1"}]},
        ],
    },
}  # fmt: skip

CASES = [
    "{.metadata.name}", "{$.metadata.name}", "{.metadata.labels}", "{.metadata.annotations.n}", "{.metadata.annotations}",
    "{.spec.terminationGracePeriodSeconds}", "{.spec.enableServiceLinks}", "{.spec.containers[*].name}", "{.spec.containers[0]}",
    "{.spec.containers[1:].name}", "{.spec.containers[:1].name}", "{.spec.containers[-1].name}", "{.spec.containers[-2:-1].name}",
    "{.spec.containers[0].args[::2]}", "{.spec.containers[0].args[0:2]}", "{.spec.containers[0].args}",
    "{.spec.containers[0,1].name}", "{.spec.containers[5].name}", "{.spec.containers[0:9].name}", "{.spec.containers[9:].name}",
    "{.spec.containers[1:0].name}", "{.spec.containers[0:0].name}", "{.spec.containers[0:2:0].name}",
    "{..containerPort}", "{..ports[*].containerPort}", "{.spec.containers[*].ports[?(@.containerPort>80)].containerPort}",
    "{.spec.containers[*].ports[?(@.containerPort>=80)].containerPort}",
    "{.spec.containers[?(@.name!='a')].image}", "{.spec.containers[?(@.env)].name}", "{.spec.containers[?(@.image<'i:2')].name}",
    "{.spec.containers[?(@.ports[0].containerPort==80)].name}", "{.spec.containers[?(@.name==1)].name}",
    "{.spec.containers[?(@.args[*]=='x')].name}", "{.spec.containers[?(.name=='a')].name}",
    '{range .spec.containers[*]}{.name}={.image}{"\\n"}{end}done', "{range .nothing[*]}x{end}y",
    "{range .spec.containers[*]}{.name}:{range .ports[*]}{.containerPort},{end};{end}",
    "{range .spec.containers[*]}{.name}{end}{range .spec.containers[*]}{.image}{end}",
    "{'literal'}", '{"a\\tb"}', "{5}", "{1.5}", "{true}", "{.metadata['name']}", "{['metadata'].name}",
    "{.metadata['name','labels']}", "{.metadata.labels.app\\.kubernetes\\.io/name}", "{.metadata.labels['tier']}",
    "{.metadata.labels['app\\.kubernetes\\.io/name']}", "a{.metadata.name}b{.kind}c", "{.kind}{.kind}", "{ .kind }", "{.kind} ",
    "{.spec.containers.name}", "{.kind.name}", "{.kind[0]}", "{.metadata[0]}", "{.nothing[0]}", "{.spec.containers[*]}",
    "{}", "{.", "{.kind", "{.kind[}", "{nothing}", "{range .spec.containers[*]}{.name}", "{.spec.containers[?(@.name=='a'].name}",
    "{.spec.containers[a].name}", "{....name}", "{'x}",
    "{.metadata.name", "plain",
    "{.spec.containers[].name}", "{.spec.containers[-].name}", "{.spec.containers[:-1].name}", "{1.2.3}",
    "{.spec.containers[::].name}", "{.nothing[0]'x'}", "{.spec.containers[*]'x'}", "{2.kind}",
    "{.spec.containers[1:].name[0]}", "{.metadata..tier}", "{.spec.containers[*].args[-1:]}",
]  # fmt: skip


@pytest.mark.kube
def test_kubectl_prints_the_same(controlled, tmp_path):
    """Each template once by kubectl, which needs no server for this, and once by sloth: same text, or both refuse."""
    if not controlled.tool:
        pytest.skip("the mirror has no kubectl: sloth mirror create")
    (tmp_path / "pod.json").write_text(json.dumps(POD))
    differ = []
    for template in CASES:
        words = ("patch", "--local", "-f", str(tmp_path / "pod.json"), "-p", "{}", "-o", f"jsonpath={template}")
        code, out, err = controlled.kubectl("default", *words, check=False)
        try:
            ours = render(parse(template), POD)
        except UsageError as error:
            ours = error
        same = bool(code) if isinstance(ours, UsageError) else (code, out) == (0, ours)
        if not same:
            differ.append((template, ours if isinstance(ours, str) else str(ours.summary), out, err))
    assert differ == []


@pytest.mark.parametrize("text", ["{.a", "{end}", "{....a}", "{a}", "{'a}", "{.a[x]}", "{.a[?(@.b=='c']}", "{.a[?(@.b=<1)]}"])
def test_what_is_no_template(text):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.code == "kube/jsonpath"


PIECES = [
    "{",
    "}",
    "[",
    "]",
    ".",
    "..",
    "*",
    "?(",
    ")",
    "@",
    "$",
    "'",
    '"',
    "\\",
    "range ",
    "end",
    "kind",
    "users",
    "-1",
    "2",
    ":",
    ",",
]


@given(st.lists(st.sampled_from([*PIECES, " ", "==", "é"]), max_size=12))
def test_any_text_is_a_template_or_refused(pieces):
    try:
        assert isinstance(render(parse("".join(pieces)), DOC), str)
    except UsageError as error:
        assert error.code in ("kube/jsonpath", "kube/jsonpath-data")


def test_what_does_not_fit_the_data():
    for template in ("{.kind[0]}", "{.users[7]}", "{.kind[?(@.x)]}", "{.users[?(@.name==1)]}"):
        with pytest.raises(UsageError) as caught:
            render(parse(template), DOC)
        assert caught.value.code == "kube/jsonpath-data"


def test_plain_values_are_as_go_prints_them():
    assert [shown(each) for each in (True, None, 3, 1.5, 1e6, 1e21, 1e-7, 2.0)] == [
        "true", "null", "3", "1.5", "1000000", "1e+21", "1e-07", "2",
    ]  # fmt: skip


def test_as_json():
    assert json.loads(render(parse("{.users[*].name}"), DOC, as_json=True)) == ["myself", "e2e"]


def test_columns():
    chosen = columns(
        "NAME:.metadata.name,IMAGES:spec.containers[*].image,TWO:.spec.containers[0,1].name,NONE:.x,L:{.metadata.labels}"
    )
    assert table(chosen, [POD]).splitlines() == [
        "NAME   IMAGES    TWO   NONE     L",
        "web    i:1,i:2   a,b   <none>   map[app.kubernetes.io/name:x tier:a]",
    ]
    assert table(of_file("NAME  KIND\n.metadata.name .kind\n"), [POD], head=False) == "web   Pod"
    for bad in ("NAME", "NAME:", "NAME:{.a}{.b}"):
        with pytest.raises(UsageError):
            columns(bad)
    with pytest.raises(UsageError):
        of_file("A B\n.a\n")


@pytest.mark.kube
def test_kubectl_has_the_same_columns_and_lists(real_client, real_space, real_run, kubectl):
    for name in ("a", "b"):
        real_client.create({**POD, "metadata": {**POD["metadata"], "name": name}}, real_space)
    text = "N:.metadata.name,I:.spec.containers[*].image,L:.metadata.labels,A:.spec.containers[0].args,X:.x.y"
    text += ",B:.spec.enableServiceLinks"
    theirs = kubectl("get", "pods", "-o", f"custom-columns={text}").splitlines()
    ours = real_run("get", "pods", "-o", f"custom-columns={text}")[1].splitlines()
    assert [cells(line) for line in ours] == [cells(line) for line in theirs]
    for template in ("{.items[*].metadata.name}", "{.kind}", '{range .items[*]}{.metadata.name}{"\\n"}{end}', "{..image}"):
        assert real_run("get", "pods", "-o", f"jsonpath={template}")[1] == kubectl("get", "pods", "-o", f"jsonpath={template}")
    for words in (("pods", "a", "-o", "jsonpath={.metadata.name}"), ("pods", "-o", "name"), ("pod/a", "pod/b", "-o", "name")):
        assert real_run("get", *words)[1] == kubectl("get", *words)
    template = "{.items[*].metadata.labels}"
    assert json.loads(real_run("get", "pods", "-o", f"jsonpath-as-json={template}")[1]) == json.loads(
        kubectl("get", "pods", "-o", f"jsonpath-as-json={template}")
    )


def cells(line):
    return [cell.strip() for cell in line.split("  ") if cell.strip()]
