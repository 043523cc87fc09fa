"""A ledger on a real database: a project, a program with three tiers, writers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tierline.ledger.batch import Batch
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import Assertion, Command, command
from tierline.ledger.writer import Writer
from tierline.model import ids
from tierline.model.encoding import decode_standing
from tierline.model.entries import Detail
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.ladder import Tier
from tierline.rules.metric import Metric
from tierline.rules.points import PerAmount, Points
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import NewProject
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import PLANNER, Database
from tierline.store.ledger_transaction import LedgerTx
from tierline.store.transfers import Intent

BRONZE_SILVER_GOLD = (
    Tier("bronze", "Bronze", from_=0, to=99),
    Tier("silver", "Silver", from_=100, to=499),
    Tier("gold", "Gold", from_=500),
)
LADDER = Rules(
    name="Club",
    policy=Policy(tiers=BRONZE_SILVER_GOLD, metric=Metric(source="balance")),
    points=Points(orders=PerAmount(every=100, points=1)),
)


def wall() -> int:
    return time.time_ns() // 1_000_000


class Club:
    """One project with one program, and what tests ask of them."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self.database = database
        self.catalog = catalog
        self.committed: list[int] = []

    async def create(
        self, rules: Rules = LADDER, *, clock: int | None = None, zone: str = "UTC"
    ) -> None:
        """Make the project (a sandbox with `clock`) and its program."""
        new = NewProject(name="Shop", time_zone=zone, clock=clock)
        self.project: Project = await self.catalog.add_project(new, wall())
        version = NewVersion(rules=rules, request="{}")
        put = await self.catalog.put_program(self.project.number, "club", version, wall())
        self.program = put.program
        self.parser = CommandParser(self.project, self.program)

    def activity(self, kind: str = "earn", customer: str = "ada", **fields: Any) -> Command:
        """A command from an activity's JSON, as it comes in from outside."""
        body = {"kind": kind, "customer": customer, **fields}
        return self.parser.activity(
            json.dumps(body).encode(), self.catalog.now(self.project.number, wall())
        )

    def points_until(self, expires_at: int, customer: str = "ada", points: int = 150) -> Command:
        """Points that expire at an instant of the test's choosing."""
        assertion = Assertion(points=points, detail=Detail(expires_at=expires_at))
        return command(self.parser.program_ref, "earn", customer, assertion)

    @asynccontextmanager
    async def writer(self, **settings: Any) -> AsyncIterator[Writer]:
        writer = Writer(self.database, self.catalog, self.committed.append, **settings)
        await writer.start()
        try:
            yield writer
        finally:
            await writer.stop()

    async def events(self, shard: int | None = None) -> list[Event]:
        """The log, shard by shard, in order of offsets."""
        rows = await self.database.pool.fetch(
            'SELECT body FROM event WHERE $1::int IS NULL OR shard = $1 ORDER BY shard, "offset"',
            shard,
        )
        return [msgspec.json.decode(row["body"], type=Event) for row in rows]

    async def announcements(self) -> list[str]:
        """The log in short: `joined none->gold activity`."""
        return [
            f"{e.kind} {e.tier_from or '-'}->{e.tier_to or '-'} {e.cause}"
            for e in await self.events()
        ]

    async def standing(self, customer: str = "ada") -> Standing:
        pool = self.database.pool
        number = await pool.fetchval(
            "SELECT customer FROM alias WHERE name = $1 AND kind = 'source' AND project = $2",
            customer,
            self.project.number,
        )
        query = "SELECT standing FROM member WHERE customer = $1 AND program = $2"
        return decode_standing(await pool.fetchval(query, number, self.program))

    async def count(self, table: str) -> int:
        return int(await self.database.pool.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


async def first_half(club: Club, sent: Command) -> Intent:
    """Record only a transfer's first half: a process that is gone right after that commit."""
    database = club.database
    shard = ids.shard_of(sent.route, database.shards)
    tx = LedgerTx(await database.connect(**PLANNER))
    await tx.begin()
    batch = Batch(tx, club.catalog, shard, database.shards, wall())
    await batch.load([sent], [0])
    done = await batch.run()
    await tx.commit()
    await tx.connection.close()
    return done.intents[0]


@pytest.fixture
async def club(database: Database) -> Club:
    """A club whose project and program are yet to be made with `found`."""
    catalog = await Catalog.open(database, SecretBox(bytes(32)))
    return Club(database, catalog)
