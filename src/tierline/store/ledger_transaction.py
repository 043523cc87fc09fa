"""The statements of the batch path, bound to one connection.

A `LedgerTx` prepares each statement once and keeps it. It decides nothing: it loads what a batch
speaks of and writes what was decided. All of it runs inside the caller's transaction, in one shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from tierline.store.catalog.audit import new_id
from tierline.store.column_encoding import columns, literal
from tierline.store.last_changes import LastChangesSql, note_of
from tierline.store.named_queries import Queries
from tierline.store.tier_counts import TierCountsSql

Row = Sequence[Any]
Executed = tuple[str, tuple[Any, ...]]  # a statement of a script, and its arguments


class LedgerSql(Queries, file="ledger.sql"):
    """The statements of `sql/ledger.sql`."""

    load: str
    resolve: str
    living: str
    receipts: str
    current: str
    reserve: str
    unreserve: str
    originals: str
    history: str
    add_entries: str
    update_members: str
    add_members: str
    raise_head: str
    add_events: str
    still_leased: str
    add_audit: str


_NAMES = {
    statement.text: statement.name
    for statement in (*LedgerSql.statements, *TierCountsSql.statements, *LastChangesSql.statements)
}


class CountDiffers(Exception):
    """A statement touched another number of rows than it was given: roll back, run again."""


class LedgerTx:
    """One connection's prepared statements of the batch path."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.begun = False  # the next transaction, together with the last one's end
        self._prepared: dict[str, Any] = {}
        self._named: dict[str, str] = {}  # those that scripts execute
        self._script: list[Executed] = []  # to be sent before anything else
        self._last: list[Executed] = []  # with the commit: from the shard's head lock on

    async def begin(self) -> None:
        if not self.begun:
            await self.connection.execute("BEGIN")
        self.begun = False

    async def commit(self, *, again: bool = False) -> None:
        """With what is still to be written. `again`: the next transaction begins at once. Events
        and commit are one message, so that nobody waits for us at the head of the log."""
        self._script += self._last
        self._last = []
        await self._send("COMMIT", *(["BEGIN"] if again else []))
        self.begun = again

    def stopped_before(self, error: BaseException) -> bool:
        """Whether a commit failed at what was still to be written, so that nothing is unknown: the
        server says that the transaction is open. (One that goes away says nothing of it.)"""
        reported = isinstance(error, asyncpg.PostgresError) and error.severity_en == "ERROR"
        return reported and self.connection.is_in_transaction()

    async def rollback(self) -> None:
        self._script.clear()
        self._last.clear()
        self.begun = False
        await self.connection.execute("ROLLBACK")

    async def flush(self) -> None:
        """Send what is to be written before the commit."""
        if self._script:
            await self._send()

    async def load(self, shard: int, keys: Iterable[Row]) -> list[asyncpg.Record]:
        """`wanted`: (project, program, name, customer, key) of each command."""
        return await self._fetch(LedgerSql.load, shard, *columns(keys, "iitit"))

    async def resolve(self, shard: int, names: Iterable[Row]) -> dict[int, tuple[int, str]]:
        """(project, name) pairs -> {position: (customer, kind of name)} of those that are known
        here."""
        rows = await self._fetch(LedgerSql.resolve, shard, *columns(names, "it"))
        return {row[0] - 1: (row[1], row[2]) for row in rows}

    async def living(self, shard: int, customers: Sequence[int]) -> dict[int, int]:
        """Customers who exist and are not erased -> their projects."""
        return {row[0]: row[1] for row in await self._fetch(LedgerSql.living, shard, customers)}

    async def receipts(self, shard: int, keys: Iterable[Row]) -> dict[int, asyncpg.Record]:
        """(customer, program, key) -> {position: receipt}."""
        rows = await self._fetch(LedgerSql.receipts, shard, *columns(keys, "iit"))
        return {row[0] - 1: row for row in rows}

    async def current(self, programs: Sequence[int]) -> dict[int, tuple[int, int | None]]:
        """Program -> (newest version, its project's own clock)."""
        return {r[0]: (r[1], r[2]) for r in await self._fetch(LedgerSql.current, programs)}

    async def reserve(self, shard: int, members: Sequence[Row]) -> None:
        """(customer, program, clock, version) of members-to-be, sorted. CountDiffers when somebody
        else has just made one of them."""
        made = await self._fetch(LedgerSql.reserve, shard, *columns(members, "iiii"))
        if len(made) != len(members):
            raise CountDiffers("reserve")

    async def unreserve(self, shard: int, members: Sequence[Row]) -> None:
        await self._write(LedgerSql.unreserve, len(members), shard, *columns(members, "ii"))

    async def originals(self, shard: int, keys: Iterable[Row]) -> dict[int, asyncpg.Record]:
        """(customer, program, key) -> {position: the entry and what was taken back of it}."""
        rows = await self._fetch(LedgerSql.originals, shard, *columns(keys, "iit"))
        return {row[0] - 1: row for row in rows}

    async def history(self, shard: int, customer: int, program: int) -> list[asyncpg.Record]:
        return await self._fetch(LedgerSql.history, shard, customer, program)

    def add_entries(self, shard: int, rows: Sequence[Row]) -> None:
        self._later(LedgerSql.add_entries, shard, *columns(rows, "iiittxiiiitit"))

    def add_audit(self, shard: int, now: int, rows: Sequence[Row]) -> None:
        """`rows`: (project, program, customer, entry, actor's kind and id, kind, before, after)."""
        if rows:
            lines = [(new_id(now), now, *row) for row in rows]
            self._later(LedgerSql.add_audit, shard, *columns(lines, "tiiiiittttt"))

    def update_members(self, shard: int, rows: Sequence[Row]) -> None:
        self._later(LedgerSql.update_members, shard, *columns(rows, "iixtiiiiiii"))

    def add_members(self, shard: int, rows: Sequence[Row]) -> None:
        self._later(LedgerSql.add_members, shard, *columns(rows, "iixtiiiiiiii"))

    def add_events(self, shard: int, now: int, rows: Sequence[Row]) -> None:
        """`rows`: (program, customer, class, fact, body, changed_at), in the order of their
        offsets. They enter the log at `now`, or when the last one did if that is later."""
        values = columns(rows, "iittti")
        self._last.append((LedgerSql.raise_head, (shard, len(rows), now)))
        self._last.append((LedgerSql.add_events, (shard, len(rows), *values)))

    def add_counts(self, shard: int, counts: Sequence[Row], moves: Sequence[Row]) -> None:
        """`counts`: (program, tier, members more); `moves`: (program, day, kind, moves more); both
        sorted. After the shard's head, in this order, so that no two transactions wait for each
        other."""
        if counts:
            self._last.append((TierCountsSql.add_counts, (shard, *columns(counts, "iti"))))
        if moves:
            self._last.append((TierCountsSql.add_moves, (shard, *columns(moves, "iiti"))))

    def note_changes(self, shard: int, customers: Iterable[int]) -> None:
        """These customers changed: lists by last change are to say so."""
        self._later(LastChangesSql.note, shard, *note_of(customers))

    def only_while(self, shard: int, lease: str, generation: int) -> None:
        """The commit fails with a DivisionByZeroError when the lease passed on. Asked under the
        log's lock: who has the lease then comes after us, or instead of us."""
        self._last.append((LedgerSql.still_leased, (shard, lease, generation)))

    def _later(self, text: str, *arguments: Any) -> None:
        self._script.append((text, arguments))

    async def _send(self, *rest: str) -> None:
        """The script in one message: a statement that fails ends it, and the transaction."""
        script, self._script = self._script, []
        lines = []
        for text, arguments in script:
            name = self._named.get(text)
            if name is None:
                name = "tierline_" + _NAMES[text]
                await self.connection.execute(f"PREPARE {name} AS {text}")
                self._named[text] = name
            lines.append(f"EXECUTE {name}({','.join(map(literal, arguments))})")
        await self.connection.execute(";".join([*lines, *rest]))

    async def _fetch(self, text: str, *arguments: Any) -> list[asyncpg.Record]:
        await self.flush()
        statement = self._prepared.get(text)
        if statement is None:
            statement = self._prepared[text] = await self.connection.prepare(text)
        rows: list[asyncpg.Record] = await statement.fetch(*arguments)
        return rows

    async def _write(self, text: str, count: int, *arguments: Any) -> None:
        await self.flush()
        statement = self._prepared.get(text)
        if statement is None:
            statement = self._prepared[text] = await self.connection.prepare(text)
        await statement.fetch(*arguments)
        done = statement.get_statusmsg()
        if done is None or done.rpartition(" ")[2] != str(count):
            raise CountDiffers(done)
