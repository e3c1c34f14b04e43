"""Several of a cloud plugin's questions at once: one after the other, a cluster of a hundred machines would take a minute."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

Key = TypeVar("Key")
WIDTH = 16  # questions at once


def one(absent: str, question: Callable[..., Any], **about: Any) -> Any:
    """The answer to one question; None = refused with a text that the regular expression `absent` finds something in.

    Raises what the question raised otherwise.
    """
    try:
        return question(**about)
    except Exception as error:  # the SDK has no class for it
        if absent and re.search(absent, str(error), re.IGNORECASE):
            return None
        raise


def together(questions: Sequence[Callable[[], Any]], absent: str = "") -> list[Any]:
    """Answers in the order of the questions, `absent` as for `one`.

    A question is a provider function with its arguments, `partial(compute.get_instance, name=…)`.
    Raises what any of them raised otherwise.
    """
    with ThreadPoolExecutor(WIDTH) as pool:
        jobs = [pool.submit(copy_context().run, partial(_answer, question, absent)) for question in questions]
    return [job.result() for job in jobs]


def answers(questions: Mapping[Key, Callable[[], Any]], absent: str = "") -> dict[Key, Any]:
    """Answers by the keys of their questions, without those that are absent; in the order of the questions."""
    found = zip(questions, together([*questions.values()], absent), strict=True)
    return {key: answer for key, answer in found if answer is not None}


def _answer(question: Callable[[], Any], absent: str) -> Any:
    """In a thread of its own: the SDK waits in that thread's event loop, and finds the engine in the copied context."""
    loops: list[asyncio.AbstractEventLoop] = []

    def own_loop() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    own_loop()
    try:
        # The SDK makes a loop in any thread that has none, and closes none: so there is a thread for its calls that has one.
        with ThreadPoolExecutor(1, initializer=own_loop) as caller:
            loops[0].set_default_executor(caller)
            return one(absent, question)
    finally:
        for loop in loops:
            loop.close()
