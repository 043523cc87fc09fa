"""Exports that grow page by page, as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from tierline.clock import wall
from tierline.web.export_files import ExportFiles


async def test_an_export_that_is_taken_away_is_not_made_anew(tmp_path: Path) -> None:
    """Nothing of it lies there afterwards, and no further page is read."""
    files = ExportFiles(tmp_path, kept_ms=1_000_000)
    reached, go_on = asyncio.Event(), asyncio.Event()
    pages_read = 0

    async def pages() -> AsyncIterator[list[bytes]]:
        nonlocal pages_read
        for n in range(9):
            pages_read += 1
            yield [b"%d\n" % n]
            reached.set()
            await go_on.wait()

    made = await files.start("shop", "customers", {}, pages(), wall)
    await reached.wait()
    (export,) = [task for task in asyncio.all_tasks() if task.get_name() == "export"]
    assert [each.id for each in await files.all("shop", wall())] == [made.id]
    await files.remove("shop", made.id)
    go_on.set()
    await export
    assert list((tmp_path / "shop").iterdir()) == []
    assert pages_read == 2
