"""Examples in docstrings, run as they are printed: `>>>` lines with what they show, with `await` where they are async."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import traceback

CHECK = doctest.OutputChecker()
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public(kind):
    """Names of what a class has for its users, its own and inherited from our classes, with their docstrings."""
    for name in sorted(dir(kind)):
        if name.startswith("_"):
            continue
        found = inspect.getattr_static(kind, name)
        if isinstance(found, classmethod | staticmethod):
            found = found.__func__
        if callable(found) or isinstance(found, property):
            yield name, inspect.getdoc(found) or ""


async def carry_out(text, names):
    """Run the examples of one docstring, one after the other; AssertionError with the first that shows something else."""
    for example in doctest.DocTestParser().get_examples(text):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            failed = await _one(example.source, names)
        if failed is not None:
            said.write(f"{type(failed).__name__}: {failed}\n")
            assert example.exc_msg, f"{example.source}{''.join(traceback.format_exception(failed))}"
        wanted = example.exc_msg if example.exc_msg is not None else example.want
        got = said.getvalue()
        assert CHECK.check_output(wanted, got, FLAGS), f"{example.source}wanted {wanted!r}, got {got!r}"


async def _one(source, names):
    code = compile(source, "example", "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    try:
        found = eval(code, names)
        if inspect.iscoroutine(found):
            await found
    except Exception as error:
        return error
    return None


def run(text, names):
    """The same from a test that is not async."""
    asyncio.run(carry_out(text, names))
