"""The administrator's kubeconfig."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import cast

from sloth.api import Ask, Result, Script, Secret


def read() -> Script[Secret]:
    """Read admin.conf. As one line of JSON (which is YAML), so that the masker learns no ordinary line of it."""
    import yaml

    ask = Ask(title="read the administrator's kubeconfig", run="cat /etc/kubernetes/admin.conf | base64 -w0", secret=True)
    document = yaml.safe_load(base64.b64decode(cast(Result, (yield ask)).out)) or {}
    for user in document.get("users", ()) if isinstance(document, Mapping) else ():
        Secret(str(user["user"].get("client-key-data", "")))  # known to the masker on its own from here on
    return Secret(json.dumps(document))
