"""Kubernetes quantities: `250m`, `1.5`, `512Mi`, `1e3` (kubernetes.io, "Quantity")."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE])?)$")
_SCALE = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3),
    **{letter: Decimal(1000**power) for power, letter in enumerate("MGTPE", 2)},
    **{f"{letter}i": Decimal(1024**power) for power, letter in enumerate("KMGTPE", 1)},
}  # fmt: skip


def quantity(text: object) -> Decimal:
    """The number that it is: cores, bytes, pieces. What is no quantity counts as nothing."""
    found = _FORM.match(str(text))
    if not found:
        return Decimal(0)
    number, exponent, suffix = found.groups()
    return Decimal(number + exponent) if exponent else Decimal(number) * _SCALE.get(suffix or "", Decimal(1))


def is_quantity(text: str) -> bool:
    """Whether it is one."""
    return bool(_FORM.match(text))


def millicores(value: Decimal) -> str:
    """`250m`, rounded up."""
    return f"{(value * 1000).to_integral_value(ROUND_CEILING)}m"


def mebibytes(value: Decimal) -> str:
    """`512Mi`, rounded down."""
    return f"{int(value / 2**20)}Mi"


def percent(part: Decimal, whole: Decimal) -> str:
    """`42%`, rounded down; nothing of nothing is unknown."""
    return f"{int(part * 100 / whole)}%" if whole else "<unknown>"
