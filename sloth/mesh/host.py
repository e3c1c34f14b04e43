"""Steps that make a host a member of the mesh: tools, its own key, the script and unit, its peers. Pure: yields no orders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from sloth.mesh.wireguard import FOLDER, INCOMING, PEERS, PRIVATE_KEY, SETTINGS, Bundle, peer_path
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Step

SCRIPT = "/usr/local/sbin/sloth-mesh"
UNIT = "/etc/systemd/system/sloth-mesh.service"
PUBLIC_KEY = f"{FOLDER}/public.key"
MANAGED = (SCRIPT, UNIT, SETTINGS, PRIVATE_KEY)
FEW = 8  # up to so many changed peers are sent as files of their own, so that a plan names them; more in one text
_TOOLS = {"wg": "wireguard-tools", "ip": "iproute2", "ping": "iputils-ping", "flock": "util-linux"}  # command -> package
PACKAGES = tuple(_TOOLS.values())  # that `setup` installs; machines at clouds are told so at boot
_NO_APT = "this host has no apt-get: only Debian and Ubuntu are supported"
READ_PEERS = Ask(title="list peers", run=f"sha256sum {PEERS}/*.conf", check=False)


@cache
def _text(name: str) -> str:
    return files("sloth.templates").joinpath("mesh", name).read_text(encoding="utf-8")


def setup(settings: str) -> list[Step]:
    """Everything that does not depend on peers. `settings` is the node's own file."""
    return [
        _tools(),
        _key(),
        Put(path=SCRIPT, content=_text("sloth-mesh"), mode=0o755),
        Put(path=UNIT, content=_text("sloth-mesh.service")),
        Put(path=SETTINGS, content=settings, mode=0o600),
        Do(
            title="have the mesh come up at boot",
            run="systemctl daemon-reload && systemctl enable -q sloth-mesh",
            unless='systemctl is-enabled -q sloth-mesh && [ "$(systemctl show -P NeedDaemonReload sloth-mesh)" = no ]',
        ),
    ]


def _tools() -> Do:
    packages = " ".join(_TOOLS.values())
    have_kernel = "{ [ -d /sys/module/wireguard ] || modprobe -qn wireguard; }"
    have_any = f"{{ {have_kernel} || command -v wireguard-go; }} >/dev/null 2>&1"
    return Do(
        title="install WireGuard's tools",
        unless=f"! for tool in {' '.join(_TOOLS)}; do command -v $tool >/dev/null || echo $tool; done | grep -q . && {have_any}",
        run=(
            f"command -v apt-get >/dev/null || {{ echo '{_NO_APT}' >&2; exit 1; }}; "
            "export DEBIAN_FRONTEND=noninteractive; set -- -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3; "
            f"apt-get $* update >/dev/null && apt-get $* install -y --no-install-recommends {packages} >/dev/null && "
            f"{{ {have_any} || apt-get $* install -y --no-install-recommends wireguard-go >/dev/null; }}"
        ),
        timeout=900.0,
        hint="apt-get update on the node says what is wrong with its package sources",
    )


def _key() -> Do:
    """The private key is made on the node once and never leaves it."""
    return Do(
        title="make the node's mesh key",
        unless=f"[ -s {PRIVATE_KEY} ] && [ -s {PUBLIC_KEY} ] && [ -d {PEERS} ]",
        run=(
            f"umask 077; mkdir -p {PEERS} && "
            f"{{ [ -s {PRIVATE_KEY} ] || {{ wg genkey >{PRIVATE_KEY}.new && mv -fT {PRIVATE_KEY}.new {PRIVATE_KEY}; }}; }} && "
            f"wg pubkey <{PRIVATE_KEY} >{PUBLIC_KEY}.new && mv -fT {PUBLIC_KEY}.new {PUBLIC_KEY}"
        ),
    )


def read_key(node: str) -> Ask:
    """The node's public key. In a rehearsal it is a name for a key that is not made yet."""
    return Ask(title="read the node's public mesh key", run=f"cat {PUBLIC_KEY}", expected=f"<key of {node}>")


def all_peers(wanted: Callable[[], Mapping[str, str]]) -> list[Step]:
    """Steps that give the node exactly these peers (name -> text of its file) and put them in force."""
    return [Put(path=INCOMING, content=Bundle(wanted), mode=0o600), apply()]


def changed_peers(wanted: Mapping[str, str], have: Mapping[str, str]) -> list[Step]:
    """Steps from the peers that the node has (name -> SHA-256 of its file) to these."""
    new = [name for name in wanted if have.get(name) != hashlib.sha256(wanted[name].encode()).hexdigest()]
    gone = [name for name in have if name not in wanted]
    if len(new) + len(gone) > FEW:
        return all_peers(lambda: wanted)
    return [
        *(Put(path=peer_path(name), content=Secret(wanted[name], known=False), mode=0o600) for name in new),
        *(Do(title=f"forget peer {name}", run=f"rm -f {peer_path(name)}") for name in gone),
        apply(),
    ]


def apply() -> Do:
    """Put files in force: with `wg syncconf` where the interface is up, so that unchanged peers notice nothing."""
    why = "{ systemctl --no-pager status sloth-mesh | head -n 5; journalctl -u sloth-mesh -n 15 --no-pager -o cat; } >&2"
    return Do(
        title="put peers in force",
        run=(
            f"if systemctl is-active -q sloth-mesh && ip link show wg0 >/dev/null 2>&1; then {SCRIPT} sync; "
            f"else systemctl restart sloth-mesh || {{ {why}; false; }}; fi"
        ),
        hint="journalctl -u sloth-mesh -n 50 on the node says why the mesh does not come up",
    )


def listed(output: str) -> dict[str, str]:
    """What READ_PEERS has printed: peer name -> SHA-256 of its file."""
    rows = (line.split() for line in output.splitlines())
    return {path.rpartition("/")[2].removesuffix(".conf"): digest for digest, path in rows}


def removal() -> list[Step]:
    """Take the mesh off a host that stays when the cluster goes: interface, unit, keys and peers."""
    return [
        Do(
            title="remove the mesh",
            unless=f"[ ! -e {UNIT} ] && [ ! -e {SCRIPT} ] && [ ! -e {PRIVATE_KEY} ] && ! ip link show wg0 >/dev/null 2>&1",
            run=(
                "systemctl disable -q --now sloth-mesh 2>/dev/null; ip link delete wg0 2>/dev/null; "
                f"rm -rf {UNIT} {SCRIPT} {SETTINGS} {PRIVATE_KEY} {PUBLIC_KEY} {PEERS} {INCOMING} /run/sloth/mesh.* "
                "/var/lib/sloth/stamps/mesh /var/lib/sloth/mesh.met && systemctl daemon-reload"
            ),
        )
    ]
