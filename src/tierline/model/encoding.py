"""Standings as bytes: one version byte, then MessagePack. Every older version stays readable."""

from __future__ import annotations

import msgspec

from tierline.model.standing import Standing

VERSION = b"\x01"
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Standing).decode


def encode_standing(standing: Standing) -> bytes:
    """Equal standings give equal bytes."""
    return VERSION + _encode(standing)


def decode_standing(raw: bytes) -> Standing:
    """ValueError when a newer Tierline wrote it."""
    if raw[:1] != VERSION:
        raise ValueError(f"standing version {raw[:1]!r} is newer than this program")
    return _decode(memoryview(raw)[1:])
