"""The last five applies of a set, and back to one of them."""

import base64
import gzip
import hashlib
import json

import pytest
import yaml

from sloth.kube.applying.history import KEPT, Note, chosen_one, history, objects, recorded
from sloth.kube.applying.plan import ApplySet
from sloth.testing.kube import Fault
from tests.kube.test_contract import config

VALUE = base64.b64encode(b"very-secret-9").decode()
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": VALUE}}


@pytest.fixture
def write(tmp_path, run):
    """`write(*items)`: apply these as set `app`, pruned."""

    def done(*items):
        (tmp_path / "m.yaml").write_text(yaml.safe_dump_all(items))
        code, _, err = run("apply", "-f", "m.yaml", "--set", "app", "--prune", "--yes")
        assert code == 0, err

    return done


def rows(run):
    code, out, _ = run("history", "app")
    assert code == 0
    return [line.split() for line in out.splitlines()[1:]]


def test_applies_are_listed_with_what_they_did(run, write):
    assert "nothing was applied" in run("history", "app")[1]
    write(config("a", n="1"), config("b", n="1"))
    write(config("a", n="2"))
    write(config("a", n="2"))  # changes nothing: no apply to go back to
    two, one = rows(run)
    assert [one[0], *one[3:7], one[8]] == ["1", "2", "2", "0", "0", "complete"]
    assert [two[0], *two[3:7], two[8]] == ["2", "1", "0", "1", "1", "complete"]


def test_a_rollback_brings_objects_values_and_secrets_back_and_takes_the_newer_ones_away(run, write, client, space):
    write(config("a", n="1"), config("gone", n="1"), SECRET)
    write(config("a", n="2"), config("new"), {**SECRET, "data": {"password": "YW5vdGhlcg=="}})
    code, out, _ = run("rollback", "app", "--dry-run")
    assert f"- configmap {space}/new" in out
    assert client.get("cm", "a", space)["data"] == {"n": "2"}
    assert run("rollback", "app")[0] == 2  # it would delete, and nobody can be asked
    code, out, err = run("rollback", "app", "--yes")
    assert code == 0, err
    assert "very-secret" not in out + err
    assert client.get("cm", "a", space)["data"] == {"n": "1"}
    assert client.get("cm", "gone", space)
    assert client.get("secret", "s", space)["data"] == {"password": VALUE}
    assert "new" not in {item["metadata"]["name"] for item in client.list("cm", space)}
    assert rows(run)[0][8:] == ["complete,", "rollback", "to", "1"]
    assert run("rollback", "app", "--to", "2", "--yes")[0] == 0
    assert client.get("cm", "a", space)["data"] == {"n": "2"}


def test_no_value_of_a_secret_lies_in_the_record_in_plain(run, write, client, space):
    noted = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(SECRET)}
    write(config("a", n="plain"), {**SECRET, "metadata": {"name": "s", "annotations": noted}})
    record = client.get("cm", "app.apply-1", space)
    text = gzip.decompress(base64.b64decode(record["binaryData"]["objects"])).decode()
    assert "plain" in text
    assert "password" in text
    sealed = json.loads(text)["sealed"]
    everything = text + json.dumps(record) + base64.b64decode(sealed).decode(errors="replace")
    for value in ("very-secret-9", VALUE):
        assert value not in everything


def test_a_sealed_record_is_bound_to_its_place(run, write, client, space):
    write(SECRET)
    write(config("a"))
    one, two = (client.get("cm", f"app.apply-{number}", space) for number in (1, 2))
    client.replace({**two, "binaryData": one["binaryData"]}, space)
    code, _, err = run("rollback", "app", "--to", "2", "--yes")
    assert code == 15
    assert "kube/sealed" in err
    client.replace({**client.get("cm", "app.apply-2", space), "binaryData": {"objects": "AAAA"}}, space)
    assert "kube/history-damaged" in run("rollback", "app", "--to", "2", "--yes")[2]


def test_five_are_kept(run, write):
    for number in range(KEPT + 2):
        write(config("a", n=str(number)))
    assert [row[0] for row in rows(run)] == ["7", "6", "5", "4", "3"]
    assert run("rollback", "app", "--to", "2")[0] == 2


def test_without_an_earlier_apply_there_is_no_way_back(run, write):
    assert "kube/no-history" in run("rollback", "app")[2]
    write(config("a"))
    assert "kube/no-history" in run("rollback", "app")[2]


class Open:
    """A seal for tests that look at other things."""

    def close(self, plain, about):
        return plain

    def open(self, sealed, about):
        return sealed


def test_many_objects_lie_in_several_config_maps(client, plan, space, monkeypatch):
    monkeypatch.setattr("sloth.kube.applying.history._BYTES", 300)
    chosen = ApplySet("app", space)
    items = [config(f"c-{at}", value=hashlib.sha256(bytes([at])).hexdigest()) for at in range(40)]
    client.run(recorded(client.api, plan(*items, chosen=chosen), chosen, Open(), Note(when="now")))
    (kept,) = client.run(history(client.api, chosen))
    assert len(kept.parts) > 5
    assert kept.note.done
    assert [each.object["data"] for each in objects(kept, chosen, Open())] == [item["data"] for item in items]


def test_an_apply_that_broke_off_is_gone_back_from(fake, fake_client):
    from sloth.errors import ManyErrors
    from sloth.kube import ApiError
    from sloth.kube.applying.compare import make_plan
    from sloth.kube.applying.manifests import read

    api, chosen = fake_client.api, ApplySet("app", "default")

    def apply(*items):
        found = read([("m", yaml.safe_dump_all(items).encode())])
        made = fake_client.run(make_plan(api, found, chosen))
        return fake_client.run(recorded(api, made, chosen, Open(), Note()))

    apply(config("a", n="1"))
    fake.faults.append(
        Fault(when=lambda method, target: "/configmaps/a?" in target and "dryRun" not in target, status=500, body=b"")
    )
    with pytest.raises((ApiError, ManyErrors)):
        apply(config("a", n="2"))
    known = fake_client.run(history(api, chosen))
    assert [(each.number, each.note.done) for each in known] == [(2, False), (1, True)]
    assert chosen_one(known, chosen).number == 1
    assert known[0].note.changed == 1
