"""What this machine remembers of a stack."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from sloth.adapters.pulumi import notes
from sloth.adapters.pulumi.notes import Note
from sloth.model.cloud import CloudPlan, ServerPlan, Volume
from sloth.model.secret import Secret

SERVER = ServerPlan(name="work-1", pool="work", role="worker", size="small", location="north", image="img-7")
PLAN = CloudPlan(cluster="shop", network="10.0.0.0/16", options={"size": ["small"]}, servers=(SERVER,), labels={"a": "b"})
NOTE = Note(digest="d", servers=("work-1",), shared={"network": "4"}, balancer="203.0.113.9")


def digest(plan=PLAN, shared=None, versions="1"):
    return notes.digest(plan, shared, versions)


def test_a_note_comes_back_as_it_was_and_only_we_may_read_it(tmp_path):
    folder = tmp_path / "new" / "work"
    assert notes.read(folder, "toy") is None
    notes.write(folder, "toy", NOTE)
    assert notes.read(folder, "toy") == NOTE
    assert (folder / "toy.note").stat().st_mode & 0o077 == 0
    notes.drop(folder, "toy")
    notes.drop(folder, "toy")
    assert notes.read(folder, "toy") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"digest": 1}', '{"digest": "d", "servers": null}', "\x00\xff"])
def test_what_is_no_note_is_none(tmp_path, text):
    (tmp_path / "toy.note").write_bytes(text.encode("latin-1"))
    assert notes.read(tmp_path, "toy") is None


def test_stacks_are_known_by_notes_and_by_settings(tmp_path):
    assert notes.stacks(tmp_path / "none") == []
    notes.write(tmp_path, "toy", NOTE)
    for name in ("Pulumi.yaml", "Pulumi.toy.yaml", "Pulumi.toy-2.yaml", "toy.import.json"):
        (tmp_path / name).touch()
    assert notes.stacks(tmp_path) == ["toy", "toy-2"]


def test_image_and_user_data_count_only_when_a_server_is_made():
    later = replace(SERVER, image="img-8", user_data=Secret("#cloud-config"))
    assert digest(replace(PLAN, servers=(later,))) == digest()


VALUES = {
    "options": {"size": ["big"]}, "labels": {"a": "c"}, "balance": ("work-1",), "access_ssh": ("0.0.0.0/0",), "mesh_port": 1,
    "access_api": ("0.0.0.0/0",), "private": True, "adopt": {"network": "7"}, "servers": (),
}  # fmt: skip
OTHERS = {"volumes": (Volume(name="data", size=1),), "public": False, "spot": True, "adopt": {"work-1": "8"}}


@pytest.mark.parametrize("name", [field.name for field in fields(CloudPlan)])
def test_every_other_field_of_a_plan_counts(name):
    assert digest(replace(PLAN, **{name: VALUES.get(name, "another")})) != digest()


@pytest.mark.parametrize("name", [field.name for field in fields(ServerPlan) if field.name not in ("image", "user_data")])
def test_every_other_field_of_a_server_counts(name):
    assert digest(replace(PLAN, servers=(replace(SERVER, **{name: OTHERS.get(name, "another")}),))) != digest()


def test_ids_of_the_network_and_versions_count():
    assert len({digest(), digest(shared={}), digest(shared={"network": "4"}), digest(versions="2")}) == 4


def test_the_order_of_keys_does_not_count_and_secrets_are_in_no_note(tmp_path):
    turned = replace(PLAN, labels={"x": "1", "a": "b"}), replace(PLAN, labels={"a": "b", "x": "1"})
    assert digest(turned[0]) == digest(turned[1])
    secret = replace(PLAN, servers=(replace(SERVER, user_data=Secret("boot-key-of-work-1")),))
    notes.write(tmp_path, "toy", replace(NOTE, digest=digest(secret)))
    assert "boot-key" not in (tmp_path / "toy.note").read_text()
    assert set(json.loads((tmp_path / "toy.note").read_text())) == {"digest", "servers", "shared", "balancer"}
