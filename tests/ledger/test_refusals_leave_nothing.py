"""What is refused is gone when it is answered, and not when the collector looks at everything."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ledger.conftest import Club
from tests.ledger.test_import_records import jsonl, trial
from tests.ledger.test_importer import run
from tierline.errors import TierlineError
from tierline.ledger.batch import Batch
from tierline.ledger.files.records import Record


@contextmanager
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alive(*types: type) -> list[str]:
    return [type(each).__name__ for each in gc.get_objects() if isinstance(each, types)]


async def test_a_refused_command_leaves_no_batch_behind(club: Club) -> None:
    """A batch holds the bodies of all who are in it."""
    await club.create()
    with collector_off():
        async with club.writer() as writer:
            for _ in range(3):
                with pytest.raises(TierlineError):
                    await writer.submit(club.activity("redeem", points=1_000_000))
        del writer

        assert alive(Batch) == []


@pytest.mark.parametrize("dry", [False, True], ids=["done", "dry"])
async def test_a_refused_record_leaves_no_record_behind(
    club: Club, tmp_path: Path, *, dry: bool
) -> None:
    """Whether it cannot be read, or its customer may not do that."""
    await club.create()
    path = jsonl(
        tmp_path / "a.jsonl",
        {"customer": "ada", "points": 1.5},
        {"customer": "ada", "kind": "earn"},
        {"customer": "ada", "kind": "redeem", "points": 1_000_000},
        {"customer": "bob", "points": 5, "tier": "diamond"},
    )
    with collector_off():
        done = await (trial(club, path) if dry else run(club, path))

        assert done.refused == 4
        assert alive(Batch, Record) == []
