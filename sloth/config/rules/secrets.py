"""Secrets that were written into the spec: refused, and masked from then on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sloth.config.problem import Finding
from sloth.config.tree import Path, Tree, show_path
from sloth.errors import ConfigError
from sloth.model.secret import learn

# Prefixes as the issuers document them: GitHub, GitLab, Slack, AWS, DigitalOcean, Linode/Vultr have none, JWT.
_TOKEN = re.compile(
    r"(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[-\w]{16,}|xox[abprs]-[-\w]{10,}|A[KS]IA[0-9A-Z]{16}|do[opr]_v1_[0-9a-f]{32,}"
    r"|eyJ[-\w]{10,}\.eyJ[-\w]{10,}|AGE-SECRET-KEY-1[0-9A-Z]{20,}|hvs\.[-\w]{20,})"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")
_NAMES = re.compile(r"(token|passw(or)?d|passphrase|secret|credential|api_?-?key|private_?-?key|access_?-?key)", re.IGNORECASE)
_RANDOM = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])[-A-Za-z0-9_+=]{20,}\Z")
_REFERENCE = {"env", "file", "command"}


def secretish(path: Path) -> bool:
    """Whether a field of that name usually holds a secret. `credentialId` and the like name one, and are none."""
    words = (part for part in path if isinstance(part, str) and part != "secret" and not part.endswith("Id"))
    return any(_NAMES.search(word) for word in words)


def literals(tree: Tree) -> Iterator[Finding]:
    """Texts that look like private keys or tokens, wherever they are."""
    for path, node in tree.walk():
        if not isinstance(node.value, str) or _is_reference(path):
            continue
        known = _PRIVATE_KEY.search(node.value) or _TOKEN.search(node.value)
        if known or (secretish(path) and _RANDOM.match(node.value)):
            yield _finding(path, node)


def _is_reference(path: Path) -> bool:
    """`{env: NAME}` and the like: the value is a name, not a secret."""
    return any(part in _REFERENCE for part in path[-2:])


def _finding(path: Path, node: Tree) -> Finding:
    learn(str(node.value))
    kind = "private key" if _PRIVATE_KEY.search(str(node.value)) else "token"
    problem = ConfigError(
        "config/secret-literal",
        f"`{show_path(path)}` holds what looks like a {kind}",
        where=str(node.mark),
        detail="value: ***\nrule: secrets are referred to, never written into the spec",
        hint="remove it here and change the secret, for it has been in a file; fields for secrets take {env: NAME}",
    )
    return Finding(path=path, problem=problem, mark=node.mark)
