"""Reads that requests share: each is answered by one that begins after it asked."""

from __future__ import annotations

import asyncio

import pytest

from tierline.store.shared_reads import KEYS_MAX, SharedRead


class Source:
    """Answers a key with how often it was read until then; holds each read until told to go on."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.gate = asyncio.Event()

    async def read(self, keys: list[int]) -> dict[int, int]:
        self.reads.append(keys)
        nth = len(self.reads)
        await self.gate.wait()
        return {key: nth for key in keys if key >= 0}


async def test_who_waits_together_is_read_together() -> None:
    """Nobody gets what was read before they asked; what is not there is None."""
    source = Source()
    shared = SharedRead(source.read)
    first = asyncio.create_task(shared.of(1))
    while not source.reads:
        await asyncio.sleep(0)
    later = [asyncio.create_task(shared.of(key)) for key in (1, 2, 2, -1)]
    await asyncio.sleep(0)
    source.gate.set()

    assert await first == 1
    assert await asyncio.gather(*later) == [2, 2, 2, None]
    assert source.reads == [[1], [1, 2, -1]]


async def test_a_read_has_a_bound() -> None:
    source = Source()
    source.gate.set()
    shared = SharedRead(source.read)
    await asyncio.gather(*(shared.of(key) for key in range(KEYS_MAX + 1)))

    assert [len(keys) for keys in source.reads] == [KEYS_MAX, 1]


async def test_a_fault_is_of_those_who_waited() -> None:
    """The next read is another one; and who leaves takes nothing from the others."""
    faults = [OSError("away")]

    async def read(keys: list[int]) -> dict[int, int]:
        await asyncio.sleep(0)
        if faults:
            raise faults.pop()
        return dict.fromkeys(keys, 7)

    shared = SharedRead(read)
    outcomes = await asyncio.gather(shared.of(1), shared.of(2), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OSError, OSError]
    leaving = asyncio.create_task(shared.of(3))
    staying = asyncio.create_task(shared.of(3))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await staying == 7
