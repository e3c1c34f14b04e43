"""The stories of `sloth certs rotate`: what is rotated is renewed node by node, and each is well before the next is touched."""

from __future__ import annotations

from collections.abc import Sequence

from sloth.contracts.lifecycle import RotatesTokens
from sloth.flows.up import Tools
from sloth.model.phase import Phase
from sloth.phases.authorities import CrossSign, MakeAuthority, RotateAuthorities
from sloth.phases.certs import RenewCertificates
from sloth.phases.connect import Connect
from sloth.phases.encryption import EncryptionKey, EncryptSecrets
from sloth.phases.inspect import Inspect
from sloth.phases.kubeconfig import ReadKubeconfig
from sloth.phases.own_keys import RotateOwnKeys
from sloth.phases.rotate import RevokeTokens, RotateMeshKey, RotateSshKey
from sloth.phases.survey import Survey
from sloth.phases.tokens import RotateTokens


def _look(tools: Tools) -> list[Phase]:
    return [Survey(), Connect(tools.login_for, rotate=False), Inspect(tools.distribution)]


def leaves(tools: Tools) -> list[Phase]:
    """Every certificate that is no authority, and the administrator's kubeconfig."""
    return [*_look(tools), RenewCertificates(tools.distribution), ReadKubeconfig(tools.distribution)]


def authorities(tools: Tools, make: MakeAuthority, sign: CrossSign) -> list[Phase]:
    """New certificate authorities. The record's kubeconfig trusts both from the moment on from which everybody does."""
    return [
        *_look(tools),
        RotateAuthorities(tools.distribution, make, sign, until="trust", title="Trust new certificate authorities"),
        ReadKubeconfig(tools.distribution),
        RotateAuthorities(tools.distribution, make, sign),
        ReadKubeconfig(tools.distribution),
    ]


def join_tokens(tools: Tools) -> list[Phase]:
    """No token that exists lets anybody join."""
    kept = isinstance(tools.distribution, RotatesTokens)
    change = RotateTokens(tools.distribution, tools.make_seed) if kept else RevokeTokens(tools.distribution)
    return [*_look(tools), change]


def mesh_keys(tools: Tools, nodes: Sequence[str]) -> list[Phase]:
    """A new WireGuard key for each of these nodes, one node after the other, all its pairs proven before the next."""
    found = _look(tools)
    for name in nodes:
        found += [RotateMeshKey(name), Inspect(tools.distribution)]
    return found


def ssh_key(tools: Tools) -> list[Phase]:
    """A new key with which sloth logs in to the machines that it made."""
    return [*_look(tools), RotateSshKey(tools.make_key, tools.login_for)]


def encryption_key(tools: Tools) -> list[Phase]:
    """A new key for Secrets at rest; goes on with a rotation that was cut off."""
    return [
        *_look(tools),
        RotateOwnKeys(tools.distribution),
        EncryptionKey(tools.distribution, tools.make_seed, renew=True),
        EncryptSecrets(tools.distribution),
    ]
