"""Customers and their names: finding them, and making them.

A customer's id is `counter << 16 | route`: it says where the row lives and never changes. Names are
alias rows, each in the shard of its own hash. All functions take a connection; those that make
customers want a transaction in one shard, in which locks on members were taken before: they lock
the shard's head, after which nothing waits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import NotFound
from tierline.model import ids
from tierline.model.tenant import Customer, Project
from tierline.store import customer_events, last_changes
from tierline.store.ledger_transaction import CountDiffers
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

KEY_CHARACTERS_MAX: Final = 320  # of a name or an email, as searches compare them
read_profile = msgspec.json.Decoder(Customer).decode
_encode = msgspec.json.Encoder().encode


class CustomersSql(Queries, file="customers.sql"):
    named: str
    holders: str
    standing_of: str
    of_kind: str
    take_numbers: str
    counters: str
    raise_counter: str
    number_floor: str
    add_customers: str
    add_names: str
    drop_name: str
    drop_names: str
    customers: str
    lock_customer: str
    change_customer: str
    numbered: str


Sql = CustomersSql


class CustomerRow(Struct, frozen=True):
    """A stored customer. `id` is the number that carries the route; `shown` what payloads see."""

    id: int
    project: int
    customer: Customer
    erased_at: int | None = None


class NewCustomer(Struct, frozen=True):
    """Somebody to be made; `shown` has an id and a number only if they were imported. `id` where
    one was reserved before."""

    customer: Customer
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
    numbers = await numbers_of(connection, shard, project.number, [name], kind)
    return numbers.get(name)


async def names_of_kind(
    connection: Session, shards: int, project: int, kind: str, limit: int
) -> list[tuple[str, int]]:
    """The first names of a kind over all shards, in their order, with the customers' ids."""
    names: list[tuple[str, int]] = []
    for shard in range(shards):
        rows = await connection.fetch(Sql.of_kind, shard, project, kind, "", limit)
        names += [(row["name"], row["customer"]) for row in rows]
    return sorted(names)[:limit]


async def holders(
    connection: Session, shard: int, project: int, names: Sequence[str]
) -> dict[str, int]:
    """Those of the names that somebody has, as a source id or else as a name of another kind, with
    the customers' ids."""
    rows = await connection.fetch(Sql.holders, shard, project, list(names))
    rows.sort(key=lambda row: row["kind"] == "source")
    return {row["name"]: row["customer"] for row in rows}


async def find_by_name(connection: Session, shards: int, project: Project, name: str) -> int | None:
    """A customer's id by any name of theirs: the source id first, then id, card code and the like,
    then an id that we made. Names are compared as they are, byte for byte."""
    shard = shard_of_name(shards, project.id, name)
    customer = (await holders(connection, shard, project.number, [name])).get(name)
    if customer is None and (own := ids.number_of_customer(name)):
        row = await read(connection, shards, own)
        customer = own if row is not None and row.project == project.number else None
    return customer


async def find_numbered(
    connection: Session, shards: int, project: Project, number: int
) -> int | None:
    """A customer's id by their number, imported or made here."""
    customer = await find(connection, shards, project, str(number), "number")
    if customer is None:
        shard = shard_of_customer(shards, number)
        customer = await connection.fetchval(Sql.numbered, shard, project.number, [number])
    return customer


async def read(connection: Session, shards: int, customer: int) -> CustomerRow | None:
    shard = shard_of_customer(shards, customer)
    rows = await connection.fetch(Sql.customers, shard, [customer])
    return row_of(rows[0]) if rows else None


async def reserve(connection: Session, shards: int, project: Project, name: str) -> int:
    """The id for a customer who will first be named so; a number that is never used is no harm."""
    route = ids.route(project.id, name)
    shard = ids.shard_of(route, shards)
    taken = await take_numbers(connection, shard, project, 1)
    return ids.customer_number(taken["customers"], route)


async def take_numbers(
    connection: Session, shard: int, project: Project, count: int
) -> Mapping[str, int]:
    """Returns the shard's counter after so many new customers, and the project's number floor.
    Raises NotFound where the project is deleted, which this process may not have heard of."""
    taken = await connection.fetchrow(Sql.take_numbers, shard, project.number, count)
    if taken is None:
        raise NotFound(what="project", name=project.id)
    return {"customers": taken["customers"], "number_floor": taken["number_floor"]}


async def create(
    connection: Session,
    shard: int,
    project: Project,
    new: Sequence[NewCustomer],
    quiet: Collection[str] = (),
) -> dict[str, CustomerRow]:
    """Makes customers by their source ids, with only that name, and answers all of them by it.
    `quiet`: the source ids of those of whom nobody is told.
    Whom somebody else made in between is read instead, or left out if a renaming put them into
    another shard. One shard, inside a transaction."""
    taken = await take_numbers(connection, shard, project, len(new))
    newcomers = {customer.customer.source_id or "": customer for customer in new}
    numbers = await numbers_of(connection, shard, project.number, list(newcomers))
    others = await holders(connection, shard, project.number, list(newcomers.keys() - numbers))
    numbers |= {name: other for name, other in others.items() if other != newcomers[name].id}
    made: dict[int, Customer] = {}
    counter = taken["customers"] - len(new)
    for name in sorted(newcomers.keys() - numbers.keys()):
        counter += 1
        # Whose id was reserved before has a number of this moment, as everybody: numbers of a shard
        # become visible in rising order, and no list that walks by them misses anybody.
        fresh = ids.customer_number(counter, ids.route(project.id, name))
        id_ = newcomers[name].id or fresh
        made[id_] = _numbered(newcomers[name].customer, id_, fresh, taken["number_floor"])
        numbers[name] = id_
    if made:
        await _insert(connection, shard, project.number, made)
        news = {id_: one for id_, one in made.items() if one.source_id not in quiet}
        await customer_events.tell_created(connection, shard, project, news)
    rows = await connection.fetch(Sql.customers, shard, list(numbers.values()))
    by_id = {row["id"]: row_of(row) for row in rows}
    return {name: by_id[id_] for name, id_ in numbers.items() if id_ in by_id}


def bare(source_id: str, now: int) -> NewCustomer:
    """Somebody of whom only the source id is known."""
    return NewCustomer(Customer(id="", source_id=source_id, created_at=now, updated_at=now))


def _numbered(customer: Customer, id_: int, fresh: int, floor: int) -> Customer:
    """With an id and a number, where none was imported. A number made here lies above all
    imported ones, moved there by whole multiples of 65536 so that it still carries the route."""
    number = customer.number or fresh + _above(floor)
    return replace(customer, id=customer.id or ids.customer_id(id_), number=number)


def _above(floor: int) -> int:
    return -(-floor // ids.ROUTES) * ids.ROUTES


async def number_mark(connection: Session, project: int) -> int:
    """Returns the number of a project up to which all numbers that were made here are final: who
    is made from now on gets a higher one. Every shard's counter rises to the highest, after
    whoever makes customers there at this moment."""
    floor = await connection.fetchval(Sql.number_floor, project)
    counters = {row["shard"]: row["customers"] for row in await connection.fetch(Sql.counters)}
    highest: int = max(counters.values())
    for shard, counter in counters.items():
        if counter < highest:
            await connection.execute(Sql.raise_counter, shard, highest)
    return ids.customer_number(highest + 1, 0) - 1 + _above(floor)


async def _insert(connection: Session, shard: int, project: int, made: dict[int, Customer]) -> None:
    people = list(made.values())
    facts = (
        [person.number for person in people],
        [profile_text(person) for person in people],
        [person.updated_at for person in people],
        [search_key(person.name) for person in people],
        [search_key(person.email) for person in people],
    )
    added = await connection.fetch(Sql.add_customers, shard, project, list(made), *facts)
    names = [person.source_id for person in people]
    kinds = ["source"] * len(names)
    named = await connection.fetch(Sql.add_names, shard, project, kinds, names, list(made))
    await last_changes.note(connection, shard, made)
    if not len(added) == len(named) == len(made):
        raise CountDiffers("create")  # a name was taken at this moment: look again


def profile_text(customer: Customer) -> str:
    """The whole customer, so that an event's copy of it needs nothing else."""
    return _encode(customer).decode()


def search_key(text: str | None) -> str | None:
    """Returns what a search compares: lower case, without what an index entry has no room for."""
    return None if text is None else text.lower()[:KEY_CHARACTERS_MAX]


def row_of(row: Any) -> CustomerRow:
    """From a record of `customers` or `lock_customer`."""
    return CustomerRow(row["id"], row["project"], read_profile(row["profile"]), row["erased_at"])
