"""The secret box: what signs webhooks is kept encrypted, with a key that is not in the database.

AES-256-GCM. Every sealed text names what it belongs to (its context), so that a row's secret
cannot be moved to another row. The key is 32 bytes: from the environment, else from a file of
mode 0600 beside the data. Several keys may stand there: the first one seals, the others still open
what they sealed. Bearer keys are not here: they are hashed (`keys.py`).

Tokens are what callers carry for us and bring back: sealed too, and so that equal ones look equal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tierline.errors import TierlineError

KEY_VARIABLE = "TIERLINE_SECRET_KEY"
KEY_FILE = "secret.key"
_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_KEY_ID_BYTES = 4


class SecretKeyInvalid(TierlineError):
    """{where} holds no secret key: it must be {size} random bytes in base64; former keys may
    follow it, parted by white space."""

    code: ClassVar[str] = "secret_key_invalid"


class SecretKeyWrong(TierlineError):
    """The secret key does not open what this database holds ({context}); start with the key that
    it was sealed with (environment TIERLINE_SECRET_KEY, or the file secret.key)."""

    code: ClassVar[str] = "secret_key_wrong"


class SecretKeyMissing(TierlineError):
    """There is no {where}, and this database holds secrets that were sealed with the key in it; put
    the file back, or set TIERLINE_SECRET_KEY."""

    code: ClassVar[str] = "secret_key_missing"


class SecretBox:
    """Seals and opens small secrets."""

    def __init__(self, *keys: bytes, unmade: Path | None = None) -> None:
        """Without keys, the first one is made in the file `unmade` when something is sealed."""
        self._unmade = unmade
        self._take(keys)

    def _take(self, keys: Iterable[bytes]) -> None:
        keys = tuple(keys)
        self._ciphers = [AESGCM(each) for each in keys]
        self._token_keys = [TokenKey(each) for each in keys]

    @property
    def has_key(self) -> bool:
        """Whether there is a key already, so that sealing makes none."""
        return bool(self._ciphers)

    @property
    def has_former(self) -> bool:
        """Whether former keys stand behind the one that seals."""
        return len(self._ciphers) > 1

    def seal(self, plain: bytes, context: str) -> bytes:
        if not self._ciphers and self._unmade is not None:
            self._take(_decoded(_made(self._unmade), f"The file {self._unmade}"))
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed for this context. SecretKeyWrong when the key or the context differs."""
        for cipher in self._ciphers:
            if (plain := _opened(cipher, sealed, context)) is not None:
                return plain
        raise SecretKeyWrong(context=context)

    def needs_former(self, sealed: bytes, context: str) -> bool:
        """Whether the key that seals now does not open it, so that a former one has to stay."""
        return self.has_key and _opened(self._ciphers[0], sealed, context) is None

    def token(self, plain: bytes, context: str) -> bytes:
        """What a caller carries: it begins with the id of the key that sealed it."""
        return self._token_keys[0].seal(plain, context.encode())

    def read_token(self, token: bytes, context: str) -> bytes:
        """What was sealed as a token for this context. SecretKeyWrong when its key is not here any
        more, ValueError for anything else that is no such token."""
        for key in self._token_keys:
            if token.startswith(key.id):
                return key.open(token, context.encode())
        raise SecretKeyWrong(context=context)

    @classmethod
    def load(
        cls, directory: Path, given: str | None, *, used: bool = False, create: bool = True
    ) -> SecretBox:
        """The box of an installation: `given` (from the environment), else the key file in
        `directory`. One that is not there yet is made, at once with `create`, else when something
        is sealed. SecretKeyInvalid when either is damaged; SecretKeyMissing when there is none and
        something was sealed before (`used`)."""
        if given is not None:
            return cls(*_decoded(given, f"The environment variable {KEY_VARIABLE}"))
        path = directory / KEY_FILE
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            if used:
                raise SecretKeyMissing(where=path) from None
            if not create:
                return cls(unmade=path)
            text = _made(path)
        except UnicodeDecodeError:
            text = ""
        return cls(*_decoded(text, f"The file {path}"))


class TokenKey:
    """Seals tokens. The nonce follows from what is sealed, so that equal ones are equal and no two
    others share one."""

    def __init__(self, key: bytes) -> None:
        self.id = _derived(key, b"token id")[:_KEY_ID_BYTES]
        self._nonce_key = _derived(key, b"token nonce")
        self._cipher = AESGCM(_derived(key, b"token"))

    def seal(self, plain: bytes, context: bytes) -> bytes:
        facts = len(context).to_bytes(4, "big") + context + plain
        nonce = hashlib.blake2b(facts, key=self._nonce_key, digest_size=_NONCE_BYTES).digest()
        return self.id + nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, token: bytes, context: bytes) -> bytes:
        """Raises ValueError for what was not sealed with this key and for this context."""
        start = _KEY_ID_BYTES + _NONCE_BYTES
        try:
            return self._cipher.decrypt(token[_KEY_ID_BYTES:start], token[start:], context)
        except InvalidTag as error:
            raise ValueError("not sealed with this key, for this context") from error


def _opened(cipher: AESGCM, sealed: bytes, context: str) -> bytes | None:
    nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if sealed[:1] == _VERSION:
        with suppress(InvalidTag, ValueError):
            return cipher.decrypt(nonce, rest, context.encode())
    return None


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(b"", key=key, person=purpose, digest_size=_KEY_BYTES).digest()


def _decoded(text: str, where: str) -> list[bytes]:
    try:
        keys = [base64.b64decode(word, validate=True) for word in text.split()]
    except (binascii.Error, ValueError):
        keys = []
    if not keys or any(len(key) != _KEY_BYTES for key in keys):
        raise SecretKeyInvalid(where=where, size=_KEY_BYTES)
    return keys


def _made(path: Path) -> str:
    """Writes a fresh key under its final name at once, so that two starts cannot make two."""
    text = base64.b64encode(os.urandom(_KEY_BYTES)).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    write_private(fresh, text + "\n")
    try:
        os.link(fresh, path)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    finally:
        fresh.unlink()
    return text


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read (0600), from the first byte on."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
