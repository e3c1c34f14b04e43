"""cloud-config for machines at clouds: what it says, that nothing can misread it, and what its scripts do to a host."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sloth.app import make_key
from sloth.cloud.user_data import LIMIT, host_key, label, text, user_data, volumes_of
from sloth.model.cloud import Volume, WayOut
from sloth.model.plan import MachineRequest
from sloth.model.secret import Secret

KEY = Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nabc: #x\n-----END OPENSSH PRIVATE KEY-----\n", known=False)
REQUEST = MachineRequest(
    name="cp-1", cluster="demo", pool="cp", role="control-plane", ssh_public_key="ssh-ed25519 AAAA sloth-demo",
    boot_key_private=KEY, boot_key_public="ssh-ed25519 BBBB boot",
)  # fmt: skip


def config(request=REQUEST, **more):
    whole = user_data(request, **more).reveal()
    assert whole.startswith("#cloud-config\n")
    return yaml.safe_load(whole)


def test_yaml_reads_what_json_means():
    whole = user_data(REQUEST, ["runc"], [Volume(name="a", size=1, mount="/a")]).reveal()
    assert yaml.safe_load(whole) == json.loads(whole.partition("\n")[2])


def test_one_user_with_one_key_and_nobody_else():
    found = config()
    (user,) = found["users"]
    assert (user["name"], user["ssh_authorized_keys"], user["lock_passwd"]) == ("sloth", ["ssh-ed25519 AAAA sloth-demo"], True)
    assert user["sudo"] == "ALL=(ALL) NOPASSWD:ALL"
    assert found["disable_root"] is True
    assert found["ssh_pwauth"] is False
    sshd = next(each["content"] for each in found["write_files"] if each["path"].startswith("/etc/ssh/sshd_config.d/"))
    assert {"PermitRootLogin no", "PasswordAuthentication no"} <= set(sshd.splitlines())


def test_the_one_time_host_key():
    assert config()["ssh_keys"] == {"ed25519_private": KEY.reveal(), "ed25519_public": "ssh-ed25519 BBBB boot"}
    ecdsa = replace(REQUEST, boot_key_public="ecdsa-sha2-nistp256 CCCC x")
    assert set(host_key(ecdsa)["ssh_keys"]) == {"ecdsa_private", "ecdsa_public"}
    assert "ssh_keys" not in config(replace(REQUEST, boot_key_private=None))


def test_the_same_request_gives_the_same_text():
    volumes = [Volume(name="a", size=1)]
    assert user_data(REQUEST, ["b", "a"], volumes).reveal() == user_data(REQUEST, ["b", "a"], volumes).reveal()


def test_the_largest_one_is_taken_by_every_cloud():
    private, public = make_key("sloth-boot-" + "x" * 52)
    request = replace(REQUEST, name="x" * 63, boot_key_private=private, boot_key_public=public, ssh_public_key=public)
    volumes = [Volume(name="v" * 19 + str(n), size=65536, mount="/" + "m" * 200) for n in range(8)]
    assert len(user_data(request, ["some-debian-package"] * 30, volumes).reveal().encode()) <= LIMIT


def test_the_text_does_not_show_itself():
    assert "BEGIN" not in repr(user_data(REQUEST))


def test_volumes_are_listed_with_label_size_and_mount():
    options = {"volumes": [{"name": "data", "size": "100Gi", "mount": "/data"}, {"name": "raw-and-long-name", "size": "5Gi"}]}
    found = config(volumes=volumes_of(options))
    files = {each["path"]: each["content"] for each in found["write_files"]}
    assert files["/etc/sloth/volumes"] == f"sloth-data 100 /data\n{label('raw-and-long-name')} 5 -\n"
    assert "sloth-volumes.service" in found["runcmd"][0]
    assert "runcmd" not in config()


def test_labels_fit_and_differ():
    names = ["data", "a" * 20, "a" * 19, "a" * 11, "logs"]
    labels = [label(name) for name in names]
    assert len(set(labels)) == len(names)
    assert all(len(each) <= 16 and each.startswith("sloth-") for each in labels)


class Host:
    """A directory of commands that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.calls, self.root = folder / "bin", folder / "calls", folder
        self.bin.mkdir()
        self.calls.touch()

    def command(self, name: str, body: str = "") -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{body}\n')
        path.chmod(0o755)

    def run(self, script: str, *words: str) -> list[str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-c", script, "sh", *words], env={"PATH": path}, capture_output=True, text=True, check=False)
        self.exit, self.err = done.returncode, done.stderr
        return self.calls.read_text().splitlines()


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def prepare(host, *packages):
    script = text("prepare.sh").replace("/var/log/", f"{host.root}/").replace("/usr/sbin/policy-rc.d", f"{host.root}/policy")
    return host.run(script, *packages)


def debian(host, *installed, install="exit 0"):
    for name in ("systemctl", "modprobe"):
        host.command(name)
    host.command("timeout", 'shift; exec "$@"')
    host.command("dpkg", f'case " {" ".join(installed)} " in *" $2 "*) exit 0 ;; esac; exit 1')
    host.command("apt-get", install)


def test_what_is_missing_is_installed_with_services_held_back(host):
    look = f'cp {host.root}/policy {host.root}/seen; echo "$DEBIAN_FRONTEND $NEEDRESTART_SUSPEND" >{host.root}/env'
    debian(host, "curl", install=f'case "$*" in *--no-download*) {look} ;; esac')
    calls = [call for call in prepare(host, "curl", "haproxy", "runc") if call.split()[0] in ("apt-get", "systemctl")]
    assert host.exit == 0
    assert [call.split()[-1] for call in calls] == ["update", "runc", "runc", "haproxy"]
    assert "install haproxy runc" in calls[1]
    assert "curl" not in calls[1]
    assert calls[-1] == "systemctl disable -q haproxy"
    assert "exit 101" in (host.root / "seen").read_text()
    assert (host.root / "env").read_text() == "noninteractive 1\n"
    assert not (host.root / "policy").exists()


def test_where_all_is_there_nothing_is_done(host):
    debian(host, "haproxy", "runc")
    assert not [call for call in prepare(host, "haproxy", "runc") if call.startswith(("apt-get", "systemctl"))]


def test_without_a_network_it_ends_well_and_installs_nothing(host):
    debian(host, install="exit 100")
    calls = prepare(host, "haproxy")
    assert host.exit == 0
    assert not [call for call in calls if "--no-download" in call or call.startswith("systemctl")]


def test_a_kernel_without_wireguard_gets_the_program(host):
    debian(host)
    host.command("modprobe", "exit 1")
    assert any("wireguard-go" in call for call in prepare(host, "runc") if call.startswith("apt-get"))


def test_a_host_without_apt_is_left_alone(host):
    host.command("dpkg", "exit 1")
    script = text("prepare.sh").replace("/var/log/", f"{host.root}/").replace("command -v apt-get", "false")
    assert host.run(script, "runc") == []
    assert host.exit == 0


def disks(host, listing, *, blank=(), labels=()):
    """`listing` = NAME BYTES TYPE lines of lsblk."""
    host.command("lsblk", f'case "$*" in *NAME,SIZE,TYPE*) echo "{listing}" ;; *) echo one ;; esac')
    tests = " ".join(f'"-p /dev/{name}") exit 2 ;;' for name in blank) + " ".join(f'"-L {name}") exit 0 ;;' for name in labels)
    made = f'[ "$1" = -L ] && grep -q "mkfs.ext4 -q -L $2 " "{host.calls}" && exit 0'
    host.command("blkid", f'case "$*" in {tests} esac; {made}; [ "$1" = -p ] && exit 0; exit 2')
    for name in ("mkfs.ext4", "udevadm", "mount", "sleep"):
        host.command(name)
    host.command("mountpoint", "exit 1")


def volumes(host, lines):
    (host.root / "fstab").touch()
    (host.root / "volumes").write_text(lines)
    script = (
        text("sloth-volumes").replace("/etc/sloth/volumes", f"{host.root}/volumes").replace("/etc/fstab", f"{host.root}/fstab")
    )
    calls = host.run(script)
    return [call for call in calls if call.split()[0] in ("mkfs.ext4", "mount", "sleep")]


GIB = 1 << 30


def test_the_empty_disk_of_the_right_size_is_taken(host):
    disks(host, f"sda {40 * GIB} disk\nsdb {10 * GIB} disk\nsdc {100 * GIB} disk", blank=("sdb", "sdc"))
    mount = host.root / "data"
    assert volumes(host, f"sloth-data 100 {mount}\n") == ["mkfs.ext4 -q -L sloth-data /dev/sdc", f"mount {mount}"]
    assert (host.root / "fstab").read_text() == f"LABEL=sloth-data {mount} ext4 defaults,nofail 0 2\n"
    assert mount.is_dir()
    assert host.exit == 0


def test_a_disk_with_something_on_it_is_never_formatted(host):
    disks(host, f"sdb {100 * GIB} disk")
    calls = volumes(host, "sloth-data 100 -\n")
    assert not [call for call in calls if call.startswith("mkfs")]
    assert host.exit == 1
    assert "sloth-data" in host.err
    assert calls.count("sleep 5") == 119


def test_a_volume_that_has_its_label_is_only_mounted(host):
    disks(host, f"sdb {100 * GIB} disk", blank=("sdb",), labels=("sloth-data",))
    assert volumes(host, f"sloth-data 100 {host.root}/data\n") == [f"mount {host.root}/data"]
    volumes(host, f"sloth-data 100 {host.root}/data\n")
    assert len((host.root / "fstab").read_text().splitlines()) == 1


def test_without_a_mount_point_it_is_only_made(host):
    disks(host, f"sdb {100 * GIB} disk", blank=("sdb",))
    assert volumes(host, "sloth-data 100 -\n") == ["mkfs.ext4 -q -L sloth-data /dev/sdb"]
    assert (host.root / "fstab").read_text() == ""


WAY = WayOut(network="10.110.0.0/16", router="10.110.0.1", resolvers=("192.0.2.53", "192.0.2.54"))


def test_where_the_cloud_has_no_nat_public_nodes_forward_and_private_ones_know_where_to():
    kinds = [[each[3] if each[0] == "sh" else each[2] for each in config(request, way_out=WAY)["bootcmd"]] for request in (
        REQUEST, replace(REQUEST, placement={"public": False}), replace(REQUEST, options={"public": False}),
    )]  # fmt: skip
    assert kinds == [["sh", "sloth-prepare", "sh"], ["sh", "sloth-prepare"], ["sh", "sloth-prepare"]]
    public, private = (
        config(each, way_out=WAY)["bootcmd"][0] for each in (REQUEST, replace(REQUEST, placement={"public": False}))
    )
    assert public == ["sh", "-c", text("forward.sh"), "sh", "10.110.0.0/16"]
    assert private == ["sh", "-c", text("way-out.sh"), "sh", "10.110.0.1", "192.0.2.53", "192.0.2.54"]
    assert [each[2] for each in config()["bootcmd"]] == ["sloth-prepare"]


def test_nft_is_told_whose_packets_to_change(host):
    for name in ("sysctl", "iptables"):
        host.command(name)
    host.command("nft", f"cat >{host.root}/rules")
    assert host.run(text("forward.sh"), "10.110.0.0/16") == ["sysctl -qw net.ipv4.ip_forward=1", "nft -f -"]
    rules = (host.root / "rules").read_text()
    assert "ip saddr 10.110.0.0/16 ip daddr != 10.110.0.0/16 masquerade" in rules
    assert rules.index("delete table") < rules.index("masquerade")


def test_files_of_the_cloud_are_there_before_anything_else(host):
    files = {f"{host.root}/settings.cfg": "[InstanceSetup]\nset_host_keys = false\n"}
    first, second = config(files=files)["bootcmd"]
    assert first[:3] == ["cloud-init-per", "once", f"sloth-{str(host.root).replace('/', '-')}-settings.cfg"]
    assert second[2] == "sloth-prepare"
    subprocess.run(first[3:], check=True)
    assert (host.root / "settings.cfg").read_text() == files[f"{host.root}/settings.cfg"]
