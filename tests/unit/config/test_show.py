"""The effective spec: readable, marked, and the same spec when read again."""

from __future__ import annotations

import yaml

from sloth.config.show import effective

MINIMAL = "metadata: {name: demo}\nspec:\n  pools:\n  - {name: control, role: control-plane}\n"


def test_defaults_are_marked_and_given_values_are_not(spec):
    lines = {line.split(":")[0].strip(): line for line in effective(spec.load(MINIMAL + "  protect: false\n")).splitlines()}
    assert lines["port"].endswith("# default")
    assert lines["count"].endswith("# default")
    assert "#" not in lines["protect"]
    assert "#" not in lines["- name"]


def test_overlays_name_the_origin(spec):
    loaded = spec.load(MINIMAL, "spec:\n  protect: true\n")
    lines = [line for line in effective(loaded).splitlines() if "protect" in line or "role:" in line]
    assert sorted(line.split("# ")[1] for line in lines) == [f"{loaded.files[0]}:4", f"{loaded.files[1]}:2"]


def test_it_is_yaml_and_gives_the_same_spec(spec):
    loaded = spec.load(
        MINIMAL.replace("{name: demo}", '{name: "on", labels: {"a": "no", "b": "1.30", "c": "", d: 2026-01-01}}')
        + '  kubernetes: {kubelet: {config: {a: ["x: y", "# z", [], {}, [1, [2]], {k: [3]}],\n'
        + '    b: "l1\\nl2 \\u0085é", c: 1.5, d: "\\t"}}}\n'
    )
    text = effective(loaded)
    assert yaml.safe_load(text) == loaded.raw
    again = spec.load(text)
    assert again.spec == loaded.spec
    assert again.raw == loaded.raw
