"""Standings as bytes: one version byte, then MessagePack. Every older version stays readable."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from tierline.model.standing import Standing

VERSION = b"\x01"
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
# Of a standing without a memory of reminders: it ends before that field, as it did before there was
# one. The array's head (three bytes) then counts one field less.
_SHORT_HEAD = b"\xdc" + (len(Standing.__struct_fields__) - 1).to_bytes(2)
_decode = msgspec.msgpack.Decoder(Standing).decode


def encode_standing(standing: Standing) -> bytes:
    """Equal standings give equal bytes. Raises OverflowError for a number of the member's that 64
    bits do not hold."""
    try:
        body = _encode(standing)
    except OverflowError:
        pending = tuple(replace(p, metadata=with_doubles(p.metadata)) for p in standing.pending)
        body = _encode(replace(standing, pending=pending))
    if standing.reminder_memory is None:
        return VERSION + _SHORT_HEAD + body[3:-1]
    return VERSION + body


def packed_bytes(value: Any) -> int:
    """How many bytes a value with free JSON takes inside a standing."""
    try:
        return len(_encode(value))
    except OverflowError:
        return len(_encode(with_doubles(msgspec.to_builtins(value))))


def with_doubles(value: Any) -> Any:
    """Free JSON whose integers fit: those past 64 bits are the doubles that JavaScript makes of
    them, which print the same."""
    if isinstance(value, dict):
        return {key: with_doubles(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_doubles(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


def decode_standing(raw: bytes) -> Standing:
    """ValueError when a newer Tierline wrote it."""
    if raw[:1] != VERSION:
        raise ValueError(f"standing version {raw[:1]!r} is newer than this program")
    return _decode(memoryview(raw)[1:])
