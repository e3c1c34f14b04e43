"""What users get wrong, and what goes wrong under their hands: one clear error, the right exit code, nothing changed."""

from __future__ import annotations

import shutil

import pytest

from sloth.adapters.crypt import seal
from sloth.adapters.passphrase import passphrase
from tests.clouds.runs.bed import NAME

SMALL = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: {name}}}
spec:
  access: {{ssh: ["198.51.100.7/32"], api: ["198.51.100.7/32"]}}
  providers:
    hcloud: {hcloud}
    aws: {aws}
  pools:
    - {{name: control, role: control-plane, provider: hcloud, count: 1{control}}}
    - {{name: far, role: worker, provider: aws, count: {far}}}
"""
HCLOUD = "{size: cx23, location: fsn1, network: 10.110.0.0/16}"
AWS = "{region: eu-central-1, size: m7i.large, location: eu-central-1a, network: 10.120.0.0/16}"


def small(*, name=NAME, hcloud=HCLOUD, aws=AWS, control="", far=2):
    return SMALL.format(name=name, hcloud=hcloud, aws=aws, control=control, far=far)


@pytest.fixture
def user(shop):
    """One server at one cloud and two at the other are wanted; nothing is there."""
    shop.write(small())
    return shop


@pytest.fixture
def owner(user):
    """They are there."""
    user.run("up")
    return user


def refused(user, *words, code, exit, **env):
    """Errors of a run that must fail so and change nothing; all its text is searched by the caller."""
    before, changes = {name: dict(fake.items) for name, fake in user.fakes.items()}, user.calls()
    done = user.run(*words, "--output", "json", code=exit, **env)
    errors = done.answer["errors"]
    assert {error["code"] for error in errors} == ({code} if isinstance(code, str) else set(code)), done.text
    assert all(error["hint"] for error in errors)
    assert user.calls() == changes
    assert {name: dict(fake.items) for name, fake in user.fakes.items()} == before
    assert user.locks() == []
    return errors


def told(errors):
    return "\n".join(f"{error['summary']}\n{error['detail']}\n{error['where']}\n{error['hint']}" for error in errors)


@pytest.mark.parametrize("verb", ["plan", "up"])
def test_missing_credentials_of_two_clouds_are_both_named(user, verb):
    none = dict.fromkeys(user.env.keys() & {"HCLOUD_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, "")
    text = told(refused(user, verb, code="cloud/no-credentials", exit=11, **none))
    for name in ("hcloud", "HCLOUD_TOKEN", "aws", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert name in text


@pytest.mark.parametrize("verb", ["plan", "up"])
def test_wrong_credentials_of_two_clouds_are_both_named(user, verb):
    for fake in user.fakes.values():
        fake.token = "expired"
    errors = refused(user, verb, code="cloud/credentials", exit=11)
    assert sorted(error["where"] for error in errors) == ["aws", "hcloud"]
    assert "HCLOUD_TOKEN" in told(errors)


def test_wrong_credentials_of_one_cloud_leave_the_other_alone(user):
    user.fakes["aws"].token = "expired"
    errors = refused(user, "up", code="cloud/credentials", exit=11)
    assert [error["where"] for error in errors] == ["aws"]


def test_down_with_wrong_credentials_deletes_nothing(owner):
    owner.fakes["aws"].token = "expired"
    refused(owner, "down", "--yes", code="cloud/credentials", exit=11)
    owner.fakes["aws"].token = "valid"
    owner.run("down", "--yes")
    assert [item for fake in owner.fakes.values() for item in fake.items] == []


def test_unknown_places_sizes_and_images_of_two_clouds_are_one_list(user):
    user.write(
        small(
            hcloud="{size: cx99, location: moon1, network: 10.110.0.0/16}",
            aws="{region: eu-central-1, size: m7i.large, location: eu-central-1a, image: plan9, network: 10.120.0.0/16}",
        )
    )
    text = told(refused(user, "up", code={"cloud/unknown-size", "cloud/unknown-location", "cloud/unknown-image"}, exit=10))
    for word in ("cx99", "moon1", "plan9", "hcloud", "aws"):
        assert word in text


def test_overlapping_networks_of_two_clouds(user):
    user.write(small(hcloud="{size: cx23, location: fsn1, network: 10.120.128.0/17}"))
    text = told(refused(user, "up", code="config/cidr-overlap", exit=10))
    assert "spec.providers.hcloud.network" in text and "spec.providers.aws.network" in text


def test_an_unknown_option_of_a_cloud(user):
    user.write(small(hcloud="{size: cx23, location: fsn1, network: 10.110.0.0/16, datacenter: fsn1-dc8}"))
    text = told(refused(user, "up", code="config/unknown-key", exit=10))
    assert "datacenter" in text and "spec.providers.hcloud" in text


def test_a_private_pool_without_any_public_node(user):
    text = small().replace("provider: hcloud", "provider: aws, public: false").replace("count: 2", "count: 2, public: false")
    user.write(text)
    refused(user, "up", code="config/no-public-node", exit=10)


def test_a_quota_that_is_too_small_is_seen_before_anything_is_made(user):
    user.write(small(far=40))
    text = told(refused(user, "up", code="cloud/quota", exit=10))
    assert "vCPU" in text and "64" in text


def test_a_size_that_is_sold_out_is_seen_before_anything_is_made(user):
    user.fakes["hcloud"].faults.full = {"cx23"}
    text = told(refused(user, "up", code="cloud/not-available", exit=10))
    assert "cx23 can be had in: none" in text
    assert "such as none" not in text


def test_a_token_that_expires_while_servers_are_made(user):
    user.write(small(far=6))
    aws = user.fakes["aws"]
    made = aws.create

    def expire(token, name, inputs):
        if len(aws.all("Instance")) >= 2:
            aws.token = "expired"
        return made(token, name, inputs)

    aws.create = expire
    done = user.run("up", "--output", "json", code=11)
    assert {error["code"] for error in done.answer["errors"]} == {"cloud/credentials"}
    first = user.servers()
    assert 3 <= len(first) < 7
    aws.create, aws.token = made, "valid"
    user.run("up")
    assert first.items() <= user.servers().items()
    assert len(user.servers()) == 7
    births = [call.name for call in aws.calls if call.method == "Create" and not call.refused]
    assert len(births) == len(set(births))


def test_the_state_of_another_cluster(owner):
    clusters = owner.folder / "data" / "clusters"
    owner.write(small(name="store"))
    shutil.copytree(clusters / NAME, clusters / "store")
    text = told(refused(owner, "up", code="state/other-cluster", exit=16))
    assert "it is the record of cluster shop" in text


def test_a_record_of_a_newer_version(owner):
    folder = owner.folder / "data"
    path = folder / "clusters" / NAME / "record.sloth"
    path.write_bytes(seal(b"whatever they do then", passphrase(folder), {"schema": 99, "cluster": NAME, "revision": 9}))
    refused(owner, "up", code="state/newer", exit=16)
    refused(owner, "down", "--yes", code="state/newer", exit=16)


def test_a_plan_that_was_edited_by_hand(user):
    plan = user.folder / "plan.json"
    user.run("plan", "--out", str(plan))
    plan.write_text(plan.read_text().replace("cx23", "cx43"))
    refused(user, "up", str(plan), code="plan/edited", exit=10)


def test_a_plan_of_before_a_server_was_deleted(owner):
    plan = owner.folder / "plan.json"
    owner.write(small(far=3))
    owner.run("plan", "--out", str(plan))
    aws = owner.fakes["aws"]
    server = next(item for item in aws.all("Instance") if item.name == "far-1")
    del aws.items[server.token, server.id]
    text = told(refused(owner, "up", str(plan), code="plan/moved", exit=16))
    assert "far-1" in text
    owner.run("plan", "--out", str(plan))
    owner.run("up", str(plan))
    assert set(owner.servers()) == {"control-1", "far-1", "far-2", "far-3"}
