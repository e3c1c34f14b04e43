"""For all tests of clouds."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """SDKs warn of their own deprecated parts while they load, whoever loads them; all other warnings stay errors."""
    config.addinivalue_line("filterwarnings", r"ignore:[a-z]+\.\S+ has been deprecated in favor of:DeprecationWarning")
