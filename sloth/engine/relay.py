"""A call that is carried out by another one: each thing that it wants is looked at on its way out."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def relayed(call: Generator[Any, Any, T], look: Callable[[Any], Any]) -> Generator[Any, Any, T]:
    """The same call with what `look` makes of each wish; what `look` raises ends the call."""
    try:
        wanted = next(call)
        while True:
            wish = look(wanted)
            try:
                answer = yield wish
            except Exception as error:
                wanted = call.throw(error)
            else:
                wanted = call.send(answer)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        call.close()
