"""Access tokens: a key's rights, or fewer, for a quarter of an hour.

A token says by itself whose it is and until when, sealed with the installation's secret key: any
process can read it, and none has to remember it. It ends with its time, with its key, or when it is
revoked, which its key remembers until that time.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from msgspec import Struct

from tierline.store.catalog import keys
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.keys import Key
from tierline.store.catalog.secret_box import SecretKeyWrong

PREFIX: Final = "tat_"
LIFE_MS: Final = 15 * 60_000
CHARACTERS_MAX: Final = 2_000
_CONTEXT: Final = "access token"


class AccessToken(Struct, frozen=True, array_like=True):
    """Whose token it is: the key by its lookup and hash. `expires_at`: milliseconds, wall time."""

    lookup: str
    hash: bytes
    scopes: tuple[str, ...]
    expires_at: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AccessToken).decode


def issued(catalog: Catalog, key: Key, scopes: frozenset[str], now: int) -> tuple[str, int]:
    """Returns a token with these scopes of the key's, and when it expires."""
    expires_at = now + LIFE_MS
    content = AccessToken(key.lookup, key.hash, tuple(sorted(scopes & key.scopes)), expires_at)
    sealed = catalog.box.token(_encode(content), _CONTEXT)
    return PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("="), expires_at


def opened(catalog: Catalog, text: str, now: int) -> tuple[Key, AccessToken, bytes] | None:
    """Returns the key of a token that holds now, the token and its seal; None for any other
    text."""
    encoded = text.removeprefix(PREFIX)
    if encoded == text or len(text) > CHARACTERS_MAX:
        return None
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
        token = _decode(catalog.box.read_token(sealed, _CONTEXT))
    except (binascii.Error, ValueError, msgspec.MsgspecError, SecretKeyWrong):
        return None
    key = catalog.key(token.lookup)
    if key is None or key.hash != token.hash or now >= token.expires_at:
        return None
    if keys.revocation(sealed, token.expires_at) in key.revoked:
        return None
    return key, token, sealed


async def revoke(catalog: Catalog, project: int, text: str, now: int) -> bool:
    """Ends a token of a project's keys; False where there is no such token that holds."""
    match = opened(catalog, text, now)
    if match is None or match[0].project != project:
        return False
    key, token, sealed = match
    await catalog.revoke_token(key, keys.revocation(sealed, token.expires_at), now)
    return True
