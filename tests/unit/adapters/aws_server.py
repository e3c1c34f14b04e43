"""S3 and KMS on the loopback: moto in this process, one request at a time, so that conditions hold as on the real thing."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

BUCKET = "sloth-state"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret-key", "AWS_REGION": "us-east-1"}
NOT_SET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


class AwsServer:
    """`faults` are asked before each request: (method, path) -> None, or what to do instead: `lost` or `refused`."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would name each request on stderr
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.faults: list[Callable[[str, str], str | None]] = []
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[str] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self._server.serve_forever, name="aws-server", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def objects(self) -> dict[str, bytes]:
        """Everything that lies in the bucket."""
        from moto.s3.models import s3_backends

        with self._lock:
            keys = s3_backends["123456789012"]["aws"].buckets[BUCKET].keys
            return {name: key.value for name, key in keys.items()}

    def backdate(self, name: str, seconds: float) -> None:
        """Have an object be that much older."""
        from datetime import timedelta

        from moto.s3.models import s3_backends

        with self._lock:
            s3_backends["123456789012"]["aws"].buckets[BUCKET].keys[name].last_modified -= timedelta(seconds=seconds)

    def reset(self) -> None:
        """An empty bucket, and no faults."""
        from moto.s3.models import s3_backends

        with self._lock:
            self.faults.clear()
            self.requests.clear()
            self.authorizations.clear()
            s3_backends["123456789012"]["aws"].buckets.clear()
            s3_backends.bucket_accounts.clear()
            s3_backends["123456789012"]["aws"].create_bucket(BUCKET, "us-east-1")

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))  # also where the request is refused
        with self._lock:
            self.requests.append((method, path))
            self.authorizations.append(environ.get("HTTP_AUTHORIZATION", ""))
            fault = next((what for ask in self.faults if (what := ask(method, path))), None)
            if fault == "refused":
                start("403 Forbidden", [("Content-Type", "application/xml")])
                return [b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"]
            answer = [b"".join(self._app(environ, start if fault != "lost" else lambda *_args, **_kw: None))]
            if fault == "lost":  # it was done, but nobody hears of it
                start("500 Internal Server Error", [("Content-Type", "application/xml")])
                return [b"<Error><Code>InternalError</Code></Error>"]
            return answer


@contextmanager
def serving() -> Iterator[AwsServer]:
    """A server for as long as it is needed."""
    server = AwsServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
