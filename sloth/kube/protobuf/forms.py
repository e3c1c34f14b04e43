"""Which requests ask for protobuf, and what becomes of the answers.

Reads of built-in kinds do; what is written stays JSON, which a server answers with JSON. Where an answer is not understood, as
from a server with newer fields, JSON is asked for, and for that group ever after.
"""

from __future__ import annotations

import logging

from sloth.kube.decode import dumps
from sloth.kube.protobuf.decoding import NotUnderstoodError, decode
from sloth.kube.protobuf.descriptions import descriptions
from sloth.kube.wire import JSON, Answer, Request

PROTOBUF = "application/vnd.kubernetes.protobuf"
_log = logging.getLogger(__name__)


class Forms:
    """For one client. Thread-safe: what is learned is one set, to which names are only added."""

    def __init__(self) -> None:
        self._plain: set[str] = set()

    def asked(self, request: Request) -> Request:
        """The request, for protobuf first where that may be."""
        if request.method != "GET" or request.headers.get("Accept") != JSON:
            return request
        group = _group(request.path)
        if group in self._plain or group not in descriptions().groups:
            return request
        return request.with_headers({"Accept": f"{PROTOBUF},{JSON}"})

    def told(self, answer: Answer, request: Request) -> Answer | None:
        """The answer with its object; None: it is to be asked for again, as JSON."""
        if not answer.headers.get("content-type", "").startswith(PROTOBUF):
            return answer
        try:
            found = decode(answer.body)
        except NotUnderstoodError as error:
            _log.info("protobuf of %s is not understood, JSON from now on: %s", request.path, error)
            self._plain.add(_group(request.path))
            return None
        if answer.status >= 400:
            return Answer(answer.status, dumps(found), {**answer.headers, "content-type": JSON})
        return Answer(answer.status, b"", answer.headers, found)

    def refusal(self, answer: Answer, request: Request) -> Answer:
        """An answer of 400 and above, whatever its form, for failures to be read from."""
        return self.told(answer, request) or answer


def _group(path: str) -> str:
    """The apiVersion of a path: `v1`, `apps/v1`."""
    parts = path.strip("/").split("/")
    return "/".join(parts[1:3]) if parts[0] == "apis" else parts[1] if len(parts) > 1 else ""
