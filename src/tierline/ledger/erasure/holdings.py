"""All that is held of one customer, as one JSON object, written page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.erasure.leftovers import first_event_at
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.model.encoding import decode_standing
from tierline.model.standing import carry
from tierline.model.tenant import Project
from tierline.store import audit, members, orders
from tierline.store.audit import AuditFilter
from tierline.store.customers import CustomerRow, shard_of_customer
from tierline.store.database import Database
from tierline.store.erasures import ErasuresSql as Sql

if TYPE_CHECKING:
    from asyncpg import Record

PAGE: Final = 200  # rows of one statement, and of one piece of the answer
EVER: Final = 2**62
_encode = msgspec.json.Encoder().encode
Lines = AsyncIterator[list[dict[str, Any]]]


class Holdings:
    """What is held of one customer. Read page by page, no transaction spans them: what changes
    meanwhile may stand there or not."""

    def __init__(
        self, database: Database, catalog: ProgramCatalog, project: Project, row: CustomerRow
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.project = project
        self.row = row
        self.shard = shard_of_customer(database.shards, row.id)
        self._programs: dict[int, str] = {}  # by number

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yields the object, piece by piece."""
        facts = {"id": ids.customer_id(self.row.id), "profile": self.row.customer}
        yield b'{"customer":' + _encode(facts)
        sections: dict[str, Lines] = {
            "names": self._names(),
            "memberships": self._memberships(),
            "entries": self._entries(),
            "orders": self._orders(),
            "transfers_under_way": self._intents(),
            "events": self._events(),
            "deliveries": self._attempts(),
            "changes": self._changes(),
        }
        for name, pages in sections.items():
            yield b',"' + name.encode() + b'":['
            between = b""
            async for page in pages:
                for line in page:
                    yield between + _encode(line)
                    between = b","
            yield b"]"
        yield b"}\n"

    async def _fetch(self, statement: str, *arguments: Any) -> Sequence[Record]:
        rows: Sequence[Record] = await self.database.pool.fetch(statement, *arguments)
        return rows

    async def _program(self, number: int) -> str:
        if number not in self._programs:
            self._programs[number] = (await self.catalog.program_numbered(number)).id
        return self._programs[number]

    async def _names(self) -> Lines:
        for shard in range(self.database.shards):
            rows = await self._fetch(Sql.names_of, shard, self.row.id)
            yield [dict(row) for row in rows]

    async def _memberships(self) -> Lines:
        async with self.database.pool.acquire() as connection:
            rows = await connection.fetch(members.MembersSql.standings, self.shard, self.row.id)
        for row in rows:
            standing = carry(decode_standing(row["standing"]))
            program = await self._program(row["program"])
            yield [{"program": program, "standing": standing}]

    async def _entries(self) -> Lines:
        for number, program in sorted(self._programs.items()):
            place = 0
            while True:
                async with self.database.pool.acquire() as connection:
                    member = (self.row.id, number)
                    shards = self.database.shards
                    rows = await members.entries_after(connection, shards, member, place, PAGE)
                if not rows:
                    break
                place = rows[-1]["n"]
                yield [{"program": program, **_entry(row)} for row in rows]

    async def _orders(self) -> Lines:
        for shard in range(self.database.shards):
            after: tuple[int, str] = (-1, "")
            while True:
                async with self.database.pool.acquire() as connection:
                    place, window = (shard, self.project.number), (*after, EVER)
                    rows = await orders.page(connection, *place, window, PAGE, self.row.id)
                if not rows:
                    break
                after = rows[-1]["updated_at"], rows[-1]["name"]
                yield [
                    {"order": r["name"], "record": msgspec.Raw(r["record"].encode())} for r in rows
                ]

    async def _intents(self) -> Lines:
        rows = await self._fetch(Sql.intents_held, self.shard, self.row.id)
        yield [
            {
                "key": row["key"],
                "points": row["points"],
                "begun_at": format_instant(row["begun_at"]),
                "said": msgspec.Raw(row["body"].encode()),
            }
            for row in rows
        ]

    async def _events(self) -> Lines:
        after = 0
        while rows := await self._fetch(Sql.events_held, self.shard, self.row.id, after, PAGE):
            after = rows[-1]["offset"]
            yield [
                {
                    "id": row["id"],
                    "class": row["class"],
                    "recorded_at": format_instant(row["recorded_at"]),
                    "event": msgspec.Raw(row["body"].encode()),
                    "profile": msgspec.Raw((row["profile"] or "null").encode()),
                }
                for row in rows
            ]

    async def _attempts(self) -> Lines:
        event = f"evt_{self.row.id:014x}%"
        async with self.database.pool.acquire() as connection:
            first = await first_event_at(connection, self.database.shards, self.row.id)
        for endpoint in await self._fetch(Sql.endpoints_of, self.project.number) if first else ():
            place, after = (self.shard, endpoint["number"]), ((first or 0) - 1, "", 0)
            like = (event, f"%{event}", PAGE)
            while rows := await self._fetch(Sql.attempts_held, *place, *after, *like):
                after = rows[-1]["at"], rows[-1]["delivery"], rows[-1]["number"]
                yield [
                    {
                        **dict(row),
                        "at": format_instant(row["at"]),
                        "detail": msgspec.Raw(row["detail"].encode()),
                    }
                    for row in rows
                ]

    async def _changes(self) -> Lines:
        below: str | None = None
        while True:
            only = AuditFilter(
                project=self.project.number, object=ids.customer_id(self.row.id), below=below
            )
            lines = await audit.page(self.database, only, PAGE)
            yield [
                {"at": format_instant(line.at), "kind": line.kind, "entry": line.entry,
                 "before": line.before, "after": line.after}
                for line in lines
            ]  # fmt: skip
            if len(lines) < PAGE:
                return
            below = lines[-1].id


def _entry(row: Record) -> dict[str, Any]:
    return {
        "entry": row["n"],
        "kind": row["kind"],
        "key": members.caller_key(row["key"]),
        "occurred_at": format_instant(row["occurred_at"]),
        "recorded_at": format_instant(row["recorded_at"]),
        "points": row["points"],
        "amount": row["amount"],
        "detail": msgspec.Raw((row["detail"] or "null").encode()),
    }
