"""Customers and their names: finding them, and making them.

A customer's id is `counter << 16 | route`: it says where the row lives and never changes. Names are
alias rows, each in the shard of its own hash. All functions take a connection; those that make
customers want a transaction in one shard, in which locks on members were taken before: they lock
the shard's head, after which nothing waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.engine import ids
from tierline.engine.announcement import Project
from tierline.engine.model import Customer
from tierline.store.named import Queries

if TYPE_CHECKING:
    from tierline.store.catalog_sql import Session

NameKind = Literal["source", "id", "number", "merchant", "card"]
_decode = msgspec.json.Decoder(Customer).decode
_encode = msgspec.json.Encoder().encode


class CustomersSql(Queries, file="customers.sql"):
    named: str
    take_numbers: str
    add_customers: str
    add_names: str
    drop_name: str
    customers: str
    lock_customer: str
    change_customer: str
    numbered: str


Sql = CustomersSql


class CustomerRow(Struct, frozen=True):
    """A stored customer. `id` is the number that carries the route; `shown` what payloads see."""

    id: int
    project: int
    shown: Customer
    erased_at: int | None = None


class NewCustomer(Struct, frozen=True):
    """Somebody to be made. `id` where a number was reserved before; `number` only if imported."""

    shown: Customer
    id: int | None = None
    number: int | None = None


def shard_of_name(shards: int, project: str, name: str) -> int:
    return ids.shard_of(ids.route(project, name), shards)


def shard_of_customer(shards: int, customer: int) -> int:
    return ids.shard_of(ids.route_of_customer(customer), shards)


async def numbers_of(
    connection: Session,
    shard: int,
    project: int,
    names: Sequence[str],
    kind: NameKind = "source",
) -> dict[str, int]:
    """Those of the names that exist, with their customers' ids. A customer who was renamed may
    live in another shard than the name: compare `shard_of_customer`."""
    rows = await connection.fetch(Sql.named, shard, project, kind, list(names))
    return {row["name"]: row["customer"] for row in rows}


async def find(
    connection: Session, shards: int, project: Project, name: str, kind: NameKind = "source"
) -> int | None:
    """A customer's id by a name of theirs."""
    shard = shard_of_name(shards, project.id, name)
    found = await numbers_of(connection, shard, project.number, [name], kind)
    return found.get(name)


async def find_numbered(
    connection: Session, shards: int, project: Project, number: int
) -> int | None:
    """A customer's id by their number, imported or made here."""
    found = await find(connection, shards, project, str(number), "number")
    if found is None:
        shard = shard_of_customer(shards, number)
        found = await connection.fetchval(Sql.numbered, shard, project.number, number)
    return found


async def read(connection: Session, shards: int, customer: int) -> CustomerRow | None:
    shard = shard_of_customer(shards, customer)
    rows = await connection.fetch(Sql.customers, shard, [customer])
    return row_of(rows[0]) if rows else None


async def reserve(connection: Session, shards: int, project: Project, name: str) -> int:
    """The id for a customer who will first be named so; a number that is never used is no harm."""
    route = ids.route(project.id, name)
    counter = await connection.fetchval(Sql.take_numbers, ids.shard_of(route, shards), 1)
    return ids.customer_number(counter, route)


async def create(
    connection: Session, shard: int, project: Project, new: Sequence[NewCustomer], now: int
) -> dict[str, CustomerRow]:
    """Makes customers by their source ids, with only that name, and answers all of them by it.
    Whom somebody else made in between is read instead, or left out if a renaming put them into
    another shard. One shard, inside a transaction."""
    counter: int = await connection.fetchval(Sql.take_numbers, shard, len(new))
    wanted = {customer.shown.source_id or "": customer for customer in new}
    known = await numbers_of(connection, shard, project.number, list(wanted))
    made: dict[int, NewCustomer] = {}
    free = counter - len(new)
    for name in sorted(wanted.keys() - known.keys()):
        free += 1
        id_ = wanted[name].id or ids.customer_number(free, ids.route(project.id, name))
        known[name], made[id_] = id_, wanted[name]
    if made:
        await _insert(connection, shard, project.number, made, now)
    rows = await connection.fetch(Sql.customers, shard, list(known.values()))
    found = {row["id"]: row_of(row) for row in rows}
    return {name: found[id_] for name, id_ in known.items() if id_ in found}


def bare(source_id: str, now: int) -> NewCustomer:
    """Somebody of whom only the source id is known."""
    return NewCustomer(Customer(id="", source_id=source_id, created_at=now, updated_at=now))


async def _insert(
    connection: Session, shard: int, project: int, made: dict[int, NewCustomer], now: int
) -> None:
    numbers = [customer.number for customer in made.values()]
    profiles = [
        profile_text(replace(c.shown, id=c.shown.id or ids.customer_id(id_)))
        for id_, c in made.items()
    ]
    added = await connection.fetch(
        Sql.add_customers, shard, project, list(made), numbers, profiles, now
    )
    names = [customer.shown.source_id for customer in made.values()]
    kinds = ["source"] * len(names)
    named = await connection.fetch(Sql.add_names, shard, project, kinds, names, list(made))
    assert len(added) == len(named) == len(made)  # the head lock was taken before looking


def profile_text(customer: Customer) -> str:
    """As it is stored: number and updated_at are columns of their own."""
    return _encode(replace(customer, number=0, updated_at=0)).decode()


def row_of(row: Any) -> CustomerRow:
    """From a record of `customers` or `lock_customer`."""
    shown = replace(_decode(row["profile"]), number=row["number"], updated_at=row["updated_at"])
    return CustomerRow(row["id"], row["project"], shown, row["erased_at"])
