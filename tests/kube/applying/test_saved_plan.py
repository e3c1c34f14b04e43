"""Plans in files: applied exactly as saved, or not at all."""

import base64
import json

import pytest
import yaml

from tests.kube.test_contract import config, deployment


def secret(value):
    data = {"password": base64.b64encode(value.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}


SECRET = secret("very-secret-9")


def write(tmp_path, *items):
    (tmp_path / "m.yaml").write_text(yaml.safe_dump_all(items))


def test_a_plan_is_applied_as_it_was_saved(run, client, space, tmp_path):
    write(tmp_path, config("a", n="1"), deployment("web"))
    code, out, _ = run("diff", "-f", "m.yaml", "--set", "app", "--out", "plan.json")
    assert code == 0
    assert out.splitlines()[-1].endswith("saved: sloth kube apply plan.json")
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600
    write(tmp_path, config("a", n="changed after"))  # the manifests are of no matter any more
    code, out, err = run("apply", "plan.json")
    assert code == 0, err
    assert client.get("cm", "a", space)["data"] == {"n": "1"}
    assert client.get("deploy", "web", space)
    assert "a" in client.get("cm", "app", space)["data"]["members"]
    assert json.loads((tmp_path / "plan.json").read_text())["digest"][:12] in run("history", "app")[1]


def test_a_plan_is_refused_when_the_world_moved_and_says_what_moved(run, client, space, tmp_path):
    client.apply(config("a", n="1"), space)
    client.apply(config("b", n="1"), space)
    write(tmp_path, config("a", n="2"), config("b", n="2"), config("c", n="1"), SECRET)
    assert run("diff", "-f", "m.yaml", "--out", "plan.json")[0] == 0
    client.apply(config("a", n="elsewhere"), space)
    client.delete("cm", "b", space)
    client.create(config("c"), space)
    code, _, err = run("apply", "plan.json")
    text = " ".join(err.split())
    assert code == 15
    assert "kube/plan-stale" in text
    assert f"ConfigMap {space}/a: data.n was 1, is elsewhere" in text
    assert f"ConfigMap {space}/b: planned to change, now create" in text
    assert f"ConfigMap {space}/c: planned to create, now change" in text
    assert client.get("cm", "a", space)["data"] == {"n": "elsewhere"}
    assert not [item for item in client.list("secrets", space) if item["metadata"]["name"] == "s"]


def test_what_the_plan_is_not_about_may_change(run, client, space, tmp_path):
    client.apply(deployment("web"), space)
    write(tmp_path, deployment("web", image="app:2"))
    assert run("diff", "-f", "m.yaml", "--out", "plan.json")[0] == 0
    client.patch("deploy", "web", {"metadata": {"annotations": {"note": "by somebody"}}}, space)
    code, _, err = run("apply", "plan.json")
    assert code == 0, err


def test_another_object_of_the_same_name_is_something_else(run, client, space, tmp_path):
    client.apply(config("a", n="1"), space)
    write(tmp_path, config("a", n="2"))
    run("diff", "-f", "m.yaml", "--out", "plan.json")
    client.delete("cm", "a", space)
    client.apply(config("a", n="1"), space)
    assert "it is another object of that name now" in " ".join(run("apply", "plan.json")[2].split())


def test_values_of_secrets_are_sealed_in_the_file(run, client, space, tmp_path):
    write(tmp_path, SECRET)
    assert run("diff", "-f", "m.yaml", "--out", "plan.json")[0] == 0
    text = (tmp_path / "plan.json").read_text()
    assert "very-secret-9" not in text
    assert "password" in text
    _, out, err = run("apply", "plan.json")
    assert "very-secret-9" not in out + err
    assert client.get("secret", "s", space)["data"] == {"password": "dmVyeS1zZWNyZXQtOQ=="}


def test_a_secret_that_changed_meanwhile_stops_the_plan_without_a_word_of_its_value(run, client, space, tmp_path):
    client.apply(SECRET, space)
    write(tmp_path, secret("new-value-77"))
    run("diff", "-f", "m.yaml", "--out", "plan.json")
    client.apply(secret("third-value-88"), space)
    code, out, err = run("apply", "plan.json")
    assert code == 15
    assert "a value that is not shown is another one now" in " ".join(err.split())
    assert not [
        word
        for word in ("very-secret-9", "new-value-77", "third-value-88")
        if word in out + err or secret(word)["data"]["password"] in out + err
    ]


def test_with_another_key_the_sealed_values_stay_sealed(run, tmp_path, monkeypatch):
    write(tmp_path, SECRET)
    run("diff", "-f", "m.yaml", "--out", "plan.json")
    monkeypatch.setenv("SLOTH_PASSPHRASE", "another passphrase than before")
    code, _, err = run("apply", "plan.json")
    assert code == 15
    assert "kube/sealed" in err


@pytest.mark.parametrize(
    ("change", "code", "slug"),
    [
        (lambda said: said["changes"][0]["object"]["data"].update(n="9"), 10, "kube/plan-edited"),
        (lambda said: said.update(kind="something else"), 10, "kube/no-plan"),
        (lambda said: said.update(format=99), 10, "kube/no-plan"),
    ],
)
def test_an_edited_plan_is_refused(run, tmp_path, change, code, slug):
    write(tmp_path, config("a", n="1"))
    run("diff", "-f", "m.yaml", "--out", "plan.json")
    said = json.loads((tmp_path / "plan.json").read_text())
    change(said)
    (tmp_path / "plan.json").write_text(json.dumps(said))
    got, _, err = run("apply", "plan.json")
    assert got == code
    assert slug in err


def test_a_plan_is_for_one_cluster(run, fake, tmp_path):
    write(tmp_path, config("a", n="1"))
    run("diff", "-f", "m.yaml", "--out", "plan.json")
    other = yaml.safe_load((tmp_path / "config").read_text())
    other["clusters"][0]["cluster"] = {"server": fake.url}
    (tmp_path / "config").write_text(yaml.safe_dump(other))
    code, _, err = run("apply", "plan.json")
    assert code == 15
    assert "kube/plan-cluster" in err


def test_a_plan_stands_alone_and_overwrites_nothing(run, tmp_path):
    write(tmp_path, config("a", n="1"))
    run("diff", "-f", "m.yaml", "--out", "plan.json")
    assert run("apply", "plan.json", "--prune", "--set", "x")[0] == 2
    assert run("apply", "plan.json", "-f", "m.yaml")[0] == 2
    assert run("apply", "none.json")[0] == 2
    code, _, err = run("diff", "-f", "m.yaml", "--out", "m.yaml")
    assert code == 2
    assert "not overwritten" in err
    assert run("diff", "-f", "m.yaml", "--out", "plan.json")[0] == 0
