"""Ending the memberships of a program that has ended: every member leaves, by the one path.

Each leaves under a key that follows from the end's instant. So a run that was stopped, or one
beside it, does nothing twice; and no batch is longer than any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tierline.errors import NotAMember
from tierline.ledger import commands
from tierline.ledger.commands import ProgramRef
from tierline.ledger.files.export import ExportSql
from tierline.ledger.writer import Writer
from tierline.model.encoding import decode_standing
from tierline.store.database import Database

PAGE: Final = 500


async def end_memberships(
    database: Database,
    writer: Writer,
    program_ref: ProgramRef,
    ended_at: int,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Returns how many members left."""
    left = 0
    for shard in range(database.shards):
        after = 0
        place = (shard, program_ref.program)
        while page := await database.pool.fetch(ExportSql.members_out, *place, after, PAGE):
            leaving = [
                commands.leave(program_ref, "", key=f"end:{ended_at}", number=row["customer"])
                for row in page
                if decode_standing(row["standing"]).joined_at is not None
            ]
            answers = await writer.accept(leaving)
            for outcome in await asyncio.gather(*answers, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    if not isinstance(outcome, NotAMember):
                        raise outcome
                else:
                    left += not outcome.repeated
            after = page[-1]["customer"]
            on_progress(left)
    return left
