"""Events of many threads reach every listener, in order, from one thread."""

from __future__ import annotations

import logging
import threading

import pytest

from sloth.engine.bus import Bus
from sloth.model.event import Event
from sloth.model.secret import Secret


class Keeper:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.threads: set[int] = set()
        self.closed = 0

    def take(self, event: Event) -> None:
        self.events.append(event)
        self.threads.add(threading.get_ident())

    def close(self) -> None:
        self.closed += 1


class Broken(Keeper):
    def take(self, event: Event) -> None:
        super().take(event)
        raise RuntimeError("broken-pipe-xyz")

    def close(self) -> None:
        super().close()
        raise RuntimeError("again")


def note(title: str, detail: str = "") -> Event:
    return Event(kind="note", title=title, detail=detail)


def test_nothing_is_lost_and_each_threads_order_is_kept() -> None:
    keeper = Keeper()
    with Bus([keeper]) as bus:
        threads = [threading.Thread(target=lambda t=t: [bus.emit(note(f"{t} {n}")) for n in range(200)]) for t in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(keeper.events) == 1600
    for t in range(8):
        mine = [event.title for event in keeper.events if event.title.startswith(f"{t} ")]
        assert mine == [f"{t} {n}" for n in range(200)]
    assert len(keeper.threads) == 1
    assert threading.get_ident() not in keeper.threads
    assert keeper.closed == 1


def test_events_after_the_end_are_ignored() -> None:
    keeper = Keeper()
    bus = Bus([keeper])
    bus.close()
    bus.emit(note("late"))
    bus.close()
    assert (keeper.events, keeper.closed) == ([], 1)


def test_a_listener_that_fails_is_dropped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = Keeper(), Broken()
    with caplog.at_level(logging.WARNING), Bus([bad, good]) as bus:
        bus.emit(note("one"))
        bus.emit(note("two"))
    assert [event.title for event in bad.events] == ["one"]
    assert [event.title for event in good.events if event.kind == "note"] == ["one", "two"]
    warnings = [event.title for event in good.events if event.kind == "warning"]
    assert warnings == ["Broken failed and shows nothing more: broken-pipe-xyz"]
    assert bad.closed == 0
    assert "Broken failed" in caplog.text


def test_a_listener_that_cannot_close_does_not_hinder_the_others(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = Keeper(), Broken()
    with caplog.at_level(logging.WARNING):
        Bus([bad, good]).close()
    assert (bad.closed, good.closed) == (1, 1)
    assert "failed when it was closed" in caplog.text


def test_secrets_are_masked_on_the_way() -> None:
    secret, keeper = Secret("bus-secret-value"), Keeper()
    with Bus([keeper]) as bus:
        bus.emit(note(f"title {secret.reveal()}", f"detail {secret.reveal()}"))
    assert (keeper.events[0].title, keeper.events[0].detail) == ("title ***", "detail ***")
