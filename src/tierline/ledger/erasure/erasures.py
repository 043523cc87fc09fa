"""Erasing a customer, step by step: each step is whole or not there, and may be done again.

Everything here follows from a few rules:

1. What is to be done is noted first, with the names that others may call the customer by. Whoever
   finds a note that is due goes on with it: the process that took the request, or a sweep.
2. What is under way ends first: transfers either way, and orders that are not booked everywhere.
3. Then one transaction in the customer's shard ends them: under the locks of all memberships each
   ledger gets a checkpoint that says in numbers where the member stands, the names of that shard
   go, the profile is emptied, and the log says so. From here on nobody finds or changes them, and
   whoever sends one of their names makes a new customer.
4. After it nothing of theirs is written any more, so what is left of text goes page by page.
5. What was on its way in another process at that moment (an answer with their name, a name that was
   just given) is looked for once more a while later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from tierline.clock import Clock, wall
from tierline.engine.decide import decide
from tierline.errors import Busy, Conflict, NotFound, TierlineError
from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.erasure import leftovers
from tierline.ledger.erasure.counterparts import Counterparts, checkpoint_row, member_row
from tierline.ledger.erasure.remains import standing_remains
from tierline.ledger.transfers.legs import promise_of
from tierline.ledger.writer import Writer
from tierline.model import ids
from tierline.model.actor import SYSTEM
from tierline.model.encoding import decode_standing
from tierline.model.operational_event import (
    CUSTOMER_ERASED,
    OperationalEvent,
    encode_operational_event,
)
from tierline.model.standing import Standing, checkpoint
from tierline.model.tenant import Customer, Project
from tierline.store import customers, erasures, transfers
from tierline.store.catalog.audit import current_actor, new_id
from tierline.store.column_encoding import columns
from tierline.store.customers import CustomersSql, shard_of_customer
from tierline.store.database import Database
from tierline.store.erasures import BEGUN, CLEARED, ENDED, StoredErasure
from tierline.store.erasures import ErasuresSql as Sql
from tierline.store.event_log import tell_operators
from tierline.store.ledger_transaction import LedgerTx
from tierline.store.tier_counts import TierCountsSql
from tierline.store.transfers import Intent

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from tierline.store.catalog.queries import Session

PAGE: Final = 100  # erasures that are gone on with at once
AGAIN_MS: Final = 60_000  # after which what was on its way is looked for once more
ROUNDS_MAX: Final = 20  # how often what is under way is ended before one gives up
EVER: Final = 2**62  # an instant after all others
# Each is the name of what is done after it.
STEPS: Final = (
    *(BEGUN, "settled", "emptied", "unnamed", "counterparts"),
    *("ledger", "events", "deliveries", CLEARED, ENDED),
)
_text = msgspec.json.Encoder().encode
_log = structlog.get_logger("tierline.ledger")


class ErasureCatalog(ProgramCatalog, Protocol):
    """What erasing asks of the catalog."""

    async def change_endpoint(self, number: int, *, now: int) -> object: ...
    async def delete_endpoint(self, number: int, now: int) -> None: ...


class Erased(Struct, frozen=True):
    """A customer of whom only numbers are left."""

    customer: int
    erased_at: int


class Erasures:
    """Erases customers of one installation, by way of a writer that is open."""

    def __init__(
        self,
        database: Database,
        catalog: ErasureCatalog,
        writer: Writer,
        on_commit: Callable[[int], None] = lambda _: None,
        clock: Clock = wall,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.writer = writer
        self.on_commit = on_commit
        self.clock = clock

    async def erase(self, project: Project, name: str) -> Erased:
        """Erases a customer by any name of theirs, or by our id; somebody who was erased under that
        name before, and whom nobody has followed, is answered again. Raises NotFound, and what
        keeps it from its end for now: it then goes on by itself."""
        async with self.database.pool.acquire() as connection:
            await self.catalog.digests.ensure(connection)
            customer = await self._find(connection, project, name)
            await self._begin(connection, project, customer)
        return await self.go_on(customer)

    async def erase_numbered(self, project: Project, customer: int) -> Erased:
        """As `erase`, by the customer's number; somebody whose erasure was begun is gone on with.
        Raises what keeps it from its end for now."""
        async with self.database.pool.acquire() as connection:
            await self.catalog.digests.ensure(connection)
            await self._begin(connection, project, customer)
        return await self.go_on(customer)

    async def resume(self, shard: int, before: int) -> int:
        """Goes on with what is due in a shard (wall time), one after the other; returns how many
        there were. What cannot end now is left."""
        done, after = 0, 0
        while True:
            async with self.database.pool.acquire() as connection:
                rows = await connection.fetch(Sql.due, shard, before, after, PAGE)
            for row in rows:
                try:
                    await self.go_on(row["customer"], again=True)
                    done += 1
                except TierlineError as error:
                    _log.warning("erasure_left_open", customer=row["customer"], error=error.code)
            if not rows:
                return done
            after = rows[-1]["customer"]

    async def go_on(self, customer: int, *, again: bool = False) -> Erased:
        """Goes on with an erasure from its last step. `again`: what was on its way elsewhere has
        had its time, and is looked for."""
        async with self.database.errand() as connection:
            tx = LedgerTx(connection)
            erasure = await self._stored(connection, customer)
            again = again and erasure.step == CLEARED
            while (step := self._next(erasure, again)) is not None:
                await self._do(tx, erasure, step)
                erasure = await self._stored(connection, customer)
            erased_at = erasure.erased_at
            assert erased_at is not None  # a step before the last one has set it
        return Erased(customer, erased_at)

    def _next(self, erasure: StoredErasure, again: bool) -> str | None:
        """The step that follows; None: nothing is to be done now."""
        if erasure.step == ENDED or (erasure.step == CLEARED and not again):
            return None
        return STEPS[STEPS.index(erasure.step) + 1]

    async def _do(self, tx: LedgerTx, erasure: StoredErasure, step: str) -> None:
        shards, customer, connection = self.database.shards, erasure.customer, tx.connection
        match step:
            case "settled":
                await self._settle(connection, erasure)
            case "emptied":
                await self._empty(tx, erasure)
            case "unnamed":
                await leftovers.drop_names(connection, shards, customer)
            case "counterparts":
                counterparts = Counterparts(self.database, self.catalog, customer)
                await counterparts.clear(tx, erasure.names, self._project(erasure).id)
            case "ledger":
                await leftovers.empty_ledger(connection, shards, customer)
            case "events":
                await leftovers.empty_events(connection, shards, customer)
                await erasures.tell(connection, customer)
            case "deliveries":
                await self._settle_deliveries(connection, erasure)
            case "cleared" | "ended":
                await leftovers.drop_names(connection, shards, customer)
                await leftovers.drop_orders(connection, shards, erasure)
                await leftovers.empty_attempts(connection, shards, erasure)
        due_at = None if step == ENDED else self.clock() + AGAIN_MS * (step == CLEARED)
        await erasures.advance(connection, shards, erasure, step, due_at)

    def _project(self, erasure: StoredErasure) -> Project:
        return self.catalog.project(erasure.project)

    async def _stored(self, connection: Connection[Record], customer: int) -> StoredErasure:
        erasure = await erasures.one(connection, self.database.shards, customer)
        assert erasure is not None  # it was noted before anything was done
        return erasure

    # -- the beginning ------------------------------------------------------------------------

    async def _find(self, connection: Session, project: Project, name: str) -> int:
        """A customer by name, or who was erased under it."""
        shards, prints = self.database.shards, self.catalog.digests
        number = await customers.find_by_name(connection, shards, project, name)
        row = None if number is None else await customers.read(connection, shards, number)
        if number is not None and row is not None and row.project == project.number:
            return number
        print_ = prints.name(name)
        erased = await erasures.erased_among(connection, shards, project.number, [print_])
        if print_ not in erased:
            raise NotFound(what="customer", name=name, path="source_id")
        return erased[print_]

    async def _begin(self, connection: Session, project: Project, customer: int) -> None:
        """Notes what is to be done, and who asked for it. Does nothing where it was noted."""
        shards = self.database.shards
        shard = shard_of_customer(shards, customer)
        row = await customers.read(connection, shards, customer)
        assert row is not None  # customers stay, erased or not
        if row.erased_at is not None:
            return
        names = await leftovers.names_of(connection, shards, customer)
        names |= {row.customer.id, row.customer.source_id or "", str(row.customer.number)} - {""}
        prints = {self.catalog.digests.name(name) for name in names}
        if row.customer.email:
            prints.add(self.catalog.digests.email(row.customer.email))
        now, actor = self.clock(), current_actor() or SYSTEM
        async with connection.transaction():
            await erasures.add_fingerprints(connection, shards, project.number, customer, prints)
            facts = (project.number, now, _text(sorted(names)).decode())
            if await connection.fetchval(Sql.begin, shard, customer, *facts) is not None:
                line = (project.number, customer, now, actor.kind, actor.id)
                await connection.execute(Sql.note, shard, new_id(now), *line)

    async def _settle(self, connection: Connection[Record], erasure: StoredErasure) -> None:
        """Ends transfers either way, and orders that are not booked everywhere."""
        project = self._project(erasure)
        async for under_way in self._under_way(connection, erasure):
            if isinstance(under_way, Intent):
                await self.writer.transfers.finish(under_way)
            else:
                await self.writer.orders.end(project, under_way)

    async def _under_way(
        self, connection: Session, erasure: StoredErasure
    ) -> AsyncIterator[Intent | str]:
        """Transfers from and to a customer, and the names of orders, that are not at their end."""
        for shard in range(self.database.shards):
            after = (0, 0, "")
            while page := await transfers.open_intents(connection, shard, EVER, after, PAGE):
                for intent in page:
                    if _is_of(intent, erasure):
                        yield intent
                after = page[-1].identity
            for row in await connection.fetch(Sql.pending_orders, shard, erasure.project):
                if leftovers.tells_of(row["pending"], erasure):
                    yield row["name"]

    # -- the end of a customer ----------------------------------------------------------------

    async def _empty(self, tx: LedgerTx, erasure: StoredErasure) -> None:
        """Raises Busy where points keep setting out."""
        shard = shard_of_customer(self.database.shards, erasure.customer)
        for _ in range(ROUNDS_MAX):
            async with tx.connection.transaction():
                if await self._emptied(tx, shard, erasure):
                    break
            await self._settle(tx.connection, erasure)
        else:
            raise Busy
        self.on_commit(shard)

    async def _emptied(self, tx: LedgerTx, shard: int, erasure: StoredErasure) -> bool:
        """In one transaction; False where something set out meanwhile, and nothing is done."""
        customer, now, connection = erasure.customer, self.clock(), tx.connection
        rows = await connection.fetch(Sql.lock_members, shard, customer)
        record = await connection.fetchrow(CustomersSql.lock_customer, shard, customer)
        assert record is not None  # customers stay
        if record["erased_at"] is not None:
            return True
        if await anext(self._under_way(connection, erasure), None) is not None:
            return False  # what was booked here has to be over, for whoever comes late with it
        newest_rows = await connection.fetch(Sql.newest_entries, shard, customer)
        newest = {row["program"]: row["n"] for row in newest_rows}
        counts: list[tuple[int, str, int]] = []
        for row in rows:
            program = await self.catalog.program_numbered(row["program"], row["version"])
            before = replace(_standing_of(row, now), entries=newest.get(row["program"], 0))
            entry = checkpoint(standing_remains(before))
            after = decide(program, Standing(), (entry,), entry.recorded_at).standing
            tx.add_entries(shard, [checkpoint_row(customer, row["program"], entry)])
            member = member_row(customer, row["program"], program, after, still=True)
            tx.update_members(shard, [member])
            counts.append((row["program"], row["tier"] or "", -1))
        await tx.flush()
        await connection.execute(Sql.still_members, shard, customer, now)
        await connection.execute(Sql.drop_names, shard, customer)
        person = customers.row_of(record).customer
        id_, since = ids.customer_id(customer), person.created_at
        empty = Customer(id_, number=customer, created_at=since, updated_at=now, erased=True)
        profile = customers.profile_text(empty)
        await connection.execute(Sql.empty_customer, shard, customer, profile, now)
        await self._tell(connection, shard, erasure, now)
        if counts:
            rows_of = columns(sorted(counts), "iti")
            await connection.execute(TierCountsSql.add_counts, shard, *rows_of)
        return True

    async def _tell(
        self, connection: Connection[Record], shard: int, erasure: StoredErasure, wall_at: int
    ) -> None:
        """The log says that a customer was erased, by the id that we made."""
        at = self.catalog.now(erasure.project, wall_at)
        who = ids.customer_id(erasure.customer)
        event = OperationalEvent(CUSTOMER_ERASED, at, data={"customer_id": who})
        body = encode_operational_event(event).decode()
        id_ = ids.derived("evt_", CUSTOMER_ERASED, str(erasure.project), who)
        about = (erasure.project, 0, erasure.customer, id_)
        await tell_operators(connection, shard, wall_at, about, body)

    async def _settle_deliveries(
        self, connection: Connection[Record], erasure: StoredErasure
    ) -> None:
        """What endpoints are still owed is settled; whoever sends there looks again."""
        now = self.clock()
        touched = await leftovers.settle_lanes(connection, self.database.shards, erasure, now)
        for endpoint in sorted(touched):
            with suppress(NotFound, Conflict):
                await self.catalog.change_endpoint(endpoint, now=now)


def _standing_of(row: Record, now: int) -> Standing:
    """A member's standing; one that cannot be read any more is known by its columns alone."""
    try:
        return decode_standing(row["standing"])
    except (msgspec.MsgspecError, ValueError):
        return Standing(at=now, entries=row["entries"], seq=row["seq"])


def _is_of(intent: Intent, erasure: StoredErasure) -> bool:
    """Whether points are under way from or to a customer."""
    if intent.project != erasure.project:
        return False
    promise = promise_of(intent)
    theirs = erasure.customer in {intent.customer, promise.recipient}
    return theirs or promise.to in {*erasure.names, ids.customer_id(erasure.customer)}
