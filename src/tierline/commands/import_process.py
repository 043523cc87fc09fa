"""One import in a process of its own, so that reading a file holds up no request. It is told
what to do on its standard input, and tells how far it is on its standard output, line by line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from tierline.bootstrap import catalogued
from tierline.console.imports import ImportLine, ImportOrder
from tierline.errors import TierlineError
from tierline.ledger.files.importer import BATCH, Importer
from tierline.ledger.files.progress import Imported
from tierline.ledger.files.records import count_lines
from tierline.ledger.writer import Writer
from tierline.model.tenant import CARD
from tierline.store.catalog.audit import acting, user_actor
from tierline.store.database import Database
from tierline.vendors.registry import NAME_KINDS

SHOWN_EVERY_S: Final = 0.5
NICENESS: Final = 10  # requests go first


async def carry_out(order: ImportOrder) -> None:
    """Tells lines until it is done. What is wrong with the file is told, too."""
    total = count_lines(Path(order.file))
    shown_at, latest = 0.0, Imported()

    def show(done: Imported) -> None:
        nonlocal shown_at, latest
        latest = done
        if monotonic() - shown_at > SHOWN_EVERY_S:
            shown_at = monotonic()
            _write(ImportLine(total, done))

    try:
        with acting(user_actor(order.user)):
            latest = await _import(order, show)
    except TierlineError as error:
        _write(ImportLine(total, latest, ended=True, problem=error.sentence))
    else:
        _write(ImportLine(total, latest, ended=True))


async def _import(order: ImportOrder, on_progress: Callable[[Imported], None]) -> Imported:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(await Database.open(order.url, migrate=False))
        catalog = (await catalogued(database, Path(order.data_dir), create=False)).catalog
        project = catalog.find_project(order.project)
        assert project is not None  # whoever asked has a role in it
        program, _ = await catalog.need_program(project.number, order.program)
        writer = None
        if not order.dry_run:
            writer = Writer(database, catalog, lambda _: None, batch_max=BATCH)
            await writer.start()
            stack.push_async_callback(writer.stop)
        kinds = (CARD, *NAME_KINDS)
        importer = Importer(
            database, catalog, writer, project, program, quiet=order.quiet, name_kinds=kinds
        )
        return await importer.run(Path(order.file), on_progress, rejects=Path(order.rejects))


def _write(line: ImportLine) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=ImportOrder)
    asyncio.run(carry_out(order))


if __name__ == "__main__":
    main()
