"""Digests and fingerprints: hashes that say nothing to whoever lacks the installation's key.

An unkeyed hash of a mail address is that address to whoever guesses it. So what is stored of a
command's content, and of the names of people who were erased, is hashed with a key, which the
installation keeps sealed. Digests that were stored before there was a key stay valid.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final, Self

from tierline.store.catalog.queries import CatalogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session
    from tierline.store.catalog.secret_box import SecretBox

_KEY_BYTES: Final = 32
_SIZE: Final = 16
CONTEXT: Final = "digest key"
Blake = Any  # what hashlib makes


class Digests:
    """The keyed hashes of one installation."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self._hashes: tuple[Blake, Blake] | None = None  # of digests and of names

    @classmethod
    async def of(cls, connection: Session, box: SecretBox) -> Self:
        """Those of the installation. Their key is made where there is none; but no command makes a
        secret key only for that, and what it stores is not keyed yet. Raises SecretKeyWrong."""
        digests = cls(box)
        if box.has_key or await connection.fetchval(Sql.digest_key) is not None:
            await digests.ensure(connection)
        return digests

    async def ensure(self, connection: Session) -> None:
        """Whoever takes fingerprints needs a key: it is made where there is none."""
        if self._hashes is not None:
            return
        sealed = await connection.fetchval(Sql.digest_key)
        if sealed is None:
            fresh = self._box.seal(secrets.token_bytes(_KEY_BYTES), CONTEXT)
            await connection.execute(Sql.keep_digest_key, fresh)
            sealed = await connection.fetchval(
                Sql.digest_key
            )  # another process may have been first
        key = self._box.open(sealed, CONTEXT)
        # A copy of one that has the key already costs half of what a new one does.
        self._hashes = (
            hashlib.blake2b(key=key, digest_size=_SIZE, person=b"command"),
            hashlib.blake2b(key=key, digest_size=_SIZE, person=b"name"),
        )

    def keyed(self, digest: bytes) -> bytes:
        """What is stored of a command's digest."""
        if self._hashes is None:
            return digest
        hashed = self._hashes[0].copy()
        hashed.update(digest)
        keyed: bytes = hashed.digest()
        return keyed

    def matches(self, stored: bytes, digest: bytes) -> bool:
        """Whether a stored digest is this one's, from before or since there is a key."""
        return stored in (self.keyed(digest), digest)

    def name(self, name: str) -> str:
        """The fingerprint of a customer's name."""
        return self._print(b"name\x00" + name.encode())

    def email(self, address: str) -> str:
        """The fingerprint of a mail address, however it is capitalised."""
        return self._print(b"email\x00" + address.casefold().encode())

    def _print(self, text: bytes) -> str:
        assert self._hashes is not None  # see `ensure`
        hashed = self._hashes[1].copy()
        hashed.update(text)
        print_: str = hashed.hexdigest()
        return print_
