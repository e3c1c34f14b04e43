import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth import registry
from sloth.adapters.ssh_keys import bare, host_pattern, new_pair
from sloth.contracts.provider import LoginOptions
from sloth.errors import CredentialsError, MachinesError
from sloth.model.artifact import Delivery
from sloth.model.plan import MachineRequest
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, HostSpec, PoolSpec

KEY = bare(new_pair().public)
SSH = registry.provider("ssh")


def spec(*hosts: HostSpec, **options) -> ClusterSpec:
    pools = (
        PoolSpec(name="metal", role="worker", provider="ssh", count=len(hosts), hosts=hosts),
        PoolSpec(name="other", role="worker", provider="local", count=1),
    )
    return ClusterSpec(name="c", pools=pools, providers={"ssh": options} if options else {})


RACK1 = HostSpec(name="rack1", address="203.0.113.10", host_key=KEY)
RACK2 = HostSpec(name="rack2", address="203.0.113.11", user="admin", port=2222)


def machines(made: ClusterSpec):
    return SSH.machines(made, lambda event: None, Delivery())


def login(made: ClusterSpec, name: str = "metal-rack1"):
    (machine,) = [machine for machine in machines(made).survey() if machine.name == name]
    return SSH.login(made, machine)


def test_the_listed_hosts_are_the_machines() -> None:
    found = machines(spec(RACK1, RACK2, user="root")).survey()
    assert [(m.name, m.address, m.port, m.user, m.existing) for m in found] == [
        ("metal-rack1", "203.0.113.10", 22, "root", True),
        ("metal-rack2", "203.0.113.11", 2222, "admin", True),
    ]
    assert all(machine.running for machine in found)


def test_apply_answers_in_the_order_asked() -> None:
    made = machines(spec(RACK1, RACK2))
    wanted = [
        MachineRequest(name="metal-rack2", cluster="c", pool="metal", role="worker", host=RACK2),
        MachineRequest(name="metal-rack1", cluster="c", pool="metal", role="worker"),
    ]
    assert [machine.name for machine in made.apply(wanted)] == ["metal-rack2", "metal-rack1"]


def test_a_host_that_nobody_lists_is_an_error() -> None:
    with pytest.raises(MachinesError) as caught:
        machines(spec(RACK1)).apply([MachineRequest(name="metal-rack9", cluster="c", pool="metal", role="worker")])
    assert caught.value.code == "ssh/no-host"
    assert "metal-rack9" in caught.value.summary


def test_deleting_and_destroying_leave_the_hosts_alone() -> None:
    made = machines(spec(RACK1))
    before = made.survey()
    made.delete(["metal-rack1"])
    made.destroy()
    assert made.survey() == before
    assert list(made.leftovers()) == []


def test_a_root_login_needs_no_sudo_and_another_does() -> None:
    made = spec(RACK1, RACK2, key={"file": "~/.ssh/id"})
    assert isinstance(SSH, LoginOptions)
    first, second = login(made), login(made, "metal-rack2")
    assert (first["user"], first["sudo"], first["port"]) == ("root", False, 22)
    assert (second["user"], second["sudo"], second["port"]) == ("admin", True, 2222)
    assert first["key"] is None
    assert first["key_file"] == "~/.ssh/id"


def test_the_key_may_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("FLEET_KEY", "a private key")
    assert login(spec(RACK1, key={"env": "FLEET_KEY"}))["key"] == Secret("a private key")
    monkeypatch.delenv("FLEET_KEY")
    with pytest.raises(CredentialsError):
        login(spec(RACK1, key={"env": "FLEET_KEY"}))


def test_without_a_key_the_agent_is_asked() -> None:
    way = login(spec(RACK1))
    assert (way["key"], way["key_file"]) == (None, "")


def test_the_host_s_own_key_wins_over_known_hosts(tmp_path) -> None:
    file = tmp_path / "known"
    file.write_text(f"203.0.113.10 {bare(new_pair().public)}\n[203.0.113.11]:2222 {KEY} comment\n")
    made = spec(RACK1, RACK2, knownHosts=str(file))
    assert login(made)["host_keys"] == (KEY,)
    assert login(made, "metal-rack2")["host_keys"] == (KEY,)


def test_an_unknown_host_has_no_keys_of_its_own_so_that_recorded_ones_stay(tmp_path) -> None:
    assert "host_keys" not in login(spec(RACK2, knownHosts=str(tmp_path / "missing")), "metal-rack2")


def test_the_bastion_is_a_login_of_its_own() -> None:
    bastion = {"address": "198.51.100.7", "user": "jump", "port": 2200, "hostKey": KEY}
    way = login(spec(RACK1, bastion=bastion, key={"file": "id"}))["bastion"]
    assert (way.address, way.user, way.port, way.host_keys, way.key_file) == ("198.51.100.7", "jump", 2200, (KEY,), "id")
    assert "198.51.100.7" in way.node
    assert login(spec(RACK1, user="admin", bastion={"address": "198.51.100.7"}))["bastion"].user == "admin"


def test_files_that_are_not_there_are_told_before_anything_starts(tmp_path) -> None:
    there = tmp_path / "there"
    there.touch()
    assert list(SSH.check(spec(RACK1, key={"file": str(there)}, knownHosts=str(there)))) == []
    problems = SSH.check(spec(RACK1, key={"file": "/nowhere/id"}, knownHosts="/nowhere/known"))
    assert [problem.code for problem in problems] == ["ssh/no-file"] * 2
    assert "key.file" in problems[0].summary
    assert "knownHosts" in problems[1].summary
    assert list(SSH.check(spec(RACK1))) == []


# known_hosts, held against ssh-keygen, which is what users have


def keys_of(text: str, address: str, port: int = 22) -> tuple[str, ...]:
    from importlib import import_module

    return import_module(type(SSH).__module__ + ".known_hosts").keys_of(text, address, port)


@given(
    st.lists(st.sampled_from(["a.example.com", "b.example.com", "192.0.2.1", "192.0.2.99"]), min_size=1, max_size=4),
    st.sampled_from([22, 2222]),
    st.booleans(),
)
def test_the_same_keys_are_found_as_by_ssh_keygen(tmp_path_factory, names, port, hashed) -> None:
    file = tmp_path_factory.mktemp("known") / "known_hosts"
    keys = [f"ssh-ed25519 {KEY.split()[1][:-4]}{number:04d}" for number in range(len(names))]
    file.write_text("".join(f"{host_pattern(name, port)} {key}\n" for name, key in zip(names, keys, strict=True)))
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
        assert "example" not in file.read_text()
    wanted = "a.example.com"
    command = ["ssh-keygen", "-F", host_pattern(wanted, port), "-f", file]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    expected = tuple(" ".join(line.split()[1:3]) for line in found if not line.startswith("#"))
    assert keys_of(file.read_text(), wanted, port) == expected


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("*.example.com {}", True),
        ("*.example.com,!a.example.com {}", False),
        ("?.example.com {}", True),
        ("A.Example.COM {}", True),
        ("[a.example.com]:2222 {}", False),
        ("@cert-authority a.example.com {}", False),
        ("# a.example.com {}", False),
        ("|1|broken {}", False),
        ("a.example.com", False),
        ("", False),
    ],
)
def test_patterns_and_markers(line, found) -> None:
    assert keys_of(line.format(KEY), "a.example.com") == ((KEY,) if found else ())


def test_a_revoked_key_is_not_accepted() -> None:
    text = f"a.example.com {KEY}\n@revoked * {KEY}\n"
    assert keys_of(text, "a.example.com") == ()


def test_the_readme_names_every_option() -> None:
    text = Path(__import__("importlib").import_module(type(SSH).__module__).__file__).with_name("README.md").read_text()
    properties = SSH.options_schema()["provider"]["properties"]
    assert [name for name in properties if f"`{name}" not in text] == []
