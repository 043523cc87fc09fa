"""The secret box: what signs webhooks is kept encrypted, with a key that is not in the database.

AES-256-GCM. Every sealed text names what it belongs to (its context), so that a row's secret
cannot be moved to another row. The key is 32 bytes: from the environment, else from a file of
mode 0600 beside the data. Bearer keys are not here: they are hashed (`keys.py`).
"""

from __future__ import annotations

import base64
import binascii
import os
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


class SecretKeyInvalid(TierlineError):
    """{where} holds no secret key: it must be {size} random bytes in base64."""

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

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed for this context. SecretKeyWrong when the key or the context differs."""
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION:
            raise SecretKeyWrong(context=context)
        try:
            return self._cipher.decrypt(nonce, rest, context.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretKeyWrong(context=context) from error

    @classmethod
    def load(cls, directory: Path, given: str | None, *, used: bool = False) -> SecretBox:
        """The box of an installation: `given` (from the environment), else the key file in
        `directory`, which is made on first use. SecretKeyInvalid when either is damaged;
        SecretKeyMissing when there is none and something was sealed before (`used`)."""
        if given is not None:
            return cls(_decoded(given, f"The environment variable {KEY_VARIABLE}"))
        path = directory / KEY_FILE
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            if used:
                raise SecretKeyMissing(where=path) from None
            text = _made(path)
        except UnicodeDecodeError:
            text = ""
        return cls(_decoded(text, f"The file {path}"))


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise SecretKeyInvalid(where=where, size=_KEY_BYTES)
    return key


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
