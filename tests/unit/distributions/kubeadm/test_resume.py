"""What init and join do on nodes in every state that a killed run can leave."""

from __future__ import annotations

import json

import pytest
import yaml

from sloth.contracts.distribution import JoinInfo
from sloth.errors import KubernetesError
from sloth.model.secret import Secret
from sloth.model.step import Put, Result

from .clusters import KUBEADM, cluster, facts, kubernetes
from .run import Run, run

LOOK = "look how far the node is"
RESET = "take back an unfinished membership"
OF = cluster(3, 2)
FIRST, SECOND, WORKER = OF.nodes[0], OF.nodes[1], OF.nodes[3]
INFO = JoinInfo(token=Secret("abcdef.0123456789abcdef"), ca_hash="sha256:cafe", certificate_key=Secret("c" * 64))


def init(seen: str) -> Run:
    return run(KUBEADM.first_server(FIRST, OF), {LOOK: seen})


def test_a_bare_node_is_initialised_and_then_stamped() -> None:
    assert init("").titles == [LOOK, "write /etc/kubernetes/sloth-kubeadm.yaml", "kubeadm init", "note the membership"]


def test_a_finished_node_is_never_reset_even_when_its_api_is_down() -> None:
    for seen in ("member", "member\nleft", "member\nanswers\nleft"):
        assert init(seen).titles == [LOOK, "wait for the API server of this node"]


def test_an_unfinished_node_whose_api_answers_is_finished_without_reset() -> None:
    titles = init("answers\nleft").titles
    assert RESET not in titles and "kubeadm init" not in titles
    assert {"kubeadm init phase addon kube-proxy", "kubeadm init phase addon coredns"} <= set(titles)
    assert titles[-1] == "note the membership"


def test_a_half_made_node_is_made_anew() -> None:
    titles = init("left").titles
    assert titles.index(RESET) < titles.index("kubeadm init")


def test_a_taken_port_is_named_with_its_process_before_anything_is_changed() -> None:
    done = init("port 2379 my etcd 4711")
    assert isinstance(done.error, KubernetesError) and done.error.code == "kubernetes/port-taken"
    assert "2379" in done.error.summary and "my etcd" in done.error.summary and "control-1" in done.error.summary
    assert "4711" in done.error.hint and done.titles == [LOOK]


def test_ports_of_an_own_unfinished_start_are_no_obstacle() -> None:
    assert init("left\nport 6443 kube-apiserver 12").error is None


def join(node: object, seen: str, works: Result | None = None) -> Run:
    answers = {LOOK: seen, "look whether the membership works": works or Result(exit=1)}
    return run(KUBEADM.join(node, OF, INFO), answers)  # type: ignore[arg-type]


@pytest.mark.parametrize("node", [SECOND, WORKER], ids=["server", "worker"])
def test_join(node: object) -> None:
    fresh = join(node, "")
    assert "kubeadm join" in fresh.titles and RESET not in fresh.titles and fresh.titles[-1] == "note the membership"
    assert join(node, "member\nleft").titles == [LOOK, "wait for the node to be a working member again"]
    assert join(node, "left", Result()).titles[2:] == ["note the membership"]
    again = join(node, "left").titles
    assert (
        again.index("wait until Kubernetes sees the old membership as ended") < again.index(RESET) < again.index("kubeadm join")
    )
    assert isinstance(join(node, "port 10250 other 5").error, KubernetesError)


def test_a_joining_servers_reset_takes_only_its_own_etcd_member_out() -> None:
    text = join(SECOND, "left").text(RESET)
    assert "https://10.90.0.1:2379,https://10.90.0.3:2379" in text and ", https://10.90.0.2:2380," in text
    assert "member remove" in join(WORKER, "left").text(RESET) and "-n ''" in join(WORKER, "left").text(RESET).replace('"\'"', "")


def test_join_secrets_are_in_a_private_file_only_and_deleted() -> None:
    done = join(SECOND, "")
    (put,) = [step for step in done.steps if isinstance(step, Put)]
    assert put.mode == 0o600 and isinstance(put.content, Secret)
    document = json.loads(put.content.reveal())
    assert document["discovery"]["bootstrapToken"]["token"] == "abcdef.0123456789abcdef"
    assert document["controlPlane"]["certificateKey"] == "c" * 64
    others = "\n".join(str(step) for step in done.steps if step is not put)
    assert "0123456789abcdef" not in others and "c" * 64 not in others
    assert "delete the join secrets" in done.titles


def test_join_info_asks_for_certificates_only_while_servers_are_missing() -> None:
    token = {"make a join token": "kubeadm join 127.0.0.1:6444 --token a.b --discovery-token-ca-cert-hash sha256:cafe "}
    certificates = {"share the cluster's certificates": f"[upload-certs] Using certificate key:\n{'f' * 64}"}
    missing = cluster(3, 2, facts=facts(OF, "control-1"))
    value = run(KUBEADM.join_info(FIRST, missing), token | certificates).value
    assert value == JoinInfo(token=Secret("a.b"), ca_hash="sha256:cafe", certificate_key=Secret("f" * 64))
    complete = cluster(3, 2, facts=facts(OF, "control-1", "control-2", "control-3"))
    done = run(KUBEADM.join_info(FIRST, complete), token)
    assert done.value.certificate_key is None and "share the cluster's certificates" not in done.titles


def test_join_info_that_cannot_be_read_is_an_error() -> None:
    done = run(KUBEADM.join_info(FIRST, cluster(1, 1, facts=facts(OF, "control-1"))), {"make a join token": "surprise"})
    assert isinstance(done.error, KubernetesError) and done.error.code == "kubeadm/no-join-token"


def test_the_kubeconfig_is_one_secret_line_whose_key_is_known_to_the_masker() -> None:
    import base64

    from sloth.model.secret import mask

    text = "apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user:\n    client-key-data: c2VjcmV0LWtleQ==\n"
    done = run(KUBEADM.kubeconfig(FIRST, OF), {"read the administrator's kubeconfig": base64.b64encode(text.encode()).decode()})
    assert yaml.safe_load(done.value.reveal())["users"][0]["name"] == "a"
    assert mask("c2VjcmV0LWtleQ==") == "***" and mask("apiVersion: v1") == "apiVersion: v1"
    assert run(KUBEADM.kubeconfig(FIRST, OF)).value == Secret("{}")


def documents(**fields: object) -> dict[str, dict[str, object]]:
    of = cluster(3, 2, spec=kubernetes(**fields))
    done = run(KUBEADM.first_server(of.nodes[0], of))
    (put,) = [step for step in done.steps if isinstance(step, Put)]
    assert put.mode == 0o600
    return {each["kind"]: each for each in yaml.safe_load_all(str(put.content))}


def test_init_configuration_follows_the_spec() -> None:
    made = documents(extra_sans=("api.example.com",), hostname="k8s.example.com", args={"etcd": {"quota-backend-bytes": "1"}})
    whole = made["ClusterConfiguration"]
    assert whole["controlPlaneEndpoint"] == "127.0.0.1:6444" and whole["clusterName"] == "shop"
    assert whole["etcd"]["local"]["extraArgs"] == [{"name": "quota-backend-bytes", "value": "1"}]  # type: ignore[index]
    sans = whole["apiServer"]["certSANs"]  # type: ignore[index]
    assert {"127.0.0.1", "10.90.0.1", "10.90.0.3", "192.0.2.2", "api.example.com", "k8s.example.com"} <= set(sans)
    assert made["InitConfiguration"]["localAPIEndpoint"] == {"advertiseAddress": "10.90.0.1", "bindPort": 6443}
    assert made["KubeProxyConfiguration"]["mode"] == "nftables"


@pytest.mark.parametrize("flag", ["anonymous-auth", "authentication-config", "oidc-issuer-url"])
def test_own_authentication_flags_replace_sloths_file(flag: str) -> None:
    made = documents(args={"apiServer": {flag: "x"}})["ClusterConfiguration"]
    flags = {each["name"]: each["value"] for each in made["apiServer"]["extraArgs"]}  # type: ignore[index]
    assert flags[flag] == "x" and flags.get("authentication-config") == ("x" if flag == "authentication-config" else None)
    ordinary = documents()["ClusterConfiguration"]["apiServer"]["extraArgs"]  # type: ignore[index]
    assert {"name": "authentication-config", "value": "/etc/sloth/apiserver/authentication.yaml"} in ordinary
