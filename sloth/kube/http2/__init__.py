"""HTTP/2 as an option of the client: a machine without I/O around h2, and a thread or a task that moves its bytes.

Nothing here is imported before a client asks for it (`Client(…, http2=True)`), nor is h2, which is an extra.
"""

from __future__ import annotations

from sloth.errors import UsageError


def needed() -> None:
    """Raises UsageError where h2 is not installed."""
    try:
        import h2.connection  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "kube/no-http2",
            "HTTP/2 needs the library h2, which is not installed",
            detail=str(error),
            hint="pip install 'sloth-kubernetes[http2]'",
        ) from error
