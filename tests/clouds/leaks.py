"""How a secret is recognized in files: as it is, and in base64, wherever it begins in the text that was encoded."""

from __future__ import annotations

import base64


def forms(piece: str) -> list[bytes]:
    """Of a piece of at least some 20 characters."""
    found = [piece.encode()]
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + piece.encode())
        found.append(whole[4 if shift else 0 : -4])  # what neighbours decide is cut off
    return found
