"""Writing a customer's profile and names: what `PUT /api/customers/{source_id}` does.

Names live in several shards and a transaction in one, so the order makes it whole: look, claim the
names for the customer's id (reserved first if they are new), then write the profile in one
transaction. A claim that fails takes back those before it, and nothing is written. After a crash
in between, the same request finds its own claims and goes on with their id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from tierline.errors import Conflict, NotFound
from tierline.model import ids
from tierline.model.tenant import Address, Customer, Project
from tierline.store import customer_events, customers, last_changes
from tierline.store.customers import CustomerRow, CustomersSql, NewCustomer
from tierline.store.database import Database

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

Sql = CustomersSql
LOOKS_MAX = 100  # each one more than the first means that somebody else was quicker
LOOK_SECONDS = 0.05  # between two looks: from nothing to twice that
Claims = Mapping[tuple[str, str], str]  # (kind, name) -> the field that asks for it
News = Callable[["Session", int, CustomerRow], Awaitable[None]]  # connection, shard, customer


class Profile(Struct, frozen=True, omit_defaults=True):
    """What to write of a customer; what is unset stays. `id` and `number` are brought along from
    another system and fixed once the customer exists."""

    id: str | UnsetType = UNSET
    number: int | UnsetType = UNSET
    source_id: str | UnsetType = UNSET  # another name from now on; the old one still finds them
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    birthdate: str | UnsetType | None = UNSET
    address: Address | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    # By format; an empty one takes that format's away, None all of them.
    presentations: dict[str, dict[str, Any]] | UnsetType | None = UNSET
    created_at: int | UnsetType = UNSET
    updated_at: int | UnsetType = UNSET
    names: Mapping[str, tuple[str, ...]] = {}
    emptied: tuple[str, ...] = ()  # kinds of names that are taken away, but for those in `names`


async def put(
    database: Database,
    project: Project,
    source_id: str,
    profile: Profile,
    now: int,
    news: News | None = None,
) -> tuple[CustomerRow, bool]:
    """The customer afterwards, and whether they are new. `news` is given a customer who changed or
    is new, inside the transaction that changes or makes them. Raises Conflict where a name belongs
    to somebody else, or an id or number would change."""
    for _ in range(LOOKS_MAX):
        async with database.pool.acquire() as connection:
            number = await customers.find_by_name(connection, database.shards, project, source_id)
            row = None
            if number is not None:
                row = await customers.read(connection, database.shards, number)
            if number is not None and row is not None:
                place = connection, database.shards
                changed = await _changed(*place, project, row, profile, now, news=news)
                if changed is not None:
                    return changed, False
            if ids.number_of_customer(source_id) is not None:
                raise NotFound(what="customer", name=source_id, path="source_id")
            # A name without a customer is of a request that has not come to its end: this one may
            # have been begun by it, else its end is waited for.
            if row is None:
                with suppress(MadeMeanwhile):
                    place = connection, database.shards
                    return await _make(*place, project, source_id, profile, now, news=news)
        await asyncio.sleep(random.uniform(0, 2 * LOOK_SECONDS))  # noqa: S311 - no secret
    reason = f"A customer who is to be named {source_id!r} is being made at this moment; try again."
    raise Conflict(path="source_id", reason=reason)


class MadeMeanwhile(Exception):
    """Somebody else is making the same customer, or has just made them: look again."""


def check_fixed(row: CustomerRow, profile: Profile) -> None:
    """Raises Conflict where a profile would change what never changes."""
    for field in ("id", "number"):
        new, old = getattr(profile, field), getattr(row.customer, field)
        if new is not UNSET and new != old:
            reason = f"This customer's {field} is {old!r} already and never changes."
            raise Conflict(path=field, reason=reason)


def claims_of(profile: Profile, *, new: bool) -> Claims:
    """The names that a profile asks for, besides the source id by which it is put."""
    claims: dict[tuple[str, str], str] = {}
    if new and isinstance(profile.id, str):
        claims["id", profile.id] = "id"
    if new and isinstance(profile.number, int):
        claims["number", str(profile.number)] = "number"
    if isinstance(profile.source_id, str):
        claims["source", profile.source_id] = "source_id"
    for kind, names in profile.names.items():
        claims.update({(kind, name): f"names.{kind}" for name in names})
    return claims


async def _make(
    connection: Session,
    shards: int,
    project: Project,
    source_id: str,
    profile: Profile,
    now: int,
    *,
    news: News | None,
) -> tuple[CustomerRow, bool]:
    """The customer afterwards, and whether they are new. Raises MadeMeanwhile, with no name left
    that was claimed here, where another request for the same source id is ahead."""
    if profile.source_id == source_id:
        profile = replace(profile, source_id=UNSET)  # it is no further name
    claims = claims_of(profile, new=True)
    adopted = await _claimed_before(connection, shards, project, source_id, claims)
    if adopted is None:
        reserved = await customers.reserve(connection, shards, project, source_id)
    else:
        reserved = adopted
    if isinstance(profile.number, int):
        owner = await customers.find_numbered(connection, shards, project, profile.number)
        if owner is not None and owner != reserved:
            if await _is_twin(connection, shards, project, source_id, owner):
                raise MadeMeanwhile
            raise _taken(project, "number", str(profile.number), "number")
    await _claim(connection, shards, project, claims, reserved, source_id)
    newcomer = newborn(source_id, profile, now)
    is_whole = newcomer.source_id == source_id
    shard = customers.shard_of_customer(shards, reserved)
    async with connection.transaction():
        await customers.take_numbers(connection, shard, project, 0)  # the head's lock
        there = await customers.read(connection, shards, reserved)
        new = [NewCustomer(replace(newcomer, source_id=source_id), reserved)]
        made = {} if there else await customers.create(connection, shard, project, new)
        if news is not None and source_id in made and is_whole:
            await news(connection, shard, made[source_id])
    if there is not None:
        raise MadeMeanwhile  # by a request that shares these names
    row = made.get(source_id)
    if row is None or row.id != reserved:
        # They keep the id that they have, and get our changes.
        await _release(connection, shards, project, claims, reserved)
        raise MadeMeanwhile
    if adopted is not None:
        # Who began it may have given names back since.
        await _claim(connection, shards, project, claims, reserved)
    if not is_whole:
        row = await _change(connection, shards, project, reserved, profile, now, news=news)
    return row, True


async def _changed(
    connection: Session,
    shards: int,
    project: Project,
    row: CustomerRow,
    profile: Profile,
    now: int,
    *,
    news: News | None,
) -> CustomerRow | None:
    """A customer with another profile; None where they are being erased: their names are free in a
    moment."""
    if row.erased_at is not None:
        return None
    check_fixed(row, profile)
    claims = claims_of(profile, new=False)
    await _claim(connection, shards, project, claims, row.id)
    await _drop(connection, shards, row.id, profile.emptied)
    changed = await _change(connection, shards, project, row.id, profile, now, news=news)
    if changed.erased_at is None:
        return changed
    await _release(connection, shards, project, claims, row.id)
    return None


async def _change(
    connection: Session,
    shards: int,
    project: Project,
    customer: int,
    profile: Profile,
    now: int,
    *,
    news: News | None = None,
) -> CustomerRow:
    shard = customers.shard_of_customer(shards, customer)
    async with connection.transaction():
        record = await connection.fetchrow(Sql.lock_customer, shard, customer)
        assert record is not None
        before = customers.row_of(record)
        if before.erased_at is not None:
            return before
        after = applied(before.customer, profile)
        if after == before.customer:
            return before
        if isinstance(profile.updated_at, UnsetType):
            after = replace(after, updated_at=max(now, before.customer.updated_at))
        keys = (customers.search_key(after.name), customers.search_key(after.email))
        facts = (customers.profile_text(after), after.updated_at, *keys)
        await connection.execute(Sql.change_customer, shard, customer, *facts)
        await last_changes.note(connection, shard, [customer])
        sides = (before.customer, after)
        await customer_events.tell_changed(connection, shard, project, customer, sides)
        changed = replace(before, customer=after)
        if news is not None:
            await news(connection, shard, changed)
    return changed


def newborn(source_id: str, profile: Profile, now: int) -> Customer:
    """A customer who is made with this profile."""
    return applied(Customer("", source_id, created_at=now, updated_at=now), profile)


def applied(customer: Customer, profile: Profile) -> Customer:
    """Returns the customer with the profile written over."""
    changes = {field: value for field, value in asdict(profile).items() if value is not UNSET}
    del changes["names"], changes["emptied"]
    if changes.get("presentations") is None:
        changes |= {"presentations": {}} if "presentations" in changes else {}
    else:
        formats = {**customer.presentations, **changes["presentations"]}
        changes["presentations"] = {name: text for name, text in formats.items() if text}
    return replace(customer, **changes)


# Names in other shards ------------------------------------------------------------------------


async def _claimed_before(
    connection: Session, shards: int, project: Project, source_id: str, claims: Claims
) -> int | None:
    """The id that an interrupted request for the same source id claimed names for."""
    route = ids.route(project.id, source_id)
    for kind, name in claims:
        owner = await customers.find(connection, shards, project, name, kind)
        if owner is None or ids.route_of_customer(owner) != route:
            continue
        if await customers.read(connection, shards, owner) is None:
            return owner
    return None


async def _is_twin(
    connection: Session, shards: int, project: Project, source_id: str, other: int
) -> bool:
    """Whether another id is of the same customer, who is being made or was just made."""
    if ids.route_of_customer(other) != ids.route(project.id, source_id):
        return False
    row = await customers.read(connection, shards, other)
    return row is None or row.customer.source_id == source_id


async def _claim(
    connection: Session,
    shards: int,
    project: Project,
    claims: Claims,
    customer: int,
    source_id: str | None = None,
) -> None:
    """Each name for this customer; all of them or none. Raises Conflict, and MadeMeanwhile where
    it is of the customer who is being made with this source id."""
    done: dict[tuple[str, str], str] = {}
    for (kind, name), field in claims.items():
        added, holder = await _add_name(connection, shards, project, kind, name, customer)
        if added:
            done[kind, name] = field
        if holder != customer:
            await _release(connection, shards, project, done, customer)
            if source_id and await _is_twin(connection, shards, project, source_id, holder):
                raise MadeMeanwhile
            raise _taken(project, kind, name, field)


async def _add_name(
    connection: Session, shards: int, project: Project, kind: str, name: str, customer: int
) -> tuple[bool, int]:
    """Whether the name is new, and whose it is now, as a name of whatever kind: customers are
    made, and names given, under the lock of the head of the name's shard."""
    shard = customers.shard_of_name(shards, project.id, name)
    facts = (project.number, [kind], [name], [customer])
    async with connection.transaction():
        await customers.take_numbers(connection, shard, project, 0)
        if kind == "number":
            holder = await customers.find(connection, shards, project, name, kind)
        else:
            holder = await customers.find_by_name(connection, shards, project, name)
        if holder not in {None, customer}:
            return False, holder or customer
        return bool(await connection.fetch(Sql.add_names, shard, *facts)), customer


async def _drop(connection: Session, shards: int, customer: int, kinds: Sequence[str]) -> None:
    if kinds:
        for shard in range(shards):
            await connection.execute(Sql.drop_names, shard, customer, list(kinds))


async def _release(
    connection: Session, shards: int, project: Project, claims: Claims, customer: int
) -> None:
    for kind, name in claims:
        shard = customers.shard_of_name(shards, project.id, name)
        await connection.execute(Sql.drop_name, shard, project.number, kind, name, customer)


def _taken(project: Project, kind: str, name: str, field: str) -> Conflict:
    reason = f"The {kind} {name!r} belongs to another customer of project {project.id!r}."
    return Conflict(path=field, reason=reason)
