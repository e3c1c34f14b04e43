"""The page for those who know other Python clients: its programs print what it says, and what it names is there."""

import re
import subprocess
from pathlib import Path

import pytest

from sloth.kube import Client
from sloth.kube.fronts.manifests import Manifests
from sloth.kube.fronts.rollout import Rollout
from tests.bench.kube import bench_home
from tests.kube.world import world

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "guide" / "coming-from-python-clients.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", TEXT, re.M | re.S)
ROWS = [(theirs, ours) for theirs, ours in re.findall(r"^\| (`.+?) \| (.+?) \|$", TEXT, re.M) if "sloth.kube" not in ours]


@pytest.mark.parametrize(("program", "said"), PROGRAMS, ids=range(len(PROGRAMS)))
def test_program(program, said, tmp_path, monkeypatch, capsys):
    with world(tmp_path, monkeypatch):
        exec(compile(program, "page", "exec"), {})
    assert capsys.readouterr().out == said


def test_every_program_says_what_it_prints():
    assert len(PROGRAMS) == TEXT.count("```python") >= 4


@pytest.mark.parametrize("ours", [ours for _, ours in ROWS])
def test_what_is_named_of_ours_is_there(ours):
    for group, name in re.findall(r"\b[cC]lient\.(rollout\.|manifests\.)?(\w+)\(", ours):
        kind = {"": Client, "rollout.": Rollout, "manifests.": Manifests}[group]
        assert hasattr(kind, name), ours
    for name in re.findall(r"`(\w+)\(", ours):
        assert name in ("Client", "AsyncClient", "Informer", "view"), ours


# What a row names of another client, looked up in that client.
LOOKED_UP = """
import kr8s, kr8s.objects, lightkube, lightkube.codecs, kubernetes
from kubernetes import client, config, utils, watch
import kubernetes.informer, kubernetes.stream
for name in ("list_namespaced_pod", "list_pod_for_all_namespaces", "read_namespaced_pod", "read_node",
             "create_namespaced_config_map", "read_namespaced_pod_log", "connect_get_namespaced_pod_exec"):
    getattr(client.CoreV1Api, name)
client.CustomObjectsApi.get_namespaced_custom_object, client.AppsV1Api.patch_namespaced_deployment_scale
client.AuthorizationV1Api.create_self_subject_access_review, client.AuthenticationV1Api.create_token_review
config.load_kube_config, config.load_incluster_config, utils.create_from_yaml, watch.Watch.stream
kubernetes.informer.SharedInformer, kubernetes.stream.portforward, client.V1DeleteOptions
kr8s.get, kr8s.ALL, kr8s.asyncio
for name in ("get", "raw", "scale", "wait", "ready", "logs", "exec", "portforward"):
    getattr(kr8s.objects.Pod, name)
kr8s.objects.Node.cordon, kr8s.objects.Node.uncordon, kr8s.objects.Node.taint, kr8s.objects.Deployment.pods
for name in ("list", "get", "patch", "apply", "set", "log", "wait", "exec"):
    getattr(lightkube.Client, name)
lightkube.AsyncClient, lightkube.codecs.load_all_yaml
"""


def test_what_is_named_of_theirs_is_there():
    python = bench_home() / "bin" / "python"
    if not python.exists():
        pytest.skip("there is no environment with the other clients: make bench")
    done = subprocess.run([python, "-c", LOOKED_UP], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    for word in re.findall(
        r"\b(?:read|list|create|patch|connect)_\w+(?=\()|for_conditions|load_all_yaml|portforward", " ".join(t for t, _ in ROWS)
    ):
        assert word in LOOKED_UP + "for_conditions", word
