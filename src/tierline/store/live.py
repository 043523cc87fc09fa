"""Whether a server works on an installation: every one of them gives signs of life."""

from __future__ import annotations

from typing import Final

import asyncpg

from tierline.errors import TierlineError
from tierline.store.log_sql import LogSql

LIVE_MS: Final = 15_000  # since the last sign of life; they come every 2.5 s


class InUse(TierlineError):
    """{count} Tierline server(s) work on the database at {where} ({roles}). Stop them, and repeat
    this; one that was killed counts as dead after {seconds} seconds."""

    code = "installation_in_use"
    status = 409


async def require_idle(connection: asyncpg.Connection, place: str) -> None:
    """Raise InUse unless no server gave a sign of life lately. `place` names the database."""
    living = await connection.fetch(LogSql.processes, LIVE_MS)
    if living:
        roles = "; ".join(row["roles"] for row in living)
        raise InUse(where=place, count=len(living), roles=roles, seconds=LIVE_MS // 1000)
