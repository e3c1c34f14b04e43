"""The contract suite once more, every client of it with the options: nothing may differ."""

from functools import partial

import pytest

import tests.kube.test_async
import tests.kube.test_contract
from sloth.kube import AsyncClient, Client
from tests.kube.test_async import test_verbs  # noqa: F401
from tests.kube.test_contract import *  # noqa: F403
from tests.kube.test_contract import widgets  # noqa: F401  a fixture


@pytest.fixture(autouse=True)
def _with_options(options, monkeypatch):
    """Clients that a test makes itself have them too."""
    monkeypatch.setattr(tests.kube.test_contract, "Client", partial(Client, **options))
    monkeypatch.setattr(tests.kube.test_async, "AsyncClient", partial(AsyncClient, **options))
