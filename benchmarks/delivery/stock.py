"""An installation to deliver from: a project, a program per endpoint, and a log to drain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from tierline.clock import wall
from tierline.endpoints.endpoint import Dated, EndpointSecrets
from tierline.model import ids
from tierline.model.events import Event
from tierline.model.tenant import Customer
from tierline.model.view import View
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import NewProject
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.vendors.registry import compile_settings
from tierline.vendors.vendor import ProgramFacts

BOX = SecretBox(bytes(32))
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ="
CAMPAIGN: dict[str, Any] = {
    "id": "camp_000000000000000000000001",
    "name": "Bench program",
    "campaign_type": "LOYALTY_PROGRAM",
    "type": "STATIC",
    "description": "A program whose announcements are about as long as the published sample.",
    "metadata": {"country": "DE"},
    "loyalty_tiers": [
        {"id": "ltr_000000000000000001", "name": "Silver", "points": {"from": 0, "to": 199}},
        {"id": "ltr_000000000000000002", "name": "Gold", "points": {"from": 200}},
    ],
}


class Stock:
    """Programs 0 … n-1, one per endpoint, so that one event is one delivery."""

    def __init__(self, catalog: Catalog, project: int, programs: list[int]) -> None:
        self.catalog = catalog
        self.project = project
        self.programs = programs
        self.next = 0

    def rows(self, count: int, programs: Sequence[int] | None = None) -> list[tuple[Any, ...]]:
        """`count` events, program after program, each of another customer."""
        programs = programs or self.programs
        at = wall()
        made = []
        for _ in range(count):
            n = self.next = self.next + 1
            program = programs[n % len(programs)]
            customer = ids.customer_number(n, n * 7919 % 65536)
            event = Event(
                n, "upgraded", "ltr_000000000000000001", "ltr_000000000000000002", at, "activity",
                1, n, View(balance=250, joined_at=at, since=at),
            )  # fmt: skip
            profile = Customer(
                ids.customer_id(customer), f"shopper-{n}", customer, f"Shopper {n}",
                f"shopper{n}@example.com", metadata={"favourite": "tea"}, created_at=at,
                updated_at=at,
            )  # fmt: skip
            fact = ids.event_fact("bench", str(program), customer, n, "upgraded")
            event_id = ids.event_id(fact, customer, at)
            texts = (msgspec.json.encode(event).decode(), msgspec.json.encode(profile).decode())
            made.append(("tier", self.project, program, customer, event_id, at, *texts))
        return made


async def make_stock(database: Database, urls: Sequence[str], **fields: Any) -> Stock:
    """One endpoint per URL, each hearing one program."""
    catalog = await Catalog.open(database, BOX)
    project = await catalog.add_project(NewProject("Bench", id="bench"), wall())
    facts = ProgramFacts(id="p", project="bench", at=wall(), name="Bench program")
    rules = compile_settings("voucherify", CAMPAIGN, facts)
    programs = []
    for i, url in enumerate(urls):
        made = await catalog.put_program(project.number, f"p{i}", NewVersion(rules, "{}"), wall())
        programs.append(made.program)
        body = {
            "id": f"end_{i:05d}", "number": 0, "project": project.number, "url": url,
            "format": "voucherify", "programs": [f"p{i}"], "timeout_ms": 15_000, **fields,
        }  # fmt: skip
        secrets = EndpointSecrets(standard=(Dated(SECRET),))
        await catalog.add_endpoint(
            project.number, body["id"], json.dumps(body), msgspec.json.encode(secrets), 0, wall()
        )
    return Stock(catalog, project.number, programs)


async def fill(database: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append events in bulk, as an import does: one transaction per shard."""
    by_shard: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        shard = ids.shard_of(ids.route_of_customer(row[3]), database.shards)
        by_shard.setdefault(shard, []).append(row)
    connection = await database.connect(statement_timeout="0")
    try:
        for shard, events in by_shard.items():
            await append(connection, shard, events)
    finally:
        await connection.close()


async def append(connection: Any, shard: int, events: Sequence[tuple[Any, ...]]) -> None:
    """What the ledger's batch does last: the head's lock, then the events."""
    async with connection.transaction():
        head = await connection.fetchval(
            "UPDATE shard_head SET head = head + $2, recorded_at = greatest(recorded_at, $3) "
            "WHERE shard = $1 RETURNING head",
            shard,
            len(events),
            max(row[5] for row in events),
        )
        first = head - len(events) + 1
        await connection.copy_records_to_table(
            "event",
            records=[
                (shard, first + i, c, p, g, n, e, at, body, profile)
                for i, (c, p, g, n, e, at, body, profile) in enumerate(events)
            ],
            columns=[
                "shard", "offset", "class", "project", "program", "customer", "id",
                "recorded_at", "body", "profile",
            ],
        )  # fmt: skip
