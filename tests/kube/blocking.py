"""The async client and informer behind blocking calls, so that one test says what must be true of both fronts."""

from __future__ import annotations

import asyncio
import inspect
import threading

from sloth.kube import AsyncClient, AsyncInformer, Client, Informer
from sloth.kube.fronts.manifests import AsyncManifests
from sloth.kube.fronts.rollout import AsyncRollout
from sloth.kube.informer_async import AsyncSubscription

_WRAPPED = (AsyncClient, AsyncInformer, AsyncManifests, AsyncRollout, AsyncSubscription)


class Loop:
    """An event loop in a thread of its own."""

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()

    def call(self, function, *words, **settings):
        """In the loop, to its end."""

        async def whole():
            found = function(*words, **settings)
            return await found if inspect.isawaitable(found) else found

        return self.made(asyncio.run_coroutine_threadsafe(whole(), self.loop).result(120))

    def made(self, found):
        """What a test can use without awaiting."""
        if inspect.isasyncgen(found):
            return self._each(found)
        return Blocking(found, self) if isinstance(found, _WRAPPED) else found

    def _each(self, found):
        try:
            while True:
                yield self.call(found.__anext__)
        except StopAsyncIteration:
            return
        finally:
            self.call(found.aclose)


class Blocking:
    """One object of the async front."""

    def __init__(self, target, loop):
        self._target, self._loop = target, loop

    def __getattr__(self, name):
        found = getattr(self._target, name)
        if inspect.ismethod(found):
            return lambda *words, **settings: self._loop.call(found, *words, **settings)
        return self._loop.made(found)

    def __enter__(self):
        self._loop.call(self._target.__aenter__)
        return self

    def __exit__(self, *_):
        self._loop.call(self._target.__aexit__, None, None, None)

    def __iter__(self):
        return self._loop.made(self._target.__aiter__())

    def __len__(self):
        return len(self._target)


class Fronts:
    """`client(connection, …)` and `informer(client, …)` of one front."""

    def __init__(self, name, loop):
        self.name, self._loop = name, loop

    def client(self, connection, **settings):
        """To be used in a `with`."""
        return (
            Client(connection, **settings) if self.name == "sync" else Blocking(AsyncClient(connection, **settings), self._loop)
        )

    def informer(self, client, *words, **settings):
        """To be used in a `with`."""
        if self.name == "sync":
            return Informer(client, *words, **settings)
        return self._loop.made(AsyncInformer(client._target, *words, **settings))
