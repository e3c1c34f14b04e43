"""`sloth up` killed (SIGKILL) at twelve spread-out steps of one creation on real nodes: it resumes each time, and converges."""

import signal

from tests.e2e.cluster import docker

KILLS = 12
# Batch at which each attempt is killed: a resumed run spends its first two on looking, so these creep forward.
AT = [1, 2, 3, 4, 3, 4, 3, 4, 5, 4, 5, 5, 6, 6, 7, 7, 8, 8]


def test_killed_twelve_times_it_still_converges(bed):
    bed.write(control=1, workers=1)
    identities = []
    for batch in AT:
        if len(identities) == KILLS:
            break
        done = bed.killed_at(batch, "up", "--yes")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        identities.append(_identity(bed))
    assert len(identities) >= KILLS, f"only {len(identities)} kills happened before `up` was through"
    data = bed.up()
    assert data["nodes"] == ["control-1", "work-1"]
    final = _identity(bed)
    for seen in identities:
        assert all(final[key] == value for key, value in seen.items())
    containers = docker("ps", "-a", "--filter", f"label=sloth.cluster={bed.name}", "--format", '{{.Label "sloth.node"}}').split()
    assert sorted(name for name in containers if name) == ["control-1", "work-1"]
    assert bed.up()["changed"] == []
    assert bed.json("status")["data"]["healthy"]
    bed.sloth("down", "--yes")
    assert bed.leftovers() == []


def _identity(bed):
    """Addresses and keys that must never change once they are leased or made."""
    from sloth.adapters.passphrase import passphrase
    from sloth.adapters.state_file import StateFile

    root = bed.folder / "data"
    record = StateFile(root, bed.name, lambda: passphrase(root)).load()
    found = {f"lease {lease.name}": lease for lease in record.leases}
    found.update({f"mesh key {name}": node.mesh_public_key for name, node in record.nodes.items() if node.mesh_public_key})
    found.update({f"host keys {name}": node.host_keys for name, node in record.nodes.items() if node.host_keys})
    found["seed"] = record.mesh_seed
    found["ssh"] = record.ssh_public_key
    return found
