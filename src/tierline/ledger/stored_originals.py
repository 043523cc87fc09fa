"""What a batch needs of the activities that its commands speak of: refunds, voids, approvals and
corrections by key, and orders that are told whole by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from tierline.ledger.commands import SPEAKING, Command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.orders.differences import OrderBooking
from tierline.ledger.reversal import Original
from tierline.model.entries import Detail, Entry
from tierline.store import orders
from tierline.store.ledger_transaction import LedgerTx

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from tierline.store.catalog.queries import Session

read_booking: Final = msgspec.json.Decoder(OrderBooking).decode
_booking_text = msgspec.json.Encoder().encode
_read_detail = msgspec.json.Decoder(Detail).decode

Speakers = dict[tuple[int, int, str], MemberAggregate]  # by (customer, program, key)


class StoredOriginals:
    """Reads originals and bookings in a batch's transaction, and writes the bookings."""

    def __init__(self, tx: LedgerTx, shard: int) -> None:
        self.tx = tx
        self.shard = shard
        self._has_orders = False

    async def load(self, work: Iterable[tuple[MemberAggregate, Command]]) -> None:
        """Gives the members what their commands speak of, as far as it is stored."""
        speakers: Speakers = {}
        names: Speakers = {}
        for aggregate, command in work:
            member = aggregate.customer, aggregate.number
            named = command.of if command.kind in SPEAKING else None
            for key in (named, command.corrects):
                if key is not None:
                    speakers[*member, key] = aggregate
            if command.order is not None:
                names[*member, command.order.name] = aggregate
        await self._load_entries(speakers)
        names |= _orders_of(speakers)
        if names:
            self._has_orders = True
            await self._load_bookings(names)

    async def _load_entries(self, speakers: Speakers) -> None:
        places = list(speakers)
        if not places:
            return
        for j, row in (await self.tx.originals(self.shard, places)).items():
            aggregate, key = speakers[places[j]], places[j][2]
            aggregate.originals[key] = original_of(row)

    async def _load_bookings(self, names: Speakers) -> None:
        entries: Speakers = {}
        stored = await orders.bookings(self.tx.connection, self.shard, list(names))
        for place, body in stored.items():
            booking, aggregate = read_booking(body), names[place]
            aggregate.bookings = {**aggregate.bookings, place[2]: booking}
            if booking.entry_key is not None and booking.entry_key not in aggregate.originals:
                entries[place[0], place[1], booking.entry_key] = aggregate
        await self._load_entries(entries)

    async def keep_bookings(self, aggregates: Iterable[MemberAggregate]) -> None:
        """Writes what ledgers hold of orders now, where that changed."""
        if not self._has_orders:
            return
        rows = [
            (aggregate.customer, aggregate.number, name, _booking_text(booking).decode())
            for aggregate in aggregates
            for name, booking in aggregate.booked.items()
        ]
        if rows:
            await orders.put_bookings(self.tx.connection, self.shard, sorted(rows))


async def load_originals(
    connection: Session, shard: int, aggregate: MemberAggregate, command: Command
) -> None:
    """As a batch does, outside of any: for what is only tried."""
    tx = LedgerTx(cast("Connection[Record]", connection))
    await StoredOriginals(tx, shard).load([(aggregate, command)])


def _orders_of(speakers: Speakers) -> Speakers:
    """Returns the orders that may be meant: those that the originals are of, and those that a key
    without an activity may be the name of."""
    names: Speakers = {}
    for (customer, program, key), aggregate in speakers.items():
        original = aggregate.originals.get(key)
        detail = None if original is None else original.entry.detail
        order = key if original is None else None if detail is None else detail.order
        if order is not None:
            names[customer, program, order] = aggregate
    return names


def original_of(row: Any) -> Original:
    """Returns a record of `originals`."""
    entry = entry_of(tuple(row)[1:8])
    return Original(entry, row["points_taken"], row["amount_taken"], row["times"])


def entry_of(row: Sequence[Any]) -> Entry:
    """From (n, kind, occurred_at, recorded_at, points, amount, detail)."""
    detail = row[6]
    n, kind, occurred_at, recorded_at, points, amount = row[:6]
    return Entry(
        n,
        kind,
        occurred_at,
        recorded_at,
        points,
        amount,
        None if detail is None else _read_detail(detail),
    )
