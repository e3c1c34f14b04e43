"""Asking a cloud through its engine plugin, without changing anything and without a second SDK.

The questions run in a preview of a stack that is empty for good and never in shared state (Engine.scratch).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sloth.adapters.pulumi.stack import SCRATCH, Engine, EngineStack

T = TypeVar("T")


def ask(engine: Engine, question: Callable[[], T]) -> T:
    """What `question`, a program that only calls provider functions, returns. Raises SlothError."""
    answers: list[T] = []
    EngineStack(engine.scratch(), SCRATCH).of_nothing(lambda: answers.append(question()))
    return answers[-1]
