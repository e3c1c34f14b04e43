"""No secret of a full run is in any log, journal, JSON output, error, process argument, or file that others may read."""

import json
import os
import stat
import subprocess
import threading
from pathlib import Path


def record_secrets(bed):
    """Every secret in the record."""
    from sloth.adapters.passphrase import passphrase
    from sloth.adapters.state_file import StateFile
    from sloth.model.secret import known_values

    root = bed.folder / "data"
    before = known_values()
    record = StateFile(root, bed.name, lambda: passphrase(root)).load()
    assert record.kubeconfig
    assert record.ssh_key
    assert record.mesh_seed
    return {value for value in known_values() - before if len(value) > 15}


def node_secrets(bed, node):
    """Mesh keys, preshared keys, join tokens and private keys of Kubernetes, as they are on a node."""
    found = bed.inside(node, "cat /etc/wireguard/private.key; sed -n 's/^PresharedKey *= *//p' /etc/wireguard/peers.d/*").split()
    found += bed.inside(node, "cat /etc/kubernetes/pki/*.key 2>/dev/null | grep -v -- ----- ; true").split()
    if node.startswith("control"):
        tokens = bed.inside(node, "kubeadm token list -o json 2>/dev/null --kubeconfig /etc/kubernetes/admin.conf")
        found += (
            [item["token"] for item in map(json.loads, tokens.replace("}\n{", "}\0{").split("\0")) if "token" in item]
            if tokens
            else []
        )
    return {text for text in found if len(text) > 15}


class ArgumentWatch(threading.Thread):
    """Collects the arguments of every process of this machine, containers included, while it runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.over = set(), threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    try:
                        self.seen.add(Path(f"/proc/{entry}/cmdline").read_bytes())
                    except OSError:
                        continue


def test_no_secret_is_anywhere(bed):
    bed.write(control=1, workers=1)
    watch = ArgumentWatch()
    watch.start()
    said = []
    for words in (["up", "--yes", "--debug", "--log-format", "json"], ["up", "--output", "json"], ["status", "--output", "json"],
                  ["plan", "--output", "json"], ["nodes", "list"], ["ssh", "nobody"]):  # fmt: skip
        done = bed.sloth(*words, code=None)
        said += [done.stdout, done.stderr]
    bed.inside("work-1", "systemctl stop ssh")
    failed = bed.sloth("up", "--yes", "--debug", code=13)
    said += [failed.stdout, failed.stderr]
    bed.inside("work-1", "systemctl start ssh")
    watch.over.set()
    watch.join()
    secrets = record_secrets(bed) | node_secrets(bed, "control-1") | node_secrets(bed, "work-1")
    assert len(secrets) > 10
    arguments = b"\n".join(watch.seen).decode(errors="replace")
    assert b"kubeadm" in b"\n".join(watch.seen), "the watch saw nothing of the run"
    files = {
        str(path): path.read_text(errors="replace")
        for path in (bed.folder / "data").rglob("*")
        if path.is_file() and path.name != "key"
    }
    for secret in secrets:
        assert not any(secret in text for text in said), "in an output"
        assert secret not in arguments, "in a process argument"
        assert [name for name, text in files.items() if secret in text] == []
    open_to_others = [str(p) for p in (bed.folder / "data").rglob("*") if p.is_file() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert open_to_others == []
    on_node = bed.inside("control-1", "journalctl -o cat --no-pager; cat /var/log/cloud-init*.log")
    assert not any(secret in on_node for secret in secrets), "in a node's log"
    shown = subprocess.run(["docker", "inspect", bed.container("control-1")], capture_output=True, text=True, check=True).stdout
    assert not any(secret in shown for secret in secrets), "in the container's settings"
