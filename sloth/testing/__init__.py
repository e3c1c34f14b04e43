"""Fakes, golden files and contract suites: for sloth's own tests and for authors of plugins.

`FakeTransport` and `FakeHost` stand for nodes, `FakeMachines` for a provider, `MemoryState` for a saved record. All of them
fail on anything that a test did not expect.
"""

from sloth.testing.golden import compare
from sloth.testing.host import FakeHost, FakeHosts
from sloth.testing.machines import FakeMachines
from sloth.testing.script import rehearse
from sloth.testing.state import MemoryState
from sloth.testing.transport import FakeNode, FakeTransport, Unexpected

__all__ = [
    "FakeHost", "FakeHosts", "FakeMachines", "FakeNode", "FakeTransport", "MemoryState", "Unexpected", "compare", "rehearse",
]  # fmt: skip
