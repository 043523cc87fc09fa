"""An installation to measure on: a project, a program, a key, and members by the hundred thousand.

Members are written by COPY, but each as the ledger would have made it: entries, and the standing
that the engine makes of them. Members with equal entries share one decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tierline.clock import wall
from tierline.engine.decide import decide
from tierline.model import ids
from tierline.model.encoding import encode_standing
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing
from tierline.model.tenant import Customer, Project
from tierline.rules.ladder import Tier
from tierline.rules.policy import Policy
from tierline.rules.program import Program, Rules
from tierline.store import tier_counts
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import NewProject
from tierline.store.customers import profile_text, search_key
from tierline.store.database import Database

DAY = 86_400_000
PAGE = 20_000
TABLES = ("customer", "alias", "member", "entry")
_COLUMNS = {
    "customer": ("shard", "id", "project", "number", "profile", "updated_at", "name_key"),
    "alias": ("shard", "project", "kind", "name", "customer"),
    "member": (
        *("shard", "customer", "program", "standing", "tier", "since", "expires_at", "balance"),
        *("entries", "seq", "clock", "due_at", "version"),
    ),
    "entry": (
        *("shard", "customer", "program", "n", "kind", "key", "digest", "occurred_at"),
        *("recorded_at", "points", "amount", "detail", "reverses", "answer"),
    ),
}
_text = msgspec.json.Encoder().encode

# W-L: 20 tiers at 0, 500 … 9,500 points, starting balances (7919 i mod 2000).
LADDER = Rules(
    name="Bench",
    policy=Policy(
        tiers=tuple(
            Tier(f"t{i}", f"Tier {i}", from_=500 * i, to=None if i == 19 else 500 * i + 499)
            for i in range(20)
        )
    ),
)


class Stock:
    """One project with one program, on wall time."""

    def __init__(
        self, database: Database, catalog: Catalog, project: Project, program: int, token: str
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.project = project
        self.number = program
        self.token = token
        self.people = 0

    @classmethod
    async def create(cls, database: Database, catalog: Catalog, rules: Rules = LADDER) -> Stock:
        project = await catalog.add_project(NewProject(name="Bench"), wall())
        put = await catalog.put_program(
            project.number, "bench", NewVersion(rules=rules, request="{}"), wall()
        )
        scopes = ("read_customers", "write_customers")
        key = await catalog.add_key(project.number, "native", scopes, "bench", wall())
        return cls(database, catalog, project, put.program, key["key"])

    async def add(self, count: int, opening: Callable[[int], Detail] = lambda _: Detail()) -> None:
        """So many members more; number i opens with (7919 i mod 2000) points and `opening(i)`."""
        program = await self.catalog.program_numbered(self.number)
        maker = _Maker(self, program, opening)
        heads = await self.database.pool.fetch("SELECT shard, customers FROM shard_head")
        # Another project's customers may be there already.
        maker.counters = {row[0]: row[1] for row in heads}
        for start in range(self.people, self.people + count, PAGE):
            stop = min(start + PAGE, self.people + count)
            await self._copy(maker.page(start, stop))
        self.people += count
        await self._count_customers(maker.counters)

    async def _copy(self, tables: dict[str, list[tuple[Any, ...]]]) -> None:
        async with self.database.pool.acquire() as connection:
            for table, rows in tables.items():
                await connection.copy_records_to_table(table, records=rows, columns=_COLUMNS[table])

    async def _count_customers(self, counters: dict[int, int]) -> None:
        async with self.database.pool.acquire() as connection:
            for shard, counter in counters.items():
                await connection.execute(
                    "UPDATE shard_head SET customers = $2 WHERE shard = $1", shard, counter
                )
                await tier_counts.recount(connection, shard)

    async def settle(self) -> None:
        """Statistics and visibility as after some time of running."""
        connection = await self.database.connect(statement_timeout="0")  # ten million take long
        await connection.execute("VACUUM (ANALYZE)", timeout=1_800)
        await connection.execute("CHECKPOINT", timeout=1_800)
        await connection.close()

    async def check(self) -> None:
        """No member in a wrong tier, and balances that add up to the ledger."""
        row = await self.database.pool.fetchrow(
            "SELECT (SELECT count(*) FROM member WHERE program = $1"
            " AND tier <> 't' || least(balance / 500, 19)),"
            " (SELECT sum(balance) FROM member WHERE program = $1),"
            " (SELECT sum(points) FROM entry WHERE program = $1)",
            self.number,
        )
        assert row is not None
        wrong, balances, ledger = row
        if wrong or balances != ledger:
            raise SystemExit(f"wrong: {wrong} tiers, balances {balances}, ledger {ledger}")


class _Maker:
    def __init__(self, stock: Stock, program: Program, opening: Callable[[int], Detail]) -> None:
        self.stock = stock
        self.program = program
        self.opening = opening
        self.now = wall()
        self.counters: dict[int, int] = {}
        self._decided: dict[tuple[int, Detail], tuple[Standing, bytes]] = {}

    def page(self, start: int, stop: int) -> dict[str, list[tuple[Any, ...]]]:
        tables: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
        for i in range(start, stop):
            for table, row in self._rows(i):
                tables[table].append(row)
        return tables

    def _rows(self, i: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
        stock, name, points = self.stock, f"c{i}", 7919 * i % 2000
        route = ids.route(stock.project.id, name)
        shard = ids.shard_of(route, stock.database.shards)
        counter = self.counters[shard] = self.counters[shard] + 1
        id_ = ids.customer_number(counter, route)
        detail = self.opening(i)
        now, raw = self._decide(points, detail)
        customer = Customer(ids.customer_id(id_), name, id_, f"Customer {i}", created_at=self.now)
        number, project = stock.number, stock.project.number
        key = search_key(customer.name)
        yield "customer", (shard, id_, project, id_, profile_text(customer), self.now, key)
        yield "alias", (shard, project, "source", name, id_)
        membership = (now.tier, now.since, now.expires_at, now.balance, now.entries, now.seq)
        yield "member", (shard, id_, number, raw, *membership, 0, now.due_at, 1)
        for entry, key in zip(self._entries(points, detail), ("o\x1f1", "o"), strict=True):
            text = None if entry.detail is None else _text(entry.detail).decode()
            facts = (entry.occurred_at, entry.recorded_at, entry.points, 0, text, None, "null")
            yield "entry", (shard, id_, number, entry.n, entry.kind, key, b"", *facts)

    def _entries(self, points: int, detail: Detail) -> tuple[Entry, Entry]:
        joining = Detail(implied=True, quiet=True)
        return (
            Entry(1, "enrol", self.now, self.now, detail=joining),
            Entry(2, "opening", self.now, self.now, points, detail=detail),
        )

    def _decide(self, points: int, detail: Detail) -> tuple[Standing, bytes]:
        key = (points, detail)
        if key not in self._decided:
            entries = self._entries(points, detail)
            standing = decide(self.program, Standing(), entries, self.now).standing
            self._decided[key] = standing, encode_standing(standing)
        return self._decided[key]
