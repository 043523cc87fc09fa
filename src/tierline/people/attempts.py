"""How often somebody may try: counted in the database, for all processes, by account and address.

An attempt counts before its password is looked at, so that many at once are no way around. What is
stored are hashes, so that the table is no list of who tried.
"""

from __future__ import annotations

from typing import Final

from tierline.people.directory import digest
from tierline.people.errors import TooManyAttempts
from tierline.store.database import Database
from tierline.store.people import PeopleSql as Sql

WINDOW_MS: Final = 15 * 60_000
ACCOUNT_MAX: Final = 10  # failures in that time
ADDRESS_MAX: Final = 50


class Attempts:
    """Attempts to sign in."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def count(self, account: str, address: str, now: int) -> None:
        """Before an attempt. Raises TooManyAttempts where it is one too many."""
        for key, most in ((_account(account), ACCOUNT_MAX), (_address(address), ADDRESS_MAX)):
            facts = (key, now, now - WINDOW_MS)
            row = await self.database.pool.fetchrow(Sql.count_attempt, *facts)
            assert row is not None
            if row["count"] > most:
                left = row["since"] + WINDOW_MS - now
                raise TooManyAttempts(retry_after=max(1, -(-left // 1000)))

    async def forgive(self, account: str, address: str, now: int) -> None:
        """After a good one."""
        pool = self.database.pool
        await pool.execute(Sql.forget_attempts, _account(account))
        await pool.execute(Sql.forgive_attempt, _address(address))
        await pool.execute(Sql.drop_attempts, now - WINDOW_MS)


def _account(account: str) -> bytes:
    return digest(f"account:{account.lower()}")


def _address(address: str) -> bytes:
    return digest(f"address:{address}")
