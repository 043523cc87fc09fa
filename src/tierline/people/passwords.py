"""Passwords: hashed with argon2id, in threads, a few at once, for each takes 64 MB for a while."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tierline.errors import Invalid

CHARACTERS_MIN: Final = 12
CHARACTERS_MAX: Final = 200
AT_ONCE_MAX: Final = 2
_hasher = PasswordHasher()


def check(password: str) -> None:
    """Raises Invalid for a password that is too short or too long."""
    if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
        size = f"{CHARACTERS_MIN} to {CHARACTERS_MAX} characters"
        raise Invalid(path="password", reason=f"password: expected {size}.")


class Passwords:
    """Hashes and verifies; made in one event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE_MAX)

    async def hash(self, password: str) -> str:
        """Returns what is stored of a password. Raises Invalid."""
        check(password)
        async with self._turn:
            return await asyncio.to_thread(_hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password. It takes as long where none is stored."""
        async with self._turn:
            right = await asyncio.to_thread(_verify, stored or _nobodys(), password)
        return right and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password[:CHARACTERS_MAX])
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """The hash that is compared for somebody whom there is not."""
    return _hasher.hash("nobody's password")
