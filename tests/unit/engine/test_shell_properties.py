"""Whatever text or bytes a step has, it arrives as it is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from shlex import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Step
from tests.unit.engine.shells import execute
from tests.unit.engine.test_shell import OWNER

few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(os.fsencode(name)) < 200
)


@few
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.sampled_from([0o600, 0o644, 0o755]))
@example([b"", b"\n", b"'", b"\\", b"\r\n", b"\x81\x82\x88\xff", b"$(exit)", b"\0"], 0o644)
@example([bytes(range(256)), b"_s_sums_end\n", b"@MARK@ @STEPS@"], 0o600)
@example([b"x" * (1 << 20), os.urandom(1 << 20), b"\0" * (1 << 20)], 0o640)
def test_any_bytes_can_be_put(contents: list[bytes], mode: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        steps: list[Step] = [
            Put(path=f"{folder}/{number}", content=content, mode=mode, owner=OWNER) for number, content in enumerate(contents)
        ]
        assert execute(steps) == [Result(changed=True)] * len(steps)
        assert [Path(f"{folder}/{number}").read_bytes() for number in range(len(contents))] == contents
        assert execute(steps) == [Result()] * len(steps)


@few
@given(names, texts)
@example("-n", "")
@example("a\\b", "x")
@example("new\nline", "x")
@example("*", "é")
@example(" ' \" $x `y` ", "it's")
def test_any_name_can_be_put(name: str, content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/sub {name}/{name}"
        step = Put(path=path, content=content, owner=OWNER, then=f"cat -- {quote(path)}")
        first, second = execute([step, step])
        assert (first.changed, second.changed) == (True, False)
        assert first.out == content.rstrip("\n")
        assert Path(path).read_bytes() == content.encode()


@few
@given(st.lists(st.tuples(texts, texts, st.integers(0, 255)), min_size=1, max_size=8))
def test_any_output_and_status_come_back(said: list[tuple[str, str, int]]) -> None:
    steps = [
        Ask(title="say", run=f"printf %s {quote(out)}; printf %s {quote(err)} >&2; exit {code}", check=False)
        for out, err, code in said
    ]
    wanted = [Result(exit=code, out=out.rstrip("\n"), err=err.rstrip("\n")) for out, err, code in said]
    assert execute(steps) == wanted


@few
@given(st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{0,8}x\Z"), texts, max_size=4))
def test_any_value_can_be_in_the_environment(env: dict[str, str]) -> None:
    run = "\n".join(f'printf "%s\\001" "${name}"' for name in env) or ":"
    result = execute([Do(title="env", run=run, env={name: Secret(value) for name, value in env.items()})])[0]
    assert result.out == "".join(f"{value}\x01" for value in env.values())


@few
@given(texts)
def test_no_command_text_breaks_the_others(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        harmless = f"false && {{ {text}\n}}" if "}" not in text else f": {quote(text)}"
        steps = [
            Ask(title="odd", run=harmless, check=False, timeout=20),
            Ask(title="after", run="echo still here"),
        ]
        assert execute(steps, cwd=Path(folder))[1].out == "still here"
