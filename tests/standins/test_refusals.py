"""What the stand-ins refuse, in the words of the real ones. No container, no namespace: they end before they start anything."""

import socket

import pytest

K3S = "flannel-backend: none\nbind-address: 127.0.0.1\nnode-ip: 127.0.0.1\ndisable-agent: true\n"
RKE2 = "cni: none\nbind-address: 127.0.0.1\nnode-ip: 127.0.0.1\ndisable-agent: true\n"


def test_version_is_told_as_upstream_tells_it(k3s, rke2):
    assert k3s.run("--version").stdout.startswith("k3s version v1.36.3+k3s1 (")
    assert rke2.run("--version").stdout.startswith("rke2 version v1.36.3+rke2r1 (")
    assert "\ngo version go" in k3s.run("--version").stdout


def test_an_unknown_command_has_no_help_topic(k3s, rke2):
    for program in (k3s, rke2):
        done = program.run("serve")
        assert (done.returncode, done.stdout) == (3, "No help topic for 'serve'\n")
    assert rke2.run("kubectl", "get", "nodes").returncode == 3  # RKE2 has it as a file in its data folder
    assert k3s.run("etcd-snapshot", "take").returncode == 3


@pytest.mark.parametrize(
    "words",
    [("server", "--bogus"), ("agent", "--bogus=1"), ("etcd-snapshot", "save", "--bogus"), ("certificate", "check", "-bogus")],
)
def test_an_unknown_flag_is_refused(k3s, words):
    done = k3s.run(*words)
    assert done.returncode == 1
    assert "Incorrect Usage: flag provided but not defined: -bogus" in done.stdout
    assert "level=fatal" in done.stderr


def test_flags_of_the_other_distribution_are_refused(k3s, rke2):
    assert "not defined: -profile" in k3s.refuses("server", "--profile=cis")
    assert "not defined: -cni" in k3s.refuses("server", "--cni=none")
    assert "not defined: -flannel-backend" in rke2.refuses("server", "--flannel-backend=none")
    assert "not defined: -cluster-init" in rke2.refuses("server", "--cluster-init")


def test_flags_of_servers_are_no_flags_of_agents(k3s):
    assert "not defined: -cluster-init" in k3s.refuses("agent", "--cluster-init")
    assert "not defined: -tls-san" in k3s.refuses("agent", "--tls-san=x")


def test_an_unknown_key_is_warned_of_as_the_real_ones_do_and_then_refused(k3s):
    k3s.config(K3S + "kubelet-args: [a=b]\n")
    said = k3s.refuses("server")
    assert "Unknown flag --kubelet-args found in config.yaml, skipping" in said
    assert 'stand-in: key \\"kubelet-args\\"' in said


def test_lenient_means_as_the_real_ones(k3s):
    k3s.config(K3S + "kubelet-args: [a=b]\n")
    said = k3s.refuses("server", STANDIN_LENIENT="1")
    assert "skipping" in said
    assert 'kubelet-args\\" of config.yaml' not in said


def test_drop_ins_replace_in_order_and_plus_adds(k3s):
    k3s.config(K3S + "cluster-cidr: 10.1.0.0/16\n")
    k3s.config("cluster-cidr: wrong\n", "config.yaml.d/10.yaml")
    assert "invalid cluster-cidr wrong" in k3s.refuses("server")
    k3s.config("cluster-cidr: 10.2.0.0/16\n", "config.yaml.d/20.yaml")
    k3s.config("cluster-cidr+: [bad]\n", "config.yaml.d/30.yaml")
    assert "invalid cluster-cidr bad" in k3s.refuses("server")
    k3s.config("not read", "config.yaml.d/40.conf")
    assert "invalid cluster-cidr bad" in k3s.refuses("server")


def test_the_command_line_wins_over_the_environment_and_both_over_the_file(k3s):
    k3s.config("server: file\ntoken: x\n")
    assert "invalid scheme: file" in k3s.refuses("agent")
    assert "invalid scheme: env" in k3s.refuses("agent", K3S_URL="env")
    assert "invalid scheme: flag" in k3s.refuses("agent", "--server", "flag", K3S_URL="env")
    assert "invalid scheme: short" in k3s.refuses("agent", "-s", "short")


def test_values_must_have_the_right_kind(k3s):
    assert "for flag -lb-server-port: parse error" in k3s.refuses("agent", "--lb-server-port=many")
    assert "for flag -cluster-init: parse error" in k3s.refuses("server", "--cluster-init=perhaps")
    assert "flag needs an argument: -token" in k3s.refuses("agent", "--token")


def test_an_agent_needs_token_and_server(k3s):
    assert "--token is required" in k3s.refuses("agent", "--server=https://127.0.0.1:6443")
    assert "--server is required" in k3s.refuses("agent", "--token=x")


def test_restore_needs_reset_and_a_snapshot_that_is_there(k3s):
    k3s.config(K3S)
    assert "--cluster-reset required with --cluster-reset-restore-path" in k3s.refuses("server", "--cluster-reset-restore-path=x")
    said = k3s.refuses("server", "--cluster-reset", "--cluster-reset-restore-path=/not/there")
    assert "etcd: snapshot path does not exist: /not/there" in said
    assert "etcd database not found" in k3s.refuses("server", "--cluster-reset")


def test_a_second_reset_is_refused_until_the_flag_file_is_gone(k3s):
    k3s.config(K3S)
    flag = k3s.root / "var/lib/rancher/k3s/server/db/reset-flag"
    flag.parent.mkdir(parents=True)
    flag.touch()
    assert "was previously reset, please remove the cluster-reset flag" in k3s.refuses("server", "--cluster-reset")


def test_a_taken_port_is_named(k3s):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        k3s.config(K3S + f"cluster-init: true\nhttps-listen-port: {port}\n")
        said = k3s.refuses("server")
    assert f"listen tcp 127.0.0.1:{port}: bind: address already in use" in said


def test_what_is_not_imitated_is_said(k3s, rke2):
    assert "stand-in: there is no flannel here" in k3s.refuses("server", "--flannel-backend=vxlan")
    assert 'unknown flannel backend \\"ipsec\\"' in k3s.refuses("server", "--flannel-backend=ipsec")
    assert "stand-in: --cni=canal" in rke2.refuses("server")
    assert "must be one of" in rke2.refuses("server", "--cni=weave")
    assert "valid items: coredns" in k3s.refuses("server", "--flannel-backend=none", "--disable=treafik")
    assert "valid items: rke2-coredns" in rke2.refuses("server", "--cni=none", "--disable=traefik")


def test_tokens_have_a_form(k3s):
    k3s.config(K3S + "server: https://127.0.0.1:1\n")
    assert "invalid token CA hash length" in k3s.refuses("server", "--token=K10abc::server:x")
    assert "invalid token format" in k3s.refuses("server", f"--token=K10{'0' * 64}::x")
    assert "failed to get CA certs" in k3s.refuses("server", "--token=x")
    assert "token must not be empty" in k3s.refuses("server")
    k3s.config(K3S + "server: http://127.0.0.1:1\n")
    assert "only https:// URLs are supported" in k3s.refuses("server", "--token=x")


def test_a_token_file_must_hold_something(k3s, tmp_path):
    (tmp_path / "token").write_text("\n")
    k3s.config(K3S + f"token-file: {tmp_path}/token\n")
    assert "is empty" in k3s.refuses("server", "--cluster-init")


def profile(rke2, **values):
    wanted = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1}
    for name, value in {**wanted, **values}.items():
        path = rke2.root / "proc/sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")


def test_profile_cis_asks_for_kernel_settings_and_the_etcd_user(rke2):
    rke2.config(RKE2 + "profile: cis\n")
    profile(rke2, **{"kernel/panic": 0, "vm/overcommit_memory": 0})
    said = rke2.refuses("server")
    assert "invalid kernel parameter value kernel.panic=0 - expected 10" in said
    assert "invalid kernel parameter value vm.overcommit_memory=0 - expected 1" in said
    profile(rke2)
    assert "missing required: user: unknown user etcd" in rke2.refuses("server")
    assert "must be true when using --profile=cis" in rke2.refuses("server", "--protect-kernel-defaults=false")
    assert "invalid value provided for --profile flag" in rke2.refuses("server", "--profile=cis-1.6")


def test_profile_cis_asks_no_etcd_user_of_agents(rke2):
    profile(rke2)
    assert "--token is required" in rke2.refuses("agent", "--profile=cis", "--server=https://127.0.0.1:9345")


def test_commands_that_ask_the_server_say_that_none_answers(k3s):
    said = k3s.refuses("secrets-encrypt", "status", "--token=x", "--server=https://127.0.0.1:1")
    assert "failed to get CA certs" in said
    assert "no such file or directory" in k3s.refuses("secrets-encrypt", "status")
    assert "etcd database not found" in k3s.refuses("etcd-snapshot", "save")
    assert "no snapshots given for removal" in k3s.refuses("etcd-snapshot", "delete")
    assert "does not take any arguments" in k3s.refuses("etcd-snapshot", "save", "name")
    assert "invalid output format: xml" in k3s.refuses("etcd-snapshot", "ls", "--output=xml")
    assert "service kublet is not recognized" in k3s.refuses("certificate", "rotate", "--service=kublet")
