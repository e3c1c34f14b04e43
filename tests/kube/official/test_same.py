"""Each call of the corpus by both clients: the same request (recorded by the fake server), the same result from both servers."""

import contextlib
import json
import os
import re
import secrets
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from sloth.kube import Client
from sloth.testing import kube_logs
from sloth.testing.kube import FakeKube
from tests.bench.kube import bench_home
from tests.kube.conftest import QUICK
from tests.kube.official import ours
from tests.kube.test_contract import CRD, wait_for
from tests.kube.workloads.conftest import make_node, node
from tests.kube.workloads.kubelet import Kubelet

PROGRAM = Path(__file__).with_name("theirs.py")
NAMES = [name for name, _ in ours.corpus(None, None, "s")]
# What ours gives in another shape than the object that the server answers with.
SHAPES = {
    "may I": lambda found: found["status"]["allowed"],
    "may I read a path": lambda found: found["status"]["allowed"],
    "whose token": lambda found: {"authenticated": found["status"].get("authenticated", False)},
}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PASSING = {
    "uid",
    "deletionTimestamp",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "time",
}  # differ from run to run


class Recorder(FakeKube):
    """The fake server, which also keeps bodies. `case` is the call under way, where the request does not say."""

    case = ""

    def answer(self, method, target, headers, body):
        self.kept.setdefault(headers.get("x-case", self.case), []).append((method, target, headers, body))
        return super().answer(method, target, headers, body)


@pytest.fixture(scope="module")
def python():
    """An interpreter that has the official client: the benchmarks' own."""
    found = bench_home() / "bin" / "python"
    if not found.exists():
        pytest.skip("there is no environment with the official client: make bench")
    return found


@contextlib.contextmanager
def prepared(server, client, folder):
    """Two namespaces, each with a pod that has a log, and the kind `widgets`."""
    client.apply(CRD, force=True)
    wait_for(lambda: any(each.plural == "widgets" for each in client.resources()))
    spaces = [f"o-{secrets.token_hex(4)}" for _ in range(2)]
    with Kubelet(folder) as kubelet:
        make_node(client, spaces[0])
        status = {**node(spaces[0])["status"], "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": kubelet.port}}
        client.patch("nodes", spaces[0], {"status": status}, subresource="status")
        for space in spaces:
            client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
            spec = {"containers": [{"name": "app", "image": "i"}, {"name": "b", "image": "i"}], "nodeName": spaces[0]}
            kubelet.runs(client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"}, "spec": spec}, space))
            for state in (kubelet.state, getattr(server, "state", None)):
                if state:
                    kube_logs.write(state, "web-0", "one", "two", "drei ü", namespace=space)
        yield spaces
        client.delete("nodes", spaces[0])
        client.delete("crds", "widgets.sloth.test")
        wait_for(lambda: not client.list("crds", fields="metadata.name=widgets.sloth.test"))


def by_theirs(python, connection, space, folder):
    """Results of the official client, by name."""
    (folder / "ca.crt").write_bytes(connection.ca)
    ca = str(folder / "ca.crt") if connection.ca else ""
    settings = {"url": connection.server, "token": connection.token.reveal(), "ca": ca}
    done = subprocess.run(
        [python, PROGRAM, json.dumps(settings), space], input=json.dumps(ours.things(space)), capture_output=True, text=True,
        timeout=120, check=False, env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["name"] for each in found] == NAMES
    return {each.pop("name"): each for each in found}


def by_ours(connection, space, server):
    """Ours, by name."""
    found = {}
    with Client(connection, policy=QUICK, manager="check") as client, Client(connection, policy=QUICK, manager="other") as other:
        for name, call in ours.corpus(client, other, space):
            server.case = f"ours: {name}"
            found[name] = ours.carried_out(call)
        server.case = ""
    return found


@pytest.fixture(scope="module")
def fake_runs(python, tmp_path_factory):
    """Both runs against the fake server: results, and requests by call."""
    folder = tmp_path_factory.mktemp("official")
    with Recorder() as server, Client(server.connection, policy=QUICK) as client:
        server.kept = {}
        with prepared(server, client, folder) as spaces:
            server.kept.clear()
            results = by_theirs(python, server.connection, spaces[0], folder), by_ours(server.connection, spaces[1], server)
            kept = dict(server.kept)
    return spaces, results, kept


@pytest.fixture(scope="module")
def real_runs(python, real_server, tmp_path_factory):
    """Both runs against the real one: results."""
    folder = tmp_path_factory.mktemp("official-real")
    with Client(real_server.connection, policy=QUICK) as client, prepared(real_server, client, folder) as spaces:
        theirs = by_theirs(python, real_server.connection, spaces[0], folder)
        return spaces, (theirs, by_ours(real_server.connection, spaces[1], real_server))


def plain(value, space):
    """Without what differs from run to run, what is empty, and the namespace's name; times in one form."""
    if isinstance(value, dict):
        found = {key: plain(each, space) for key, each in value.items() if key not in PASSING}
        return {key: each for key, each in found.items() if each not in (None, {}, [], "")}
    if isinstance(value, list):
        return [plain(each, space) for each in value]
    return value.replace(space, "SPACE").removesuffix("+00:00").removesuffix("Z") if isinstance(value, str) else value


def result(said, space, shape=None):
    if "result" not in said:
        return plain({**said, "message": UUID.sub("UUID", said["message"])}, space)
    found = said["result"]
    found = shape(found) if shape else found
    if isinstance(found, dict) and isinstance(found.get("items"), list):  # items that say what they are: ours does, theirs not
        items = [{key: value for key, value in each.items() if key not in ("kind", "apiVersion")} for each in found["items"]]
        meta = {**found["metadata"], "continue": bool(found["metadata"].get("continue"))}  # the token holds a version
        found = {**found, "items": items, "metadata": meta}
    return plain(found, space)


def same(name, spaces, results):
    theirs, mine = results
    got, wanted = result(mine[name], spaces[1]), result(theirs[name], spaces[0], SHAPES.get(name))
    if isinstance(wanted, dict) and "message" in wanted:  # ours may say more, such as who owns the fields
        got["message"] = got["message"][: len(wanted["message"])]
    assert got == wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_same_result_from_the_fake(name, fake_runs):
    same(name, *fake_runs[:2])


@pytest.mark.kube
@pytest.mark.parametrize("name", NAMES)
def test_the_same_result_from_the_real_one(name, real_runs):
    same(name, *real_runs)


def request(kept, space):
    """Method, path, query, body and content type. Booleans of a query may be written either way."""
    method, target, headers, body = kept
    parts = urlsplit(target)
    query = {key: value.replace(space, "SPACE") for key, value in parse_qsl(parts.query)}
    query = {key: value.lower() if value in ("True", "False") else value for key, value in query.items()}
    query = {key: value for key, value in query.items() if value != "false"}
    if "watch" in query:
        query |= {"timeoutSeconds": "some", "resourceVersion": "some"}
    if "continue" in query:
        query["continue"] = "some"
    said = plain(json.loads(body), space) if body else None
    if isinstance(said, dict) and said.get("kind") in ("SelfSubjectAccessReview", "TokenReview"):
        said = said["spec"]  # ours says what it is, theirs leaves that to the path
    elif isinstance(said, dict) and set(said) == {"spec"}:
        said = said["spec"]
    # Where theirs does not say what a body is, the server takes it for JSON, which ours says.
    kind = headers.get("content-type", "application/json") if body else None
    return method, parts.path.replace(space, "SPACE"), query, said, kind


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request(name, fake_runs):
    spaces, _, kept = fake_runs
    theirs = [request(each, spaces[0]) for each in kept[name.encode("ascii", "replace").decode()]]
    mine = [request(each, spaces[1]) for each in kept[f"ours: {name}"]]
    assert mine == theirs


def test_the_corpus_is_wide():
    assert len(NAMES) == len(set(NAMES)) >= 40
