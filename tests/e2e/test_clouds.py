"""One cluster over two clouds, through the real engine: spec, servers, verified SSH, mesh, Kubernetes; scaled; gone.

The clouds are fakes (tests/clouds/fakes) whose servers boot containers with the user-data they were given. The tests of this
module build on each other, in order.
"""

import json
import secrets

import pytest

from tests.e2e.cloud_bed import cloud_bed

SPEC = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: {name}, labels: {{team: web}}}}
spec:
  access: {{ssh: ["172.16.0.0/12"], api: ["172.16.0.0/12"]}}
  providers:
    hcloud: {{size: cx23, location: fsn1}}
    aws: {{region: eu-central-1, size: m7i.large, location: eu-central-1a}}
  pools:
    - {{name: control, role: control-plane, provider: hcloud, count: 1}}
    - {{name: near, role: worker, provider: hcloud, count: 1}}
    - {{name: far, role: worker, provider: aws, count: {far}}}
"""


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    with cloud_bed(tmp_path_factory.mktemp("clouds"), f"c{secrets.token_hex(3)}", ("hcloud", "aws")) as bed:
        bed.spec.write_text(SPEC.format(name=bed.name, far=1))
        yield bed


def nodes_of(bed):
    return {item["metadata"]["name"]: item for item in json.loads(bed.kubectl("get", "nodes", "-o", "json"))["items"]}


def ready(item):
    return {each["type"]: each["status"] for each in item["status"]["conditions"]}["Ready"] == "True"


def test_a_cluster_over_two_clouds_comes_up(clouds):
    data = clouds.up()
    assert sorted(data["nodes"]) == ["control-1", "far-1", "near-1"]
    assert sorted(clouds.lab.boots) == ["control-1", "far-1", "near-1"]


def test_nodes_of_both_are_ready_and_say_where_they_are(clouds):
    nodes = nodes_of(clouds)
    assert all(ready(item) for item in nodes.values())
    labels = {name: item["metadata"]["labels"] for name, item in nodes.items()}
    assert labels["near-1"]["sloth.dev/provider"] == "hcloud"
    assert labels["far-1"]["sloth.dev/provider"] == "aws"
    assert labels["far-1"]["topology.kubernetes.io/region"] == "eu-central-1"
    assert labels["far-1"]["topology.kubernetes.io/zone"] == "eu-central-1a"
    assert labels["control-1"]["topology.kubernetes.io/zone"]


def test_a_second_up_changes_nothing(clouds):
    before = [len(fake.made()) for fake in clouds.fakes.values()]
    assert clouds.up()["changed"] == []
    assert [len(fake.made()) for fake in clouds.fakes.values()] == before


def test_one_more_node_is_one_more_server(clouds):
    clouds.spec.write_text(SPEC.format(name=clouds.name, far=2))
    clouds.up()
    assert clouds.lab.boots[3:] == ["far-2"]
    assert ready(nodes_of(clouds)["far-2"])


def test_one_node_less_goes_from_kubernetes_and_from_the_cloud(clouds):
    clouds.spec.write_text(SPEC.format(name=clouds.name, far=1))
    clouds.up()
    assert sorted(nodes_of(clouds)) == ["control-1", "far-1", "near-1"]
    assert clouds.lab.boots[4:] == []
    assert sorted(item.name for fake in clouds.fakes.values() for item in fake.items.values() if "far-2" in item.name) == []


def test_down_leaves_nothing_at_either(clouds):
    assert "0 billable resources left" in clouds.sloth("down", "--yes").stdout
    assert [str(key) for fake in clouds.fakes.values() for key in fake.items] == []
    assert clouds.leftovers() and len(clouds.leftovers()) == 1  # the lab's own network
