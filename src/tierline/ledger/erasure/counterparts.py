"""What other people's ledgers say of somebody who is erased: the other side of their transfers.

Their own numbers stay as they are, and so do their keys. Of a transfer remains that it was with the
customer of that id. Where a program's rules read words that go, a checkpoint notes first where the
other member stands, so that their ledger stays sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from tierline.analysis.forecast import follow
from tierline.engine.decide import decide
from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.erasure.remains import counterpart_event_remains, counterpart_remains
from tierline.ledger.stored_originals import entry_of
from tierline.ledger.transfers.legs import FIRST, SECOND, void_key
from tierline.model import ids
from tierline.model.encoding import decode_standing, encode_standing
from tierline.model.entries import Entry
from tierline.model.standing import EDITION, Standing, checkpoint
from tierline.rules.program import Program
from tierline.store.customers import shard_of_customer, shard_of_name
from tierline.store.database import Database
from tierline.store.erasures import ErasuresSql as Sql
from tierline.store.ledger_transaction import LedgerTx

if TYPE_CHECKING:
    from asyncpg import Connection, Record

PAGE: Final = 500
KEY_OF_ERASED: Final = "erased\x1f"  # begins the keys that stand for those of an erased customer


class Place(Struct, frozen=True):
    """Where an entry of somebody else's may lie: by its key."""

    customer: int
    program: int
    key: str
    is_keyed_by_erased: bool = False  # the key holds one of the erased customer's


class Counterparts:
    """Clears what others' ledgers say of one customer."""

    def __init__(self, database: Database, catalog: ProgramCatalog, customer: int) -> None:
        self.database = database
        self.catalog = catalog
        self.customer = customer

    async def clear(self, tx: LedgerTx, names: Sequence[str], id_: str) -> None:
        """`names`: all that they may be called; `id_`: of their project."""
        connection = tx.connection
        places = await self._of_ledger(connection)
        for place in [*places, *await self._of_arrivals(connection, names, id_)]:
            await self._rewrite(tx, place)
        for shard in range(self.database.shards):
            await connection.execute(Sql.drop_arrivals, shard, self.customer)

    async def _of_ledger(self, connection: Connection[Record]) -> list[Place]:
        """The other halves of what is in the customer's own ledger."""
        shards, own = self.database.shards, ids.customer_id(self.customer)
        shard, places, after = shard_of_customer(shards, self.customer), list[Place](), (0, 0)
        while rows := await connection.fetch(Sql.entries, shard, self.customer, *after, PAGE):
            after = rows[-1]["program"], rows[-1]["n"]
            for row in rows:
                key, program = row["key"], row["program"]
                if row["kind"] == SECOND and key.count("\x1f") >= 2:
                    sent, sender, _ = key.rsplit("\x1f", 2)
                    number = ids.number_of_customer(sender)
                    if number is not None:
                        places.append(Place(number, program, sent))
                if row["kind"] == FIRST:
                    second = f"{key}\x1f{own}\x1f{SECOND}"
                    for other in range(shards):
                        rows_of = await connection.fetch(Sql.holders_of, other, program, second)
                        places += [Place(r["customer"], program, second, True) for r in rows_of]
        return places

    async def _of_arrivals(
        self, connection: Connection[Record], names: Iterable[str], id_: str
    ) -> list[Place]:
        """Transfers that were to go to the customer and came back."""
        shards, places, own = self.database.shards, list[Place](), self.customer
        routes = {ids.route(id_, name): shard_of_name(shards, id_, name) for name in names}
        routes[ids.route_of_customer(own)] = shard_of_customer(shards, own)
        for route, shard in sorted(routes.items()):
            for row in await connection.fetch(Sql.arrivals, shard, route):
                place = (row["customer"], row["program"], row["key"])
                if row["customer"] == own:
                    continue
                if row["refused"] is not None:
                    refused = row["refused"].partition(":")[0]
                    if not await self._is_to(connection, place, names):
                        continue
                    arrival = (shard, route, *place, refused)
                    await connection.execute(Sql.rewrite_arrival, *arrival)
                places += [Place(*place), Place(*place[:2], void_key(place[2]))]
        return places

    async def _is_to(
        self, connection: Connection[Record], place: tuple[int, int, str], names: Iterable[str]
    ) -> bool:
        """Whether a sender named this customer."""
        sender, program, key = place
        shard = shard_of_customer(self.database.shards, sender)
        row = await connection.fetchrow(Sql.entry, shard, program, key, sender)
        if row is None or row["detail"] is None:
            return False
        to = msgspec.json.decode(row["detail"]).get("counterpart")
        return to in {*names, ids.customer_id(self.customer)}

    async def _rewrite(self, tx: LedgerTx, place: Place) -> None:
        connection = tx.connection
        shard = shard_of_customer(self.database.shards, place.customer)
        own = (shard, place.customer, place.program)
        async with connection.transaction():
            member = await connection.fetchrow(Sql.lock_member, *own)
            if member is None or member["erased_at"] is not None:
                return
            facts = (place.program, place.key, place.customer)
            row = await connection.fetchrow(Sql.entry, shard, *facts)
            if row is None or row["detail"] is None:
                return
            detail = counterpart_remains(row["detail"], self.customer)
            key = f"{KEY_OF_ERASED}{row['n']}" if place.is_keyed_by_erased else place.key
            if '"metadata"' in row["detail"]:  # of all that goes, rules read this alone
                await self._keep_sound(tx, place, member, (row["n"], detail))
            change = (row["n"], key, detail, place.is_keyed_by_erased)
            await connection.execute(Sql.rewrite_entry, *own, *change)
            await self._rewrite_events(connection, place, row)

    async def _keep_sound(
        self,
        tx: LedgerTx,
        place: Place,
        member: Record,
        change: tuple[int, str],
    ) -> None:
        """Notes where the member stands, where the ledger would say something else afterwards."""
        shard = shard_of_customer(self.database.shards, place.customer)
        program = await self.catalog.program_numbered(place.program, member["version"])
        standing = decode_standing(member["standing"])
        rows = await tx.history(shard, place.customer, place.program)
        before = [entry_of(tuple(row)) for row in rows]
        n, detail = change
        changed = [_with_detail(row, detail) if row["n"] == n else row for row in map(dict, rows)]
        after = [entry_of(tuple(row.values())) for row in changed]
        if standing.edition != EDITION or _folded(program, before, standing.at) == _folded(
            program, after, standing.at
        ):
            return
        entry = checkpoint(standing)
        noted = follow(program, standing, (entry,), entry.recorded_at).standing
        tx.add_entries(shard, [checkpoint_row(place.customer, place.program, entry)])
        tx.update_members(shard, [member_row(place.customer, place.program, program, noted)])
        await tx.flush()

    async def _rewrite_events(
        self, connection: Connection[Record], place: Place, entry: Record
    ) -> None:
        """Events of points say what their entry said."""
        shard = shard_of_customer(self.database.shards, place.customer)
        since, key = entry["recorded_at"], place.key if place.is_keyed_by_erased else None
        rows = await connection.fetch(Sql.points_events, shard, place.customer, since)
        changes = [
            (row["offset"], counterpart_event_remains(row["body"], self.customer, key))
            for row in rows
            if msgspec.json.decode(row["body"]).get("entry") == entry["n"]
        ]
        if changes:
            columns = [list(column) for column in zip(*changes, strict=True)]
            await connection.execute(Sql.rewrite_points_events, shard, *columns)


def checkpoint_row(customer: int, program: int, entry: Entry) -> tuple[Any, ...]:
    """A checkpoint as `add_entries` takes it."""
    detail = msgspec.json.encode(entry.detail).decode()
    facts = (entry.n, entry.kind, f"checkpoint\x1f{entry.n}", bytes(16))
    instants = (entry.occurred_at, entry.recorded_at)
    return (customer, program, *facts, *instants, 0, 0, detail, None, "null")


def member_row(
    customer: int, number: int, program: Program, now: Standing, *, still: bool = False
) -> tuple[Any, ...]:
    """A member as `update_members` takes it; `still`: time passes no more."""
    columns = (now.tier, now.since, now.expires_at, now.balance, now.entries, now.seq)
    due_at = None if still else now.due_at
    return (customer, number, encode_standing(now), *columns, due_at, program.versions[-1].number)


def _with_detail(row: dict[str, Any], detail: str) -> dict[str, Any]:
    return {**row, "detail": detail}


def _folded(program: Program, entries: Sequence[Entry], at: int) -> bytes:
    return encode_standing(decide(program, Standing(), entries, at).standing)
