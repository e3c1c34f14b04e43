"""Messages that JSON shows as something else than an object: times, quantities, numbers or text, JSON within.

Forms: the MarshalJSON methods of k8s.io/apimachinery (meta/v1 Time, MicroTime, Duration, FieldsV1; api/resource Quantity;
util/intstr IntOrString; runtime RawExtension) and k8s.io/apiextensions-apiserver (JSON, JSONSchemaPropsOr…).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

Take: TypeAlias = Callable[[Any], Any]
_START = datetime(1970, 1, 1, tzinfo=UTC)


def quantity(message: Any) -> str:
    """As it was written."""
    text: str = message.string
    return text or "0"


@lru_cache(4096)
def _moment(seconds: int) -> str:
    return (_START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def time(message: Any) -> str | None:
    """RFC 3339 to the second, in UTC; none is the zero time."""
    return f"{_moment(message.seconds)}Z" if message.ListFields() else None


def micro_time(message: Any) -> str | None:
    """RFC 3339 to the microsecond, in UTC; none is the zero time."""
    return f"{_moment(message.seconds)}.{message.nanos // 1000:06}Z" if message.ListFields() else None


def duration(message: Any) -> str:
    """As Go writes durations (pkg.go.dev, time, Duration.String): `1h2m3.5s`, `1.5ms`."""
    total: int = message.duration
    sign, total = ("-", -total) if total < 0 else ("", total)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if 0 < total < size * 1000 and total < 1_000_000_000:
            return sign + _decimal(total, size) + unit
    hours, rest = divmod(total, 3_600_000_000_000)
    minutes, rest = divmod(rest, 60_000_000_000)
    head = f"{hours}h" if hours else ""
    head += f"{minutes}m" if hours or minutes else ""
    return f"{sign}{head}{_decimal(rest, 1_000_000_000)}s"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def int_or_string(message: Any) -> int | str:
    """Whichever it is."""
    found: int | str = message.strVal if message.type else message.intVal
    return found


def fields(message: Any) -> Any:
    """JSON in bytes."""
    return _json(message.Raw)


def within(message: Any) -> Any:
    """JSON in bytes."""
    return _json(message.raw)


def _json(raw: bytes) -> Any:
    return msgspec.json.decode(raw) if raw else None


def schema_or_array(schema: Take) -> Take:
    """One schema, or several."""

    def take(message: Any) -> Any:
        return [schema(each) for each in message.jSONSchemas] or (schema(message.schema) if message.HasField("schema") else None)

    return take


def schema_or_bool(schema: Take) -> Take:
    """A schema, or yes or no."""
    return lambda message: schema(message.schema) if message.HasField("schema") else message.allows


def schema_or_texts(schema: Take) -> Take:
    """A schema, or names of properties."""

    def take(message: Any) -> Any:
        return list(message.property) or (schema(message.schema) if message.HasField("schema") else None)

    return take


def items(message: Any) -> list[Any]:
    """A list that is a message of its own, so that there can be none."""
    return list(message.items)
