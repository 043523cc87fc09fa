"""An order that is told whole as a line of a file: what `export --history` writes after the
members, and `import` reads when their ledgers are there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from tierline.errors import Invalid, NotFound, TierlineError
from tierline.ledger.commands import ProgramRef
from tierline.ledger.orders.differences import OrderBooking
from tierline.ledger.orders.record import Buyer, OrderRecord, read_record
from tierline.ledger.stored_originals import read_booking
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.tenant import Project
from tierline.store import customers, orders
from tierline.store.customers import shard_of_customer
from tierline.store.database import Database
from tierline.store.orders import OrderPlace

PAGE: Final = 200
REVISION_MAX: Final = 2**31 - 1

_text = msgspec.json.Encoder().encode


class OrderLine(Struct, frozen=True, forbid_unknown_fields=True):
    """`record` and `booking` are as Tierline keeps them."""

    order: Annotated[str, Meta(min_length=1, max_length=200)]
    customer: Annotated[str, Meta(min_length=1, max_length=200)]
    record: OrderRecord
    created_at: str
    updated_at: str
    booking: OrderBooking | None = None

    def check(self) -> tuple[int, int]:
        """Returns when it was made and changed. Raises Invalid."""
        validation.identifier(self.order, "order")
        validation.numbers(msgspec.to_builtins(self.record), "record")
        validation.numbers(msgspec.to_builtins(self.booking), "booking")
        if not 0 < self.record.revision <= REVISION_MAX:
            reason = "record.revision: it counts the statements, from 1."
            raise Invalid(path="record.revision", reason=reason)
        return (
            validation.instant(self.created_at, "created_at"),
            validation.instant(self.updated_at, "updated_at"),
        )

    async def restore(self, database: Database, project: Project, program: int) -> None:
        """Makes the order as it was elsewhere; what is here already stays, but that the program
        was told of it, too. Raises NotFound for a customer whose ledger should hold it."""
        created_at, updated_at = self.check()
        place = OrderPlace.of(database.shards, project.number, self.order)
        async with database.pool.acquire() as connection, connection.transaction():
            name, shards = self.customer, database.shards
            number = await customers.find_by_name(connection, shards, project, name) or 0
            if self.booking is not None and not number:
                raise NotFound(what="customer", name=name, path="customer")
            buyer = Buyer(name, number)
            record = replace(self.record, buyer=buyer, programs=(program,), former=())
            row = (number, name, record.revision, _text(record).decode(), created_at, updated_at)
            if not await orders.restore(connection, place, row):
                await _add_program(connection, place, program)
            if self.booking is not None:
                shard, body = shard_of_customer(shards, number), _text(self.booking).decode()
                await orders.put_bookings(connection, shard, [(number, program, self.order, body)])


async def _add_program(connection: Any, place: OrderPlace, program: int) -> None:
    row = (await orders.claim(connection, [(place, "", 0)])).get(place)
    if row is None:
        raise NotFound(what="order", name=place.name, path="order")
    if row["record"] is None:
        return
    record = read_record(row["record"])
    if program not in record.programs:
        record = replace(record, programs=tuple(sorted((*record.programs, program))))
        await orders.rewrite(connection, place, _text(record).decode())


async def order_lines(database: Database, program: int) -> AsyncIterator[bytes]:
    """Yields the orders that a program was told of, as they are booked."""
    async with database.pool.acquire() as connection:
        project = await orders.project_of(connection, program)
    for shard in range(database.shards):
        after = ""
        while True:
            async with database.pool.acquire() as connection:
                page = await orders.out(connection, shard, project, after, PAGE)
                for row in page:
                    record = read_record(row["record"])
                    if program in record.programs:
                        line = await _line(connection, database.shards, program, row, record)
                        yield _text(line) + b"\n"
            if not page:
                break
            after = page[-1]["name"]


async def _line(
    connection: Any, shards: int, program: int, row: Any, record: OrderRecord
) -> dict[str, Any]:
    customer, name, booking = row["customer"], row["buyer"], None
    if customer:
        person = await customers.read(connection, shards, customer)
        name = person.customer.source_id or name if person is not None else name
        key = customer, program, row["name"]
        stored = await orders.bookings(connection, shard_of_customer(shards, customer), [key])
        booking = read_booking(stored[key]) if key in stored else None
    line = {
        "order": row["name"],
        "customer": name,
        "record": record,
        "booking": booking,
        "created_at": format_instant(row["created_at"]),
        "updated_at": format_instant(row["updated_at"]),
    }
    return {field: value for field, value in line.items() if value is not None}


async def restored(
    database: Database, ref: ProgramRef, line: OrderLine, *, trial: bool
) -> TierlineError | None:
    """Returns why an order could not be restored; None: it is. A trial only looks at it."""
    try:
        if trial:
            line.check()
        else:
            await line.restore(database, ref.project, ref.program)
    except TierlineError as error:
        return error
    return None
