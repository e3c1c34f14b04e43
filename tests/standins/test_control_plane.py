"""What the stand-ins run: three servers without agents, in namespaces, with real etcd and Kubernetes. Tests build on each other.

Needs root, `ip netns` and sloth's mirror; about two minutes for each of the two.
"""

import json
import re
import shutil
import signal
from pathlib import Path

import pytest

from sloth import registry
from sloth.adapters.authority import cross_sign, make_authority
from sloth.model.authorities import Rotation
from sloth.model.secret import Secret
from sloth.model.step import Put, Result
from sloth.supervised.authorities import fingerprint
from tests.standins.lab import eventually
from tests.unit.distributions.kubeadm.run import run
from tests.unit.supervised.clusters import cluster

AGENTS = {"agent-token": "agents-new"}  # from the moment on at which tokens are replaced
END = "-----END CERTIFICATE-----\n"

pytestmark = pytest.mark.parametrize("lab", ["k3s", "rke2"], indirect=True, scope="module")


def members(machine):
    """Name without its random end -> whether it votes."""
    found = json.loads(machine.etcdctl("member", "list", "--write-out", "json"))["members"]
    return {member.get("name", "").rpartition("-")[0]: not member.get("isLearner", False) for member in found}


def test_the_first_server_makes_a_cluster(lab):
    first = lab.machines[0]
    first.config(token="its-secret", **({"cluster-init": True} if lab.distro == "k3s" else {}), **{"secrets-encryption": True})
    first.start()
    assert first.kubectl("get", "--raw", "/readyz") == "ok"
    assert members(first) == {"s1": True}
    assert re.fullmatch(r"K10[0-9a-f]{64}::server:its-secret", first.token())
    assert (first.data / "server" / "node-token").read_text().strip() == first.token()
    assert {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} <= first.processes()


def test_files_are_where_they_are_documented(lab):
    first = lab.machines[0]
    config = first.root / "etc/rancher" / lab.distro / f"{lab.distro}.yaml"
    assert config.stat().st_mode & 0o777 == 0o600
    assert "server: https://127.0.0.1:6443" in config.read_text()
    wanted = ["server/tls/server-ca.crt", "server/tls/client-ca.key", "server/tls/etcd/peer-ca.crt", "server/tls/service.key",
              "server/cred/admin.kubeconfig", "server/db/etcd/name", "server/db/etcd/config", "server/manifests",
              "server/cred/encryption-config.json", "server/token", "server/agent-token"]  # fmt: skip
    assert [name for name in wanted if not (first.data / name).exists()] == []


def test_wrong_tokens_are_refused(lab):
    first, second, _ = lab.machines
    url = f"https://{first.address}:{lab.join_port}"
    digest = first.token()[3:67]
    second.config(server=url, token="another-secret")
    assert "server-bootstrap: 401 Unauthorized" in second.run("server", code=1).stderr
    second.config(server=url, token=f"K10{'0' * 64}::server:its-secret")
    said = second.run("server", code=1).stderr
    assert f"token CA hash does not match the Cluster CA certificate hash: {'0' * 64} != {digest}" in said


def test_servers_join_as_learners_one_at_a_time(lab):
    first, second, third = lab.machines
    for machine in (second, third):
        machine.config(server=f"https://{first.address}:{lab.join_port}", token=first.token(), **{"secrets-encryption": True})
    second.start()
    third.start()
    for machine in lab.machines:
        assert machine.kubectl("get", "--raw", "/readyz") == "ok"
        machine.kubectl("create", "configmap", f"from-{machine.name}")
    eventually(lambda: _equals(members(first), {"s1": True, "s2": True, "s3": True}))
    assert "from-s1" in third.kubectl("get", "configmaps", "-o", "name")


def _equals(found, expected):
    assert found == expected


def test_a_server_starts_again_with_what_it_has(lab):
    third = lab.machines[2]
    third.stop()
    third.start()
    assert "from-s3" in third.kubectl("get", "configmaps", "-o", "name")


def test_snapshots_are_saved_listed_pruned_and_deleted(lab):
    first = lab.machines[0]
    first.run("etcd-snapshot", "save", "--name", "drill")
    listed = json.loads(first.run("etcd-snapshot", "ls", "--output", "json").stdout)
    assert [row["name"].rpartition("-")[0] for row in listed] == ["drill-s1"]
    assert listed[0]["location"] == f"file://{first.data}/server/db/snapshots/{listed[0]['name']}"
    assert first.run("etcd-snapshot", "ls").stdout.split()[:4] == ["Name", "Location", "Size", "Created"]
    first.run("etcd-snapshot", "save", "--snapshot-compress")
    names = [row["name"] for row in json.loads(first.run("etcd-snapshot", "ls", "-o", "json").stdout)]
    zipped = next(name for name in names if name.endswith(".zip"))
    first.run("etcd-snapshot", "delete", zipped)
    first.run("etcd-snapshot", "prune", "--name", "drill", "--snapshot-retention", "1")
    assert [row["name"] for row in json.loads(first.run("etcd-snapshot", "ls", "-o", "json").stdout)] == [listed[0]["name"]]


def test_a_deleted_node_loses_its_etcd_member_and_can_join_anew(lab):
    first, _, third = lab.machines
    name = (third.data / "server/db/etcd/name").read_text().strip()
    node = {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "s3", "annotations": {f"etcd.{lab.distro}.cattle.io/node-name": name},
                     "finalizers": ["wrangler.cattle.io/managed-etcd-controller"]},
    }  # fmt: skip
    file = lab.folder / "node.json"
    file.write_text(json.dumps(node))
    third.stop(signal.SIGKILL)
    first.kubectl("create", "-f", str(file))
    first.kubectl("delete", "node", "s3", "--timeout=30s")
    assert members(first) == {"s1": True, "s2": True}
    shutil.rmtree(third.data / "server" / "db")
    third.start()
    eventually(lambda: _equals(members(first), {"s1": True, "s2": True, "s3": True}))


def test_a_removed_member_puts_its_data_aside_at_the_next_start(lab):
    first, _, third = lab.machines
    found = json.loads(first.etcdctl("member", "list", "--write-out", "json", "--hex"))["members"]
    identity = next(str(member["ID"]) for member in found if member["name"].startswith("s3-"))
    first.etcdctl("member", "remove", identity)
    eventually(lambda: _there(third.data / "server/db/etcd/tombstone"))
    third.stop(signal.SIGKILL)
    third.start()
    assert list((third.data / "server" / "db").glob("etcd-old-*"))
    eventually(lambda: _equals(members(first), {"s1": True, "s2": True, "s3": True}))


def _there(path):
    assert path.exists()


def test_encryption_keys_are_rotated(lab):
    first = lab.machines[0]
    first.kubectl("create", "secret", "generic", "hidden", "--from-literal=word=sesame")
    assert "sesame" not in first.etcdctl("get", "/registry/secrets/default/hidden")
    before = json.loads(first.run("secrets-encrypt", "status", "--output", "json").stdout)
    assert (before["enable"], before["stage"]) == (True, "start")
    assert "keys rotated, reencryption started" in first.run("secrets-encrypt", "rotate-keys").stdout

    def done():
        state = json.loads(first.run("secrets-encrypt", "status", "--output", "json").stdout)
        assert state["stage"] == "reencrypt_finished"
        return state

    after = eventually(done)
    assert after["activekey"] != before["activekey"]
    assert after["activekey"] in first.etcdctl("get", "--print-value-only", "/registry/secrets/default/hidden")
    for machine in lab.machines[1:]:  # they take the new keys when they start again
        machine.stop()
        machine.start()
        assert machine.kubectl("get", "secret", "hidden", "-o", "jsonpath={.data.word}") == "c2VzYW1l"


def test_certificates_are_made_anew_after_rotate(lab):
    second = lab.machines[1]
    rows = json.loads(second.run("certificate", "check", "--output", "json").stdout)["Certificates"]
    assert {"client-admin.crt", "serving-kube-apiserver.crt", "peer-server-client.crt"} <= {row["Filename"] for row in rows}
    assert {row["Status"] for row in rows} == {"OK"}
    old = (second.data / "server/tls/client-admin.crt").read_bytes()
    second.stop()
    said = second.run("certificate", "rotate").stderr
    assert "Successfully backed up certificates to" in said
    assert not (second.data / "server/tls/client-admin.crt").exists()
    assert list((second.data / "server").glob("tls-*/client-admin.crt"))
    second.start()
    assert (second.data / "server/tls/client-admin.crt").read_bytes() != old
    assert second.kubectl("get", "--raw", "/readyz") == "ok"


def rotation(machine, stage, made=None):
    """One of its authorities as they are now, or of those that an earlier stage has made."""
    plugin = registry.distribution(machine.lab.distro)
    if made is None:
        made = {}
        for name, path in plugin.authorities().items():
            own, key = (machine.root / each.lstrip("/") for each in (path, plugin.authority_keys()[name]))
            made[name] = cross_sign(f"{name} new", own.read_text(), Secret(key.read_text()))
    return Rotation(id="20260102T030405Z", stage=stage, authorities=made)


def staged(machine, now, only=""):
    """The files that the plugin has put for it, in this machine's root, as `rotate-ca` takes them."""
    plugin = registry.distribution(machine.lab.distro)
    of = cluster(plugin, 3)
    steps = run(plugin.apply_authorities(of.nodes[0], of, now), {"look what it was given": Result(exit=1)}).steps
    for step in steps:
        if isinstance(step, Put) and only in step.path:
            path = machine.root / step.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.content.reveal() if isinstance(step.content, Secret) else step.content)
            at = path.as_posix().partition("/tls/")[0]
    return at


def test_authorities_that_do_not_lead_to_the_old_ones_are_refused(lab):
    first = lab.machines[0]
    now = rotation(first, "trust")
    stranger = {name: cross_sign("x", *make_authority("nobody's")) for name in now.authorities}
    at = staged(first, rotation(first, "trust", stranger), only="client-ca")
    said = first.run("certificate", "rotate-ca", f"--path={at}", code=1).stderr
    assert "see server log for details" in said and "cannot be verified using old CA chain" in said
    shutil.rmtree(at)
    at = staged(first, now, only="client-ca")
    alone = Path(at)
    (alone / "tls/client-ca.crt").write_text(now.authorities["client"].new.partition(END)[0] + END)
    assert "only a single certificate" in first.run("certificate", "rotate-ca", f"--path={at}", code=1).stderr
    (alone / "tls/client-ca.crt").write_text(now.authorities["client"].chain)
    (alone / "tls/client-ca.key").write_text(stranger["client"].key.reveal())
    assert "cannot be loaded as X590KeyPair" in first.run("certificate", "rotate-ca", f"--path={at}", code=1).stderr
    shutil.rmtree(at)


def works_together(lab):
    for machine in lab.machines:
        assert machine.kubectl("get", "--raw", "/readyz") == "ok"
        machine.kubectl("get", "nodes")
        assert len(json.loads(machine.etcdctl("endpoint", "status", "--cluster", "-w", "json"))) == 3


def test_authorities_are_replaced_without_a_moment_at_which_somebody_is_not_trusted(lab):
    first = lab.machines[0]
    before, now = first.token(), rotation(first, "trust")
    said = first.run("certificate", "rotate-ca", f"--path={staged(first, now)}")
    assert "certificates saved to datastore" in said.stdout
    served = first.data / "server/tls/server-ca.crt"
    assert served.read_text() != now.authorities["server"].chain, "what is in use is left alone until the next start"
    for stage in ("trust", "drop"):
        bundle = now.authorities["server"].chain if stage == "trust" else now.authorities["server"].new
        for machine in lab.machines:
            machine.stop()
            if machine is not first:  # as documented: who joined with a token that names the authority gets the new one
                machine.config(
                    server=f"https://{first.address}:{lab.join_port}", token=first.token(), **{"secrets-encryption": True}
                )
            machine.start()
            assert (machine.data / "server/tls/server-ca.crt").read_text() == bundle
            eventually(lambda: works_together(lab))
        assert first.token()[:67] == f"K10{fingerprint(now.authorities['server'])}" != before[:67]
        if stage == "trust":
            now = rotation(first, "drop", now.authorities)
            first.run("certificate", "rotate-ca", f"--path={staged(first, now)}")
    rows = json.loads(first.run("certificate", "check", "--output", "json").stdout)["Certificates"]
    assert {row["Issuer"] for row in rows if row["Filename"] == "client-admin.crt" and row["Subject"] == "system:admin"} == {
        "client new"
    }


def test_tokens_are_replaced_server_by_server(lab):
    first, _, third = lab.machines
    before = first.token()

    def told(machine, token):
        joins = {} if machine is first else {"server": f"https://{first.address}:{lab.join_port}"}
        first_one = {"cluster-init": True} if machine is first and lab.distro == "k3s" else {}
        machine.config(token=token, **AGENTS, **{"secrets-encryption": True}, **joins, **first_one)

    passwords = first.data / "server/cred/passwd"
    lines = passwords.read_text().splitlines()
    passwords.write_text("".join(("agents-new," + line.partition(",")[2] if ",node," in line else line) + "\n" for line in lines))
    assert "Token rotated, restart" in first.run("token", "rotate").stdout
    assert first.token() != before and first.token()[:67] == before[:67]
    told(first, first.token())
    first.stop()
    first.start()  # before the others, which have the old one still
    assert (first.data / "server/agent-token").read_text().strip().endswith("::node:agents-new")
    third.stop()
    assert "encrypted with different token" in third.run("server", code=1).stderr, "it has the old one still"
    third.end_pods()
    token = first.token()
    for machine in reversed(lab.machines):
        machine.stop()
        told(machine, token)
        machine.start()
        eventually(lambda: works_together(lab))
    for machine in lab.machines:  # the datastore and every disk agree: they start again
        machine.stop()
        machine.start()
        assert "::node:agents-new" in (machine.data / "server/agent-token").read_text()
    eventually(lambda: works_together(lab))


def test_components_end_with_the_program_or_outlive_it(lab):
    third = lab.machines[2]
    third.process.send_signal(signal.SIGTERM)
    third.process.wait(30)
    third.process = None
    if lab.distro == "k3s":
        assert third.processes() == set()
    else:
        assert {"etcd", "kube-apiserver", "containerd-shim-runc-v2"} <= third.processes()
    third.start()
    third.kubectl("get", "--raw", "/readyz")


def test_a_snapshot_comes_back_on_a_machine_that_has_only_the_token(lab):
    first, second, third = lab.machines
    token = first.token()
    first.run("etcd-snapshot", "save", "--name", "last")
    first.kubectl("create", "configmap", "made-after-the-snapshot")
    kept = lab.folder / "kept"
    shutil.copy(next((first.data / "server/db/snapshots").glob("last-*")), kept)
    for machine in lab.machines:
        machine.stop(signal.SIGKILL)
        shutil.rmtree(machine.data / "server")
    words = ("server", "--cluster-reset", f"--cluster-reset-restore-path={kept}")
    first.config(token="not-the-one", **AGENTS)
    assert "encrypted with different token" in first.run(*words, code=1).stderr
    first.end_pods()
    shutil.rmtree(first.data / "server")
    first.config(token=token, **AGENTS)
    assert "Managed etcd cluster membership has been reset" in first.run(*words).stderr
    assert "was previously reset" in first.run(*words, code=1).stderr
    first.start()
    names = first.kubectl("get", "configmaps", "-o", "name")
    assert "from-s1" in names and "made-after-the-snapshot" not in names
    assert first.token() == token, "the authorities came out of the snapshot"
    assert members(first) == {"s1": True}
    for machine in (second, third):
        machine.start()
    eventually(lambda: _equals(members(first), {"s1": True, "s2": True, "s3": True}))


def test_after_lost_quorum_one_server_goes_on_alone(lab):
    first, second, _ = lab.machines
    for machine in lab.machines:
        machine.stop(signal.SIGKILL)
    first.config(token=second.token(), **AGENTS)
    first.run("server", "--cluster-reset")
    first.start()
    assert members(first) == {"s1": True}
    assert "from-s2" in first.kubectl("get", "configmaps", "-o", "name")
    shutil.rmtree(second.data / "server" / "db")
    second.start()
    eventually(lambda: _equals(members(first), {"s1": True, "s2": True}))
