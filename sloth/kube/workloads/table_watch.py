"""Watching the server's own tables: each event is a Table with one row (kubernetes.io, "Kubernetes API Concepts", receiving
resources as Tables).

A row becomes an object with the `metadata` that comes with it, so that resuming, bookmarks and forgotten versions are those of
any other watch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from sloth.kube.api import EVERY, Select
from sloth.kube.resource import Resource
from sloth.kube.retry import DEFAULT, Policy
from sloth.kube.show import TABLE
from sloth.kube.watch import Event, Follow, Relist, Watch
from sloth.kube.wire import Object, Pause


class TableWatch(Watch):
    """A watch whose objects are rows: `metadata`, and `cells` in the order of `columns`."""

    def __init__(self, resource: Resource, namespace: str, select: Select = EVERY, policy: Policy = DEFAULT) -> None:
        super().__init__(resource, namespace, select, policy)
        self.columns: Sequence[Mapping[str, Any]] = ()
        self._rest = b""

    def plan(self) -> Relist | Follow | Pause:
        """As of any watch, but a stream is asked for tables."""
        wanted = super().plan()
        if not isinstance(wanted, Follow):
            return wanted
        return Follow(replace(wanted.request, headers={**wanted.request.headers, "Accept": TABLE}))

    def rows(self, page: Mapping[str, Any]) -> list[Object]:
        """The rows of one page of a list, for `listed`."""
        self.columns = self.columns or page.get("columnDefinitions") or ()
        return [_object(row) for row in page.get("rows") or ()]

    def page(self, items: Sequence[Object]) -> Object:
        """Such objects as a Table again, for `sloth.kube.show`."""
        rows = [{"cells": item["cells"], "object": {"metadata": item["metadata"]}} for item in items]
        return {"columnDefinitions": list(self.columns), "rows": rows}

    def feed(self, data: bytes) -> list[Event]:
        """Bytes of the stream, in any pieces. Raises ApiError, ConnectError."""
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if not newline:
            return super().feed(b"")
        return super().feed(b"\n".join(self._line(line) for line in whole.split(b"\n")) + b"\n")

    def ended(self) -> None:
        """The stream is over; an unfinished line comes again."""
        cut, self._rest = bool(self._rest), b""
        if cut:
            super().feed(b"{")  # known as cut off, so that it is not asked for again at once
        super().ended()

    def failed(self, error: Any) -> None:
        """A list or a stream failed. Raises it where going on is no use."""
        self._rest = b""
        super().failed(error)

    def _line(self, line: bytes) -> bytes:
        """One event about a row as one about an object. What is no such event stays as it is, for the watch to judge."""
        try:
            frame = msgspec.json.decode(line)
            table = frame["object"]
            if table["kind"] != "Table":
                return line
            self.rows({"columnDefinitions": table.get("columnDefinitions")})
            rows = table.get("rows") or ()
            frame["object"] = _object(rows[0]) if rows else {"metadata": table["metadata"]}
            return msgspec.json.encode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, KeyError):
            return line


def _object(row: Mapping[str, Any]) -> Object:
    return {"metadata": row["object"]["metadata"], "cells": row["cells"]}
