"""Customers and their names: finding them, and making them.

A customer's id is `counter << 16 | route`: it says where the row lives and never changes. Names are
alias rows, each in the shard of its own hash. All functions take a connection; those that make
customers want a transaction in one shard, in which locks on members were taken before: they lock
the shard's head, after which nothing waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.model import ids
from tierline.model.tenant import Customer, Project
from tierline.store.ledger_transaction import CountDiffers
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

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
    """Somebody to be made; `shown` has an id and a number only if they were imported. `id` where
    one was reserved before."""

    shown: Customer
    id: int | None = None


def shard_of_name(shards: int, project: str, name: str) -> int:
    return ids.shard_of(ids.route(project, name), shards)


def shard_of_customer(shards: int, customer: int) -> int:
    return ids.shard_of(ids.route_of_customer(customer), shards)


async def numbers_of(
    connection: Session,
    shard: int,
    project: int,
    names: Sequence[str],
    kind: str = "source",
) -> dict[str, int]:
    """Those of the names that exist, with their customers' ids. A customer who was renamed may
    live in another shard than the name: compare `shard_of_customer`."""
    rows = await connection.fetch(Sql.named, shard, project, kind, list(names))
    return {row["name"]: row["customer"] for row in rows}


async def find(
    connection: Session, shards: int, project: Project, name: str, kind: str = "source"
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
        found = await connection.fetchval(Sql.numbered, shard, project.number, [number])
    return found


async def read(connection: Session, shards: int, customer: int) -> CustomerRow | None:
    shard = shard_of_customer(shards, customer)
    rows = await connection.fetch(Sql.customers, shard, [customer])
    return row_of(rows[0]) if rows else None


async def reserve(connection: Session, shards: int, project: Project, name: str) -> int:
    """The id for a customer who will first be named so; a number that is never used is no harm."""
    route = ids.route(project.id, name)
    shard = ids.shard_of(route, shards)
    taken = await connection.fetchrow(Sql.take_numbers, shard, project.number, 1)
    assert taken is not None  # every shard has its head row from the start
    return ids.customer_number(taken["customers"], route)


async def create(
    connection: Session, shard: int, project: Project, new: Sequence[NewCustomer]
) -> dict[str, CustomerRow]:
    """Makes customers by their source ids, with only that name, and answers all of them by it.
    Whom somebody else made in between is read instead, or left out if a renaming put them into
    another shard. One shard, inside a transaction."""
    taken = await connection.fetchrow(Sql.take_numbers, shard, project.number, len(new))
    assert taken is not None
    wanted = {customer.shown.source_id or "": customer for customer in new}
    known = await numbers_of(connection, shard, project.number, list(wanted))
    made: dict[int, Customer] = {}
    counter = taken["customers"] - len(new)
    for name in sorted(wanted.keys() - known.keys()):
        counter += 1
        id_ = wanted[name].id or ids.customer_number(counter, ids.route(project.id, name))
        made[id_] = _numbered(wanted[name].shown, id_, taken["number_floor"])
        known[name] = id_
    if made:
        await _insert(connection, shard, project.number, made)
    rows = await connection.fetch(Sql.customers, shard, list(known.values()))
    found = {row["id"]: row_of(row) for row in rows}
    return {name: found[id_] for name, id_ in known.items() if id_ in found}


def bare(source_id: str, now: int) -> NewCustomer:
    """Somebody of whom only the source id is known."""
    return NewCustomer(Customer(id="", source_id=source_id, created_at=now, updated_at=now))


def _numbered(shown: Customer, id_: int, floor: int) -> Customer:
    """With an id and a number, where none was imported. A number made here lies above all
    imported ones, moved there by whole multiples of 65536 so that it still carries the route."""
    above = -(-floor // ids.ROUTES) * ids.ROUTES
    return replace(shown, id=shown.id or ids.customer_id(id_), number=shown.number or id_ + above)


async def _insert(connection: Session, shard: int, project: int, made: dict[int, Customer]) -> None:
    people = list(made.values())
    facts = (
        [shown.number for shown in people],
        [profile_text(shown) for shown in people],
        [shown.updated_at for shown in people],
    )
    added = await connection.fetch(Sql.add_customers, shard, project, list(made), *facts)
    names = [shown.source_id for shown in people]
    kinds = ["source"] * len(names)
    named = await connection.fetch(Sql.add_names, shard, project, kinds, names, list(made))
    if not len(added) == len(named) == len(made):
        raise CountDiffers("create")  # a name was taken at this moment: look again


def profile_text(customer: Customer) -> str:
    """The whole customer, so that an event's copy of it needs nothing else."""
    return _encode(customer).decode()


def row_of(row: Any) -> CustomerRow:
    """From a record of `customers` or `lock_customer`."""
    return CustomerRow(row["id"], row["project"], _decode(row["profile"]), row["erased_at"])
