"""A process of ours beside the server, which ends whole: nothing waits for it for ever."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any


@contextlib.asynccontextmanager
async def child_process(module: str, **options: Any) -> AsyncIterator[Process]:
    """Runs a module, with pipes to and from it, and kills it at the end. `options` are those of
    `asyncio.create_subprocess_exec`.

    asyncio takes a process for alive as long as there is something in its pipes: what it still had
    to say when it was killed must be read.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, **options
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
