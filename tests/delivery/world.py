"""A small installation for the sender's tests: a project, a program of three tiers, endpoints, and
events appended to the log exactly as the ledger appends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from tierline.clock import wall
from tierline.delivery.dispatcher import Dispatcher
from tierline.delivery.membership import owner_of
from tierline.endpoints.endpoint import Dated, Endpoint, EndpointSecrets
from tierline.endpoints.settings import SenderSettings
from tierline.model import ids
from tierline.model.events import Event, EventKind
from tierline.model.tenant import Customer
from tierline.model.view import View
from tierline.rules.ladder import Tier
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import NewProject
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.vendors.registry import FORMATS

BOX = SecretBox(bytes(32))
LOOPBACK = ("127.0.0.0/8", "::1/128")
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ="
TIERS = ("bronze", "silver", "gold")
QUICK = SenderSettings(allow=LOOPBACK, beat_ms=500, dead_ms=2_000, stop_ms=3_000, flush_ms=2)


class World:
    """`happen` writes events; `senders` made by `sending` are woken for them."""

    def __init__(self, database: Database, catalog: Catalog, project: int, program: int) -> None:
        self.database = database
        self.catalog = catalog
        self.project = project
        self.program = program
        self.senders: list[Dispatcher] = []
        self.history: list[tuple[int, str]] = []  # (customer, event id) in order of the log
        self._seq: dict[int, int] = {}
        self._made = 0

    def customer(self, n: int, shard: int | None = None) -> int:
        """The n-th customer's number; in a given shard if that matters."""
        shards = self.database.shards
        route = n * 7919 % 65536 if shard is None else -(-shard * 65536 // shards) + n % 100
        return ids.customer_number(n + 1, route)

    def shard(self, customer: int) -> int:
        return ids.shard_of(ids.route_of_customer(customer), self.database.shards)

    async def endpoint(self, url: str, *, start_at: int = 0, **fields: Any) -> EndpointRow:
        """An active endpoint; `secrets` are an EndpointSecrets, the rest are fields of Endpoint."""
        self._made += 1
        name = fields.pop("id", f"end_{self._made:04d}")
        secrets = fields.pop("secrets", EndpointSecrets(standard=(Dated(SECRET),)))
        fields.setdefault("retry", {"schedule": [0.1] * 12, "jitter": 0})
        project = fields.pop("project", self.project)
        body = {"id": name, "number": 0, "project": project, "url": url, **fields}
        msgspec.convert(body, Endpoint)
        row = await self.catalog.add_endpoint(
            project, name, json.dumps(body), msgspec.json.encode(secrets), start_at, wall()
        )
        for sender in self.senders:
            sender.poke()
        return row

    async def change(self, row: EndpointRow, **fields: Any) -> None:
        current = self.catalog.endpoint_numbered(row.number)
        assert current is not None
        body = {**json.loads(current.body), **fields}
        await self.catalog.change_endpoint(row.number, now=wall(), body=json.dumps(body))
        for sender in self.senders:
            sender.poke()

    async def happen(
        self,
        customers: Sequence[int],
        kind: EventKind = "upgraded",
        *,
        program: int | None = None,
        project: int | None = None,
        wake: bool = True,
        profile: dict[str, Any] | None = None,
    ) -> list[str]:
        """One event per customer, in that order; events of one shard in one transaction."""
        by_shard: dict[int, list[tuple[Any, ...]]] = {}
        made = []
        for customer in customers:
            event = self._event(customer, kind, program or self.program, project, profile)
            by_shard.setdefault(self.shard(customer), []).append(event)
            made.append(event[5])
            self.history.append((customer, event[5]))
        for shard, events in by_shard.items():
            async with self.database.pool.acquire() as connection:
                await append(connection, shard, events)
            if wake:
                self.wake(shard)
        return made

    def wake(self, shard: int) -> None:
        for sender in self.senders:
            sender.wake(shard)

    def _event(
        self,
        customer: int,
        kind: EventKind,
        program: int,
        project: int | None,
        extra: dict[str, Any] | None,
    ) -> tuple[Any, ...]:
        seq = self._seq[customer] = self._seq.get(customer, 0) + 1
        at = wall()
        moves = {"joined": (None, "bronze"), "left": ("bronze", None)}
        tier_from, tier_to = moves.get(kind, ("bronze", "silver"))
        event = Event(seq, kind, tier_from, tier_to, at, "activity", 1, seq, View(balance=seq))
        fact = ids.event_fact(f"{project or self.project}", f"{program}", customer, seq, kind)
        event_id = ids.event_id(fact, customer, at)
        profile = Customer(
            ids.customer_id(customer), f"c{customer}", customer, f"Customer {customer}",
            **(extra or {}),
        )  # fmt: skip
        texts = (msgspec.json.encode(event).decode(), msgspec.json.encode(profile).decode())
        return ("tier", project or self.project, program, customer, at, event_id, *texts)

    @asynccontextmanager
    async def sending(
        self, settings: SenderSettings = QUICK, **options: Any
    ) -> AsyncIterator[Dispatcher]:
        sender = Dispatcher(self.database, self.catalog, FORMATS, settings, **options)
        await sender.start()
        self.senders.append(sender)
        try:
            yield sender
        finally:
            self.senders.remove(sender)
            await sender.stop()

    async def share(self, url: str, one: Dispatcher, two: Dispatcher) -> None:
        """Six endpoints there, of which each of two processes owns three."""
        both = [one.membership.process, two.membership.process]
        names = [f"end_{n}" for n in range(100)]
        for process in both:
            for id_ in [i for i in names if owner_of(i, both) == process][:3]:
                await self.endpoint(f"{url}/{id_}", id=id_)
        await self.until(lambda: len(one.workers) == len(two.workers) == 3, "they are shared")

    async def until(self, holds: Callable[[], Any], what: str, timeout: float = 10.0) -> None:
        """Wait for something that only the sender's own state can tell."""
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"not in {timeout} s: {what}") from None

    async def until_async(
        self, ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], what: str
    ) -> None:
        """As `until`, for what must be asked of the database."""
        async with asyncio.timeout(10):
            while not holds(await ask()):
                await asyncio.sleep(0.01)

    async def settled_but_lanes(self, sender: Dispatcher) -> None:
        """Until everything that was committed is read, and what became of it is written."""
        heads = {s: head for s, (head, _) in (await sender.log.heads()).items()}

        def done() -> bool:
            workers = sender.workers.values()
            live = [f.cursor for w in workers for f in w.subscriptions.values() if not f.cursor.run]
            read = all(cursor.position >= heads[cursor.shard] for cursor in live)
            return read and not any(worker.in_flight for worker in workers)

        await self.until(done, "everything is read")
        for shard in heads:
            await sender.committers[shard].drain()

    async def settled(self, sender: Dispatcher) -> None:
        """Until the sender has passed everything that was committed, and written it."""
        heads = {s: head for s, (head, _) in (await sender.log.heads()).items()}

        def done() -> bool:
            subscriptions = [
                f for c in sender.workers.values() for f in c.subscriptions.values()
                if not f.cursor.run
            ]  # fmt: skip
            for f in subscriptions:
                f.sync()
            return all(
                f.cursor.idle and f.cursor.mark >= heads[f.cursor.shard] and not f.cursor.dirty
                for f in subscriptions
            )

        await self.until(done, "everything is settled")
        for shard in heads:
            await sender.committers[shard].drain()


async def append(connection: Any, shard: int, events: Sequence[tuple[Any, ...]]) -> int:
    """What the ledger's batch does last: the head's lock, then the events; returns the new head."""
    async with connection.transaction():
        at = max(event[4] for event in events)
        row = await connection.fetchrow(
            "UPDATE shard_head SET head = head + $2, recorded_at = greatest(recorded_at, $3) "
            "WHERE shard = $1 RETURNING head, recorded_at",
            shard,
            len(events),
            at,
        )
        first = row["head"] - len(events) + 1
        await connection.executemany(
            'INSERT INTO event (shard, "offset", class, project, program, customer, id, '
            "recorded_at, body, profile) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            [
                (shard, first + i, e[0], e[1], e[2], e[3], e[5], row["recorded_at"], e[6], e[7])
                for i, e in enumerate(events)
            ],
        )
    head: int = row["head"]
    return head


async def make_world(database: Database, programs: int = 1) -> World:
    catalog = await Catalog.open(database, BOX)
    project = await catalog.add_project(NewProject("Shop", id="shop"), wall())
    rules = Rules(
        "Club", Policy(tuple(Tier(t, t.title(), from_=100 * i) for i, t in enumerate(TIERS)))
    )
    numbers = []
    for i in range(programs):
        made = await catalog.put_program(
            project.number, f"club{i or ''}", NewVersion(rules, "{}"), wall()
        )
        numbers.append(made.program)
    return World(database, catalog, project.number, numbers[0])


def connection_of(database: Database) -> Any:
    return asyncpg.connect(database.url)
