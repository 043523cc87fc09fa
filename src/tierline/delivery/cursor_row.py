"""A cursor as its rows store it: the mark, the bitmap of settled offsets above it, the lanes."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class LaneRow(Struct, frozen=True):
    key: int
    head: int
    attempt: int
    due_at: int
    state: str
    form: str
    first_at: int


class Write(Struct, frozen=True):
    """What one flush says of a cursor: all of it or nothing is committed."""

    mark: int
    done: bytes
    lanes: tuple[LaneRow, ...] = ()
    closed: tuple[int, ...] = ()  # keys of lanes whose rows go
    secured: int = 0  # offered events that are settled by it, or were before


def pack(settled: Iterable[int], mark: int, window: int) -> bytes:
    """Returns settled offsets above the mark as a bitmap, without its trailing zeros."""
    done = bytearray(window // 8)
    for offset in settled:
        i = offset - mark - 1
        if i < window:
            done[i >> 3] |= 1 << (i & 7)
    return bytes(done.rstrip(b"\0"))


def unpack(done: bytes, mark: int) -> set[int]:
    return {mark + 1 + i for i in range(len(done) * 8) if done[i >> 3] >> (i & 7) & 1}
