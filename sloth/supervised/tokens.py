"""Other passwords for joining on every node: the servers' by the supervisor's own command, the agents' in its file of passwords.

`token rotate` on one server makes a new password for servers, and seals with it the bootstrap data, which it reads from the disk
then; afterwards every server must start with it (docs.k3s.io "k3s token", docs.rke2.io "Token Management"; k3s-io/k3s
pkg/server/handlers/token.go). This very server must do it, not one that the configuration names for joining. No new token is
given to it: it would be seen among the arguments of the command. The agents' password is part of that data: it is changed in the
file of passwords just before, not by a start of its own, for a server whose file of passwords is newer than the datastore's does
not start (pkg/cluster/bootstrap.go, ReconcileBootstrapData).
"""

from __future__ import annotations

import re
from typing import cast

from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.join_tokens import JoinTokens
from sloth.model.node import Node
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Script, Step
from sloth.supervised.flavour import Flavour
from sloth.supervised.prepare import RESTART, TEXTS
from sloth.supervised.state import wait_working

_TOKEN = re.compile(r"^(K10[0-9a-f]{64})::server:\S+$")


def renew(node: Node, cluster: Cluster, tokens: JoinTokens, flavour: Flavour) -> Script[Secret]:
    """On the first server; answers the servers' new token. A second try may make another one: nobody else has the first yet."""
    full = f"{flavour.data}/server/token"
    steps: list[Step] = [
        Put(path=flavour.agent_token, content=tokens.agent, mode=0o600),
        Do(
            title="have other passwords for joining",
            unless=_noted(tokens, "made", flavour),
            run=TEXTS.text(
                "rotate-tokens.sh",
                UNIT=flavour.server_unit,
                ROTATE=f"{flavour.binary} token rotate {flavour.itself}",
                AGENT=flavour.agent_token,
                PASSWORDS=f"{flavour.data}/server/cred/passwd",
                FULL=full,
                SERVER=flavour.server_token,
                NOTE=_note(flavour),
                ID=tokens.id,
            ),
            timeout=120.0,
            hint=f"journalctl -u {flavour.server_unit} -n 50 on the node",
        ),
        *_restarted(node, tokens, flavour),
        Ask(title="read the servers' token", run=f"cat {full}", secret=True, expected=f"K10{'0' * 64}::server:predicted"),
    ]
    said = cast(list[Result], (yield steps))[-1].out.strip()
    if not _TOKEN.match(said):
        raise KubernetesError(
            "kubernetes/no-join-token",
            f"{node.name} gave no usable token to join with",
            where=node.name,
            hint=f"sloth ssh {node.name} -- ls -l {full}",
        )
    return Secret(said)


def take(node: Node, tokens: JoinTokens, flavour: Flavour) -> Script[None]:
    """On all others: the files, and a start with them."""
    assert tokens.server is not None  # noqa: S101  the first server comes first
    found = _TOKEN.match(tokens.server.reveal())
    assert found is not None  # noqa: S101  `renew` has looked
    agent = tokens.agent if node.is_control_plane else Secret(f"{found[1]}::node:{tokens.agent.reveal()}")
    files: list[Step] = [Put(path=flavour.agent_token, content=agent, mode=0o600)]
    if node.is_control_plane:
        files.append(Put(path=flavour.server_token, content=tokens.server, mode=0o600))
    yield [*files, *_restarted(node, tokens, flavour)]


def _note(flavour: Flavour) -> str:
    return f"/etc/sloth/{flavour.name}/tokens"


def _noted(tokens: JoinTokens, what: str, flavour: Flavour) -> str:
    return f"grep -q '^{tokens.id} .*{what}' {_note(flavour)} 2>/dev/null"


def _restarted(node: Node, tokens: JoinTokens, flavour: Flavour) -> list[Step]:
    """A start with what lies there now, unless the node has noted that it had one; then the note."""
    unit = flavour.unit(server=node.is_control_plane)
    started = _noted(tokens, "started", flavour)
    return [
        Do(
            title=f"restart {unit} with new tokens",
            unless=started,
            run=RESTART if node.is_control_plane else f"systemctl restart {unit}",
            timeout=1500.0,
            hint=f"journalctl -u {unit} -n 100 on {node.name}",
        ),
        wait_working(node, flavour, title="wait until the node works with them"),
        Do(title="note the tokens", unless=started, run=f"echo '{tokens.id} made started' >{_note(flavour)}"),
    ]
