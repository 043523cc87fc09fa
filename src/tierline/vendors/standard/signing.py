"""Standard Webhooks signatures: three headers that every delivery carries, whatever its format.

Signed is `id.timestamp.body`; `v1` is HMAC-SHA256 with a `whsec_` secret of 24 to 64 bytes, `v1a`
ed25519 with a `whsk_` key whose public half is `whpk_`. While a rotation overlaps, the header holds
one signature per secret, newest first. Source: the specification 1.0.0 of standardwebhooks.com.
"""

from __future__ import annotations

import base64
import binascii
from binascii import b2a_base64
from collections.abc import Callable
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tierline.errors import Invalid
from tierline.vendors.hmac_sha256 import keyed

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
_ED25519_BYTES = 32

Sign = Callable[[bytes], bytes]


def headers(
    body: bytes, delivery_id: str, timestamp: int, secrets: tuple[str, ...]
) -> dict[str, str]:
    """The three headers of one attempt at `timestamp`, in seconds since 1970. The id is the same
    for every attempt, the time is not; without secrets there is nothing to sign with."""
    if not secrets:
        return {ID: delivery_id, TIMESTAMP: str(timestamp)}
    signed = b"%b.%d.%b" % (delivery_id.encode(), timestamp, body)
    parts = [
        version + b2a_base64(sign(signed), newline=False) for version, sign in _signers(secrets)
    ]
    return {
        ID: delivery_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: b" ".join(parts).decode(),
    }


def new_secret(entropy: bytes) -> str:
    """A secret out of 24 to 64 random bytes."""
    if not 24 <= len(entropy) <= 64:
        raise ValueError("a secret has 24 to 64 bytes")
    return SECRET + _base64(entropy).decode()


def new_key(seed: bytes) -> str:
    """A signing key out of 32 random bytes. It holds seed and public key, as libsodium's do."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return PRIVATE + _base64(seed + key.public_key().public_bytes_raw()).decode()


def public_key(key: str) -> str:
    """What a receiver verifies a `whsk_` key's signatures with."""
    return PUBLIC + _base64(_private(key).public_key().public_bytes_raw()).decode()


def check_secret(text: str, path: str) -> str:
    """A secret from outside, if it can sign; else Invalid."""
    try:
        _signer(text)
    except ValueError as error:
        raise Invalid(path=path, reason=f"{path}: {error}.") from None
    return text


@lru_cache(maxsize=16_384)
def _signers(secrets: tuple[str, ...]) -> tuple[tuple[bytes, Sign], ...]:
    return tuple(_signer(secret) for secret in secrets)


def _signer(secret: str) -> tuple[bytes, Sign]:
    if secret.startswith(PRIVATE):
        return b"v1a,", _private(secret).sign
    if not secret.startswith(SECRET):
        raise ValueError("a secret starts with whsec_, a signing key with whsk_")
    key = _decoded(secret[len(SECRET) :])
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a secret has 24 to 64 bytes in base64 after whsec_, not {len(key)}")
    return b"v1,", keyed(key).digest


def _private(key: str) -> Ed25519PrivateKey:
    raw = _decoded(key.removeprefix(PRIVATE))
    if len(raw) not in (_ED25519_BYTES, 2 * _ED25519_BYTES):
        raise ValueError(f"a signing key has 32 or 64 bytes in base64 after whsk_, not {len(raw)}")
    private = Ed25519PrivateKey.from_private_bytes(raw[:_ED25519_BYTES])
    public = raw[_ED25519_BYTES:]
    if public and public != private.public_key().public_bytes_raw():
        raise ValueError("the two halves of this signing key do not belong together")
    return private


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("what follows the prefix is not base64") from None


def _base64(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False)
