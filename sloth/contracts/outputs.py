"""Little turns of outputs that programs of several clouds need."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from sloth.model.cloud import ServerPlan


def number(value: Any) -> Any:
    """An id as the number that it is: ids are texts. Of an id with its parents' before it (`12,34`) it is the last."""
    import pulumi

    return pulumi.Output.from_input(value).apply(lambda text: int(str(text).rpartition(",")[2]))


def fitting(tags: Mapping[str, str], strange: str, instead: str = "_", most: int = 255) -> dict[str, str]:
    """Tags with what the cloud's rules allow in their keys: what the regular expression `strange` finds becomes `instead`."""
    return {re.sub(strange, instead, key)[:most]: value for key, value in tags.items()}


def user_data(server: ServerPlan, *, encoded: bool = False) -> Any:
    """The server's user-data as a secret of the engine; in base64 where the cloud wants that."""
    import pulumi

    text = server.user_data.reveal()
    return pulumi.Output.secret(base64.b64encode(text.encode()).decode() if encoded else text)
