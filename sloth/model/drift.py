"""One thing that is not as the spec asks, as `sloth status --drift` lists it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layer = Literal["machines", "mesh", "host", "kubernetes"]


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """`what` is what would be done about it by `sloth up`; `detail` says what differs, where that is known."""

    layer: Layer
    node: str  # "" = the whole cluster
    what: str
    detail: str = ""
    unread: bool = False  # it could not be compared: the node does not answer
