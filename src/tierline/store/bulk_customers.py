"""Many people at once who are probably new: how a file of members comes in.

A few statements a shard instead of several a person. Only the plain case is settled here: a source
id that nobody has, and names that are all free. Whoever is left over (known already, or a name of
theirs is taken) is for `profiles.put`, which changes, refuses, or goes on where a crash left off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct

from tierline.model import ids
from tierline.model.tenant import Project
from tierline.store import customers
from tierline.store.customers import CustomersSql, NewCustomer
from tierline.store.database import Database
from tierline.store.profiles import Profile, claims_of, newborn

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

Sql = CustomersSql


class BulkCustomer(Struct, frozen=True):
    """Somebody about to be made, with the id reserved for them."""

    source_id: str
    customer: int
    profile: Profile
    claims: tuple[tuple[str, str], ...]


async def add(
    database: Database, project: Project, people: Mapping[str, Profile], now: int
) -> set[str]:
    """Make those of the people (by source id) who are new in every respect; who they were."""
    shards = database.shards
    made: set[str] = set()
    by_shard: dict[int, list[str]] = defaultdict(list)
    for source_id, profile in people.items():
        if profile.source_id in {UNSET, source_id}:
            by_shard[customers.shard_of_name(shards, project.id, source_id)].append(source_id)
    async with database.pool.acquire() as connection:
        for shard, names in sorted(by_shard.items()):
            numbers = await customers.holders(connection, shard, project.number, names)
            strangers = {
                name: people[name]
                for name in names
                if name not in numbers and ids.number_of_customer(name) is None
            }
            if not strangers:
                continue
            reserved = await _reserve(connection, shard, project, strangers)
            free = await _claim(connection, shards, project, reserved)
            born = {n.source_id: newborn(n.source_id, n.profile, now) for n in free}
            new = [NewCustomer(born[n.source_id], n.customer) for n in free]
            async with connection.transaction():
                rows = await customers.create(connection, shard, project, new) if new else {}
            late = [n for n in free if _other(rows.get(n.source_id), n)]
            await _release(connection, shards, project, late)
            made |= born.keys() - {n.source_id for n in late}
    return made


def _other(row: customers.CustomerRow | None, newcomer: BulkCustomer) -> bool:
    """Whether somebody else made them meanwhile."""
    return row is None or row.id != newcomer.customer


async def _reserve(
    connection: Session, shard: int, project: Project, people: Mapping[str, Profile]
) -> list[BulkCustomer]:
    """An id for each; a number that is never used is no harm."""
    taken = await customers.take_numbers(connection, shard, project, len(people))
    first = taken["customers"] - len(people) + 1
    return [
        BulkCustomer(
            name,
            ids.customer_number(first + i, ids.route(project.id, name)),
            profile,
            tuple(claims_of(profile, new=True)),
        )
        for i, (name, profile) in enumerate(people.items())
    ]


async def _claim(
    connection: Session, shards: int, project: Project, people: Iterable[BulkCustomer]
) -> list[BulkCustomer]:
    """Those who got all their names; the others let go of those that they got."""
    claims: dict[int, dict[tuple[str, str], BulkCustomer]] = defaultdict(dict)
    unlucky = await _with_taken_number(connection, shards, project, people)
    for newcomer in people:
        for kind, name in newcomer.claims:
            shard = customers.shard_of_name(shards, project.id, name)
            if claims[shard].setdefault((kind, name), newcomer) is not newcomer:
                unlucky.add(newcomer.customer)  # two in one go want the same name
    for shard, names in sorted(claims.items()):
        kinds, texts = [kind for kind, _ in names], [name for _, name in names]
        owners = [newcomer.customer for newcomer in names.values()]
        facts = (project.number, kinds, texts, owners)
        got = {(row[0], row[1]) for row in await connection.fetch(Sql.add_names, shard, *facts)}
        unlucky |= {names[lost].customer for lost in names.keys() - got}
        rows = await connection.fetch(Sql.holders, shard, project.number, texts)
        unlucky |= {
            newcomer.customer
            for (kind, name), newcomer in names.items()
            if kind != "number" and _held(name, newcomer.customer, rows)
        }
    await _release(connection, shards, project, [n for n in people if n.customer in unlucky])
    return [newcomer for newcomer in people if newcomer.customer not in unlucky]


def _held(name: str, customer: int, rows: Iterable[Any]) -> bool:
    """Whether somebody else has a name, of whatever kind, or might have it as an id of ours."""
    if ids.number_of_customer(name) is not None:
        return True
    return any(row["name"] == name and row["customer"] != customer for row in rows)


async def _with_taken_number(
    connection: Session, shards: int, project: Project, people: Iterable[BulkCustomer]
) -> set[int]:
    """Whose imported number was given to somebody else here: no name tells of those."""
    claims: dict[int, dict[int, int]] = defaultdict(dict)
    for newcomer in people:
        number = newcomer.profile.number
        if isinstance(number, int):
            claims[customers.shard_of_customer(shards, number)][number] = newcomer.customer
    taken: set[int] = set()
    for shard, numbers in sorted(claims.items()):
        rows = await connection.fetch(Sql.numbered, shard, project.number, list(numbers))
        taken |= {numbers[row["number"]] for row in rows}
    return taken


async def _release(
    connection: Session, shards: int, project: Project, people: Iterable[BulkCustomer]
) -> None:
    for newcomer in people:
        for kind, name in newcomer.claims:
            shard = customers.shard_of_name(shards, project.id, name)
            facts = (project.number, kind, name, newcomer.customer)
            await connection.execute(Sql.drop_name, shard, *facts)
