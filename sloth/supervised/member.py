"""Founding a cluster and joining one, each resumable at every point.

Facts: `cluster-init` founds (docs.k3s.io "High Availability Embedded etcd"), RKE2 founds where no `server` is given
(docs.rke2.io "High Availability"); servers join one at a time. A server with data ignores `server`, needs it to come back
after its etcd member was lost, and refuses to found anew then (k3s-io/k3s: pkg/cluster/bootstrap.go, pkg/etcd/etcd.go), so it
is given to the founder too as soon as there is a cluster. Tokens: docs.k3s.io "k3s token": a server's lets servers join and
encrypts the bootstrap data, an agent's lets agents join; `K10HASH::USER:PASSWORD` also proves the cluster to who joins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from typing import Any, cast

from sloth.contracts.distribution import JoinInfo
from sloth.errors import KubernetesError
from sloth.hosting.admin import WHY
from sloth.hosting.ports import taken_port
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Script, Step, Wait
from sloth.supervised.clean import reset
from sloth.supervised.config import founding_text, joining_text
from sloth.supervised.flavour import Flavour
from sloth.supervised.state import PORTS, look, note_member, revive, start, wait_working, works

_TOKEN = re.compile(r"^K10([0-9a-f]{64})::server:(\S+)$", re.M)


def found(node: Node, cluster: Cluster, flavour: Flavour, word: Mapping[str, Any]) -> Script[None]:
    """Found the cluster here. A finished node is left alone, an answering one is finished, a half-made one is made anew."""
    seen = cast(Result, (yield look(node, flavour))).out.splitlines()
    if "member" in seen:
        yield [revive(node, flavour)]
        return
    last: list[Step] = [Put(path=flavour.membership, content=joining_text(flavour), mode=0o600), note_member("first", flavour)]
    if "answers" in seen:
        yield [wait_working(node, flavour), *last]
        return
    error = None if "left" in seen else taken_port(node, seen, PORTS)
    if error:
        raise error
    # Nothing of value can be lost: no node but this one was ever a member, and its API never answered.
    before: list[Step] = [reset(node, cluster, flavour)] if "left" in seen else []
    membership = Put(path=flavour.membership, content=founding_text(word), mode=0o600)
    yield [*before, *_make_tokens(flavour), membership, start(node, flavour), wait_working(node, flavour), *last]


def _make_tokens(flavour: Flavour) -> list[Step]:
    """256 random bits each, made on the node, never shown."""
    return [_make_token(path) for path in (flavour.server_token, flavour.agent_token)]


def _make_token(path: str) -> Do:
    random = "head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n'"
    return Do(
        title=f"make {path}",
        unless=f"[ -s {path} ]",
        run=f"umask 077 && mkdir -p {path.rpartition('/')[0]} && {random} >{path}.new && mv {path}.new {path}",
        hint=f"ls -la {path.rpartition('/')[0]} on the node",
    )


def join_info(node: Node, cluster: Cluster, flavour: Flavour) -> Script[JoinInfo]:
    """The agents' password, the cluster's CA hash and, while control-plane nodes are missing, the servers' password."""
    full = f"{flavour.data}/server/token"
    steps: list[Step] = [
        Wait(title="wait for the Kubernetes API", until=flavour.admin.api_answers, diagnose=WHY, hint="sloth status"),
        Ask(title="read the server token", run=f"cat {full}", secret=True, expected=f"K10{'0' * 64}::server:predicted"),
        Ask(title="read the agent token", run=f"cat {flavour.agent_token}", secret=True, expected="predicted"),
    ]
    _, server, agent = cast(list[Result], (yield steps))
    parts = _TOKEN.search(server.out)
    if not parts or not agent.out.strip():
        raise KubernetesError(
            "kubernetes/no-join-token",
            f"{node.name} gave no usable token to join with",
            where=node.name,
            hint=f"sloth ssh {node.name} -- ls -l {full} {flavour.agent_token}",
        )
    more_servers = any(cluster.fact(other.name).get("kube.state") != "joined" for other in cluster.control_plane)
    key = Secret(parts[2])
    return JoinInfo(token=Secret(agent.out.strip()), ca_hash=parts[1], certificate_key=key if more_servers else None)


def join(node: Node, cluster: Cluster, info: JoinInfo, flavour: Flavour) -> Script[None]:
    """Make this node a member. What works is finished, what is half made is taken back and made anew."""
    seen = cast(Result, (yield look(node, flavour))).out.splitlines()
    if "member" in seen:
        yield revive(node, flavour)
        return
    if "left" not in seen:
        error = taken_port(node, seen, PORTS)
        if error:
            raise error
        yield _join(node, info, flavour)
        return
    ask = Ask(
        title="look whether the membership works", run=f"test -e {flavour.membership} && {works(node, flavour)}", check=False
    )
    done = cast(Result, (yield ask)).ok
    yield [note_member("joined", flavour)] if done else [reset(node, cluster, flavour), *_join(node, info, flavour)]


def _join(node: Node, info: JoinInfo, flavour: Flavour) -> list[Step]:
    return [
        Wait(
            title="wait for the Kubernetes API",
            until=flavour.admin.api_answers,
            diagnose="systemctl --no-pager status sloth-api-balancer; journalctl -u sloth-api-balancer -n 20 --no-pager -o cat",
            hint=f"no control-plane node is reachable from {node.name}: sloth status",
        ),
        *_tokens(node, info, flavour),
        Put(path=flavour.membership, content=joining_text(flavour), mode=0o600),
        start(node, flavour),
        wait_working(node, flavour),
        note_member("joined", flavour),
    ]


def _tokens(node: Node, info: JoinInfo, flavour: Flavour) -> list[Step]:
    """A server needs the agents' password bare, to compare it with theirs; what a node joins with proves the cluster to it."""
    password = info.token.reveal()
    if not node.is_control_plane:
        return [Put(path=flavour.agent_token, content=Secret(f"K10{info.ca_hash}::node:{password}"), mode=0o600)]
    key = info.certificate_key.reveal() if info.certificate_key else ""
    return [
        Put(path=flavour.server_token, content=Secret(f"K10{info.ca_hash}::server:{key}"), mode=0o600),
        Put(path=flavour.agent_token, content=info.token, mode=0o600),
    ]


def kubeconfig(flavour: Flavour) -> Script[Secret]:
    """Read the administrator's. As one line of JSON (which is YAML), so that the masker learns no ordinary line of it."""
    import base64
    import json

    import yaml

    ask = Ask(title="read the administrator's kubeconfig", run=f"cat {quote(flavour.kubeconfig)} | base64 -w0", secret=True)
    document = yaml.safe_load(base64.b64decode(cast(Result, (yield ask)).out)) or {}
    for user in document.get("users", ()) if isinstance(document, Mapping) else ():
        Secret(str(user["user"].get("client-key-data", "")))  # known to the masker on its own from here on
    return Secret(json.dumps(document))
