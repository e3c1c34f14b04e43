"""The cloud plugins under test: all that the registry finds, or only those that SLOTH_TEST_CLOUDS names."""

from __future__ import annotations

import os

from sloth import registry
from sloth.contracts.cloud import Cloud

_NAMES = os.environ.get("SLOTH_TEST_CLOUDS", "").replace(",", " ").split() or registry.names("providers")
CLOUDS = {name: plugin for name in _NAMES if isinstance(plugin := registry.provider(name), Cloud)}
