"""kubeconfig files: which count, how they are merged, what is made of them."""

import base64
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import KubernetesError, SlothError, UsageError
from sloth.kube import kubeconfig
from sloth.kube.in_cluster import in_cluster

NAMES = st.sampled_from(["a", "b", "c"])


def entries(kind, inner, values):
    return {kind: [{"name": name, inner: body} for name, body in values.items()]}


DOCUMENT = st.fixed_dictionaries(
    {},
    optional={
        "current-context": st.sampled_from(["", "a", "b"]),
        "clusters": st.dictionaries(NAMES, st.fixed_dictionaries({"server": st.sampled_from(["https://1", "https://2"])})),
        "users": st.dictionaries(NAMES, st.fixed_dictionaries({"token": st.sampled_from(["token-one", "token-two"])})),
        "contexts": st.dictionaries(NAMES, st.fixed_dictionaries({"cluster": NAMES, "user": NAMES})),
    },
)


def written(document):
    inner = {"clusters": "cluster", "users": "user", "contexts": "context"}
    listed = {key: entries(key, inner[key], value)[key] for key, value in document.items() if key in inner}
    return {**document, **listed}


@given(st.lists(DOCUMENT, max_size=4))
def test_the_first_file_to_name_something_wins_and_entries_are_never_mixed(documents):
    merged = kubeconfig.merge([(written(each), Path("/")) for each in documents])
    for section in ("clusters", "users", "contexts"):
        expected = {}
        for each in reversed(documents):
            expected |= each.get(section, {})
        assert getattr(merged, section) == expected
    assert merged.current == next((each["current-context"] for each in documents if each.get("current-context")), "")


def test_which_files_count(tmp_path):
    given_file = tmp_path / "one"
    env = {"KUBECONFIG": f"{tmp_path}/a::{tmp_path}/b", "HOME": "/home/x"}
    assert kubeconfig.paths(given_file, env) == [given_file]
    assert kubeconfig.paths(None, env) == [tmp_path / "a", tmp_path / "b"]
    assert kubeconfig.paths(None, {"HOME": "/home/x", "KUBECONFIG": ""}) == [Path("/home/x/.kube/config")]


def test_missing_files_of_the_list_are_passed_over_and_a_missing_explicit_one_is_not(tmp_path):
    (tmp_path / "b").write_text(yaml.safe_dump(written({"current-context": "a", "clusters": {"a": {"server": "https://1"}}})))
    loaded = kubeconfig.load(env={"KUBECONFIG": f"{tmp_path}/a:{tmp_path}/b"})
    assert loaded.current == "a"
    with pytest.raises(UsageError):
        kubeconfig.load(tmp_path / "a")


def config(tmp_path, user=None, cluster=None, context=None):
    folder = tmp_path / "sub"
    folder.mkdir(exist_ok=True)
    document = {
        "current-context": "ctx",
        "clusters": [{"name": "c", "cluster": {"server": "https://h:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "ctx", "context": {"cluster": "c", "user": "u", **(context or {})}}],
    }
    (folder / "config").write_text(yaml.safe_dump(document))
    return kubeconfig.load(folder / "config")


def test_paths_are_relative_to_their_file_and_data_wins(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ca.crt").write_bytes(b"from the file")
    (tmp_path / "sub" / "key").write_bytes(b"key from the file")
    data = base64.b64encode(b"from the data").decode()
    found = config(
        tmp_path,
        {"client-key": "key", "client-certificate": "nowhere", "client-certificate-data": data},
        {"certificate-authority": "ca.crt"},
    )
    connection = found.connection()
    assert (connection.ca, connection.client_certificate) == (b"from the file", b"from the data")
    assert connection.client_key.reveal() == "key from the file"
    assert connection.server == "https://h:6443"


def test_everything_else_of_cluster_user_and_context(tmp_path):
    user = {
        "as": "jane",
        "as-groups": ["g1", "g2"],
        "as-uid": "7",
        "as-user-extra": {"sloth.test/Why": ["x", "y"]},
        "token": "a-token-of-a-user",
    }
    cluster = {"tls-server-name": "name", "proxy-url": "http://proxy:1", "insecure-skip-tls-verify": True}
    connection = config(tmp_path, user, cluster, {"namespace": "space"}).connection()
    assert (connection.tls_server_name, connection.proxy, connection.insecure, connection.namespace) == (
        "name",
        "http://proxy:1",
        True,
        "space",
    )
    assert connection.acting_as.headers() == [
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "g1"),
        ("Impersonate-Group", "g2"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-sloth.test%2FWhy", "x"),
        ("Impersonate-Extra-sloth.test%2FWhy", "y"),
    ]
    assert "a-token-of-a-user" not in repr(connection)


def test_a_plugin_by_a_relative_path_is_beside_its_file_and_a_bare_word_is_not(tmp_path):
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "./plugin",
            "args": ["x"],
            "env": [{"name": "A", "value": "1"}],
        }
    }
    plugin = config(tmp_path, user).connection().plugin
    assert (Path(plugin.command), plugin.args, plugin.env) == (tmp_path / "sub" / "plugin", ("x",), (("A", "1"),))
    user["exec"]["command"] = "plugin"
    assert config(tmp_path, user).connection().plugin.command == "plugin"


@pytest.mark.parametrize(
    ("user", "cluster", "said"),
    [
        ({"client-key-data": "no base64!"}, {}, "client-key-data"),
        ({"exec": {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}}, {}, "v1alpha1"),
        ({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "x"}}, {}, "interactiveMode"),
        ({"auth-provider": {"name": "gcp"}}, {}, "auth-provider"),
        ({"token": 5}, {}, "token"),
        ({}, {"server": "h:6443"}, "server"),
        ({}, {"certificate-authority": "nowhere"}, "certificate-authority"),
    ],
)
def test_what_is_not_usable_is_said(tmp_path, user, cluster, said):
    with pytest.raises(KubernetesError) as caught:
        config(tmp_path, user, cluster).connection()
    assert caught.value.code == "kube/config-broken"
    assert said in caught.value.detail


def test_a_broken_file_is_not_quoted(tmp_path):
    (tmp_path / "config").write_text("users: [{name: u, user: {token: 'very-secret-word\n")
    with pytest.raises(KubernetesError) as caught:
        kubeconfig.load(tmp_path / "config")
    assert "very-secret-word" not in str(caught.value.as_dict())
    assert caught.value.__cause__ is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["clusters", "users", "contexts", "name", "cluster", "user", "server", "exec", "command"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_document_holds_the_failure_is_ours(document):
    with suppress(SlothError):
        kubeconfig.merge([(kubeconfig.read(yaml.safe_dump(document).encode(), "f"), Path("/"))]).connection()


def test_other_entries_can_be_chosen_and_unknown_ones_are_refused(tmp_path):
    found = config(tmp_path)
    assert found.connection("ctx", namespace="n").namespace == "n"
    for wrong in ({"context": "x"}, {"cluster": "x"}, {"user": "x"}):
        with pytest.raises(UsageError) as caught:
            found.connection(**wrong)
        assert caught.value.code == "kube/unknown-context"
    with pytest.raises(UsageError) as none:
        kubeconfig.merge([]).connection()
    assert none.value.code == "kube/no-config"


def test_in_a_pod(tmp_path):
    for name, text in (("token", "t"), ("ca.crt", "CA"), ("namespace", "mine\n")):
        (tmp_path / name).write_text(text)
    env = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    connection = in_cluster(env, tmp_path)
    assert (connection.server, connection.ca, connection.namespace) == ("https://[fd00::1]:443", b"CA", "mine")
    assert connection.token_file == tmp_path / "token"
    with pytest.raises(UsageError):
        in_cluster({}, tmp_path)
