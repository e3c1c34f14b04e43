"""No secret of a run is in what it leaves behind, says, or gives to other processes as an argument."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from tests.clouds.leaks import forms
from tests.unit.adapters.aws_server import BUCKET, serving

TOKENS = {
    "HCLOUD_TOKEN": "hcloud-token-Yw5kQ0v8Zr3mN1pT",
    "AWS_ACCESS_KEY_ID": "AKIA7Q2M5X8ZK4J1W9VB",
    "AWS_SECRET_ACCESS_KEY": "aws-secret-r4Xo9Lw2Vb7Kd1Hs",
    "SLOTH_PASSPHRASE": "passphrase-Gm6Tz0Qc4Wy8Nf2J",
}
NAMES_ONLY = "AWS_ACCESS_KEY_ID"  # the name of a key, which every request shows; what is secret is the other half
SPEC = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: shop}}
spec:
  access: {{ssh: ["198.51.100.7/32"], api: ["198.51.100.7/32"]}}
  providers:
    hcloud: {{size: cx23, location: fsn1, network: 10.110.0.0/16}}
    aws: {{region: eu-central-1, size: m7i.large, location: eu-central-1a, network: 10.120.0.0/16}}
  pools:
    - {{name: control, role: control-plane, provider: hcloud, count: 1}}
    - {{name: far, role: worker, provider: aws, count: {far}}}
"""


class Watch(threading.Thread):
    """Keeps the arguments of all processes that it sees while it runs."""

    def __init__(self):
        super().__init__(name="watch", daemon=True)
        self.seen, self.over = set(), threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    try:
                        self.seen.add(Path(f"/proc/{entry}/cmdline").read_bytes())
                    except OSError:
                        continue


@pytest.fixture(scope="module")
def store():
    """S3, as shared state uses it."""
    with serving() as server:
        server.reset()
        yield server


@pytest.fixture
def watch():
    """All arguments of all processes during the test."""
    watch = Watch()
    watch.start()
    yield watch.seen
    watch.over.set()
    watch.join()


def of_the_record(shop, place):
    """Secrets that sloth made."""
    from sloth.app import state_of
    from sloth.model.options import Options

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**TOKENS, "AWS_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        record = state_of(Options(state_dir=shop.folder / "data", state=place), "shop").load()
    keys = {f"boot key of {lease.name}": record.node(lease.name).boot_key for lease in record.leases}
    keys |= {"SSH key": record.ssh_key, "mesh seed": record.mesh_seed, "engine key": record.engine_key}
    return {what: secret.reveal() for what, secret in keys.items()}


def of_the_servers(shop):
    """User-data, as the clouds were given it."""
    texts = {}
    for fake in shop.fakes.values():
        for (token, _), item in fake.items.items():
            if field := fake.rules[token].user_data:
                texts[f"user-data of {item.name}"] = item.inputs[field]
    return texts


def pieces(text):
    """What a secret is recognized by, also inside JSON: its lines and strings, but for public keys and what is too short."""
    found = re.split(r'[\n\\"]', text)
    return [piece for piece in found if len(piece) >= 20 and "ssh-ed25519" not in piece and "PRIVATE KEY" not in piece]


def leaks(secrets, places):
    """Secret and place, for each that is found."""
    needles = {form: what for what, text in secrets.items() for piece in pieces(text) for form in forms(piece)}
    return sorted({(what, where) for where, data in places.items() for form, what in needles.items() if form in data})


def left(shop, store, label):
    """All files and objects, as they are now."""
    found = {f"{label}: {path.relative_to(shop.folder)}": path.read_bytes() for path in shop.folder.rglob("*") if path.is_file()}
    return found | {f"{label}: s3 {name}": data for name, data in store.objects().items()}


@pytest.mark.parametrize("where", ["", "s3"])
def test_no_secret_is_anywhere(shop, store, watch, where):
    place = f"s3://{BUCKET}/team?endpoint={store.url}&region=us-east-1" if where else ""
    env = {**TOKENS, "SLOTH_STATE": place}
    plan = shop.folder / "plan.json"
    shop.write(SPEC.format(far=2))
    shop.run("plan", "--out", str(plan), "--output", "json", "--debug", **env)
    shop.run("up", str(plan), "--output", "json", "--log-format", "json", "--debug", **env)
    places = left(shop, store, "up")
    secrets = TOKENS | of_the_record(shop, place) | of_the_servers(shop)
    shop.write(SPEC.format(far=4))
    shop.fakes["aws"].faults.quota = 3
    shop.run("up", "--debug", code=12, **env)
    places |= left(shop, store, "failed")
    secrets |= of_the_record(shop, place) | of_the_servers(shop)
    shop.run("down", "--yes", "--debug", **env)
    places |= left(shop, store, "down")
    places |= {f"arguments: {words[:60]!r}": words for words in watch}

    known = {what for what in secrets if what != NAMES_ONLY}
    assert {"boot key of far-4", "user-data of control-1", "engine key", "HCLOUD_TOKEN"} <= known
    assert [what for what, text in secrets.items() if not pieces(text)] == []
    assert any(b"pulumi" in words and b"--client=" in words for words in watch)
    for kind in (".pulumi/stacks", ".pulumi/history", "record.sloth", "journal.jsonl", ".log", ".out"):
        assert any(kind in name for name in places), kind
    assert bool(where) == any(": s3 " in name for name in places)
    # That it would be found: the servers were given the keys, and the bucket shows who wrote.
    assert leaks({"": secrets["boot key of far-1"]}, {"": secrets["user-data of far-1"].encode()})
    assert leaks({what: secrets[what] for what in known}, places) == []
