"""HMAC-SHA256 with a key that is used again and again."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache


def digest(key: bytes, message: bytes) -> bytes:
    """The key's own two blocks are hashed once: a copy of that state costs less than a new one."""
    state = _state(key).copy()
    state.update(message)
    return state.digest()


@lru_cache(maxsize=16_384)
def _state(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=hashlib.sha256)
