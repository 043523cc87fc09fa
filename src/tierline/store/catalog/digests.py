"""Digests and fingerprints: hashes that say nothing to whoever lacks the installation's key.

An unkeyed hash of a mail address is that address to whoever guesses it. So what is stored of a
command's content, and of the names of people who were erased, is hashed with a key, which the
installation keeps sealed. Digests that were stored before there was a key stay valid.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, Self

from tierline.store.catalog.queries import CatalogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session
    from tierline.store.catalog.secret_box import SecretBox

_KEY_BYTES: Final = 32
_SIZE: Final = 16
_CONTEXT: Final = "digest key"


class Digests:
    """The keyed hashes of one installation."""

    def __init__(self, key: bytes) -> None:
        # A copy of one that has the key already costs half of what a new one does.
        self._digest = hashlib.blake2b(key=key, digest_size=_SIZE, person=b"command")
        self._name = hashlib.blake2b(key=key, digest_size=_SIZE, person=b"name")

    @classmethod
    async def of(cls, connection: Session, box: SecretBox) -> Self:
        """Those of the installation, whose key is made where there is none. Raises
        SecretKeyWrong."""
        sealed = await connection.fetchval(Sql.digest_key)
        if sealed is None:
            fresh = box.seal(secrets.token_bytes(_KEY_BYTES), _CONTEXT)
            await connection.execute(Sql.keep_digest_key, fresh)
            sealed = await connection.fetchval(
                Sql.digest_key
            )  # another process may have been first
        return cls(box.open(sealed, _CONTEXT))

    def keyed(self, digest: bytes) -> bytes:
        """What is stored of a command's digest."""
        hashed = self._digest.copy()
        hashed.update(digest)
        return hashed.digest()

    def matches(self, stored: bytes, digest: bytes) -> bool:
        """Whether a stored digest is this one's, from before or since there is a key."""
        return stored in (self.keyed(digest), digest)

    def name(self, name: str) -> str:
        """The fingerprint of a customer's name."""
        hashed = self._name.copy()
        hashed.update(b"name\x00" + name.encode())
        return hashed.hexdigest()

    def email(self, address: str) -> str:
        """The fingerprint of a mail address, however it is capitalised."""
        hashed = self._name.copy()
        hashed.update(b"email\x00" + address.casefold().encode())
        return hashed.hexdigest()
