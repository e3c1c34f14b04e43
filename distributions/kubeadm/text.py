"""Texts that go onto nodes: the files beside this module, with `@NAME@` places."""

from __future__ import annotations

from sloth.api import Texts

TEXTS = Texts(__package__)
text = TEXTS.text
