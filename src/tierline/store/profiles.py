"""Writing a customer's profile and names: what `PUT /api/customers/{source_id}` does.

Names live in several shards and a transaction in one, so the order makes it whole: look, claim the
names for the customer's id (reserved first if they are new), then write the profile in one
transaction. A claim that fails takes back those before it, and nothing is written. After a crash
in between, the same request finds its own claims and goes on with their id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from tierline.errors import Conflict
from tierline.model import ids
from tierline.model.tenant import Customer, Project
from tierline.store import customers
from tierline.store.customers import CustomerRow, CustomersSql, NewCustomer
from tierline.store.database import Database

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

Sql = CustomersSql
LOOKS_MAX = 5  # each one more than the first means that somebody else was quicker
Claims = Mapping[tuple[str, str], str]  # (kind, name) -> the field that asks for it


class Profile(Struct, frozen=True, omit_defaults=True):
    """What to write of a customer; what is unset stays. `id` and `number` are brought along from
    another system and fixed once the customer exists."""

    id: str | UnsetType = UNSET
    number: int | UnsetType = UNSET
    source_id: str | UnsetType = UNSET  # another name from now on; the old one still finds them
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    presentations: dict[str, dict[str, Any]] | UnsetType = UNSET
    created_at: int | UnsetType = UNSET
    updated_at: int | UnsetType = UNSET
    names: Mapping[str, tuple[str, ...]] = {}


async def put(
    database: Database, project: Project, source_id: str, profile: Profile, now: int
) -> tuple[CustomerRow, bool]:
    """The customer afterwards, and whether they are new. Raises Conflict where a name belongs to
    somebody else, or an id or number would change."""
    for _ in range(LOOKS_MAX):
        async with database.pool.acquire() as connection:
            number = await customers.find(connection, database.shards, project, source_id)
            if number is not None:
                row = await customers.read(connection, database.shards, number)
                if row is None:
                    break  # claimed as a further name by a request that has not come to its end
                _fixed(row, profile)
                claims = claims_of(profile, new=False)
                await _claim(connection, database.shards, project, claims, number)
                return await _change(connection, database.shards, number, profile, now), False
            made = await _make(connection, database.shards, project, source_id, profile, now)
        if made is not None:
            return made, True
    reason = f"A customer who is to be named {source_id!r} is being made at this moment; try again."
    raise Conflict(path="source_id", reason=reason)


def _fixed(row: CustomerRow, profile: Profile) -> None:
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
) -> CustomerRow | None:
    if profile.source_id == source_id:
        profile = replace(profile, source_id=UNSET)  # it is no further name
    claims = claims_of(profile, new=True)
    reserved = await _claimed_before(connection, shards, project, source_id, claims)
    if reserved is None:
        reserved = await customers.reserve(connection, shards, project, source_id)
    if isinstance(profile.number, int):
        owner = await customers.find_numbered(connection, shards, project, profile.number)
        if owner not in {None, reserved}:
            raise _taken(project, "number", str(profile.number), "number")
    await _claim(connection, shards, project, claims, reserved)
    newcomer = newborn(source_id, profile, now)
    shard = customers.shard_of_customer(shards, reserved)
    async with connection.transaction():
        new = [NewCustomer(replace(newcomer, source_id=source_id), reserved)]
        made = await customers.create(connection, shard, project, new)
    row = made.get(source_id)
    if row is None or row.id != reserved:
        # Somebody else made them meanwhile: they keep the id, and get our changes.
        await _release(connection, shards, project, claims, reserved)
        return None
    if newcomer.source_id != source_id:
        return await _change(connection, shards, reserved, profile, now)
    return row


async def _change(
    connection: Session, shards: int, customer: int, profile: Profile, now: int
) -> CustomerRow:
    shard = customers.shard_of_customer(shards, customer)
    async with connection.transaction():
        record = await connection.fetchrow(Sql.lock_customer, shard, customer)
        assert record is not None
        before = customers.row_of(record)
        after = _applied(before.customer, profile)
        if after == before.customer:
            return before
        if isinstance(profile.updated_at, UnsetType):
            after = replace(after, updated_at=max(now, before.customer.updated_at))
        facts = (customers.profile_text(after), after.updated_at)
        await connection.execute(Sql.change_customer, shard, customer, *facts)
    return replace(before, customer=after)


def newborn(source_id: str, profile: Profile, now: int) -> Customer:
    """A customer who is made with this profile."""
    return _applied(Customer("", source_id, created_at=now, updated_at=now), profile)


def _applied(customer: Customer, profile: Profile) -> Customer:
    changes = {field: value for field, value in asdict(profile).items() if value is not UNSET}
    del changes["names"]
    if "presentations" in changes:
        changes["presentations"] = {**customer.presentations, **changes["presentations"]}
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


async def _claim(
    connection: Session, shards: int, project: Project, claims: Claims, customer: int
) -> None:
    """Each name for this customer; all of them or none. Raises Conflict."""
    done: dict[tuple[str, str], str] = {}
    for (kind, name), field in claims.items():
        shard = customers.shard_of_name(shards, project.id, name)
        facts = (project.number, [kind], [name], [customer])
        if await connection.fetch(Sql.add_names, shard, *facts):
            done[kind, name] = field
            continue
        if await customers.find(connection, shards, project, name, kind) != customer:
            await _release(connection, shards, project, done, customer)
            raise _taken(project, kind, name, field)


async def _release(
    connection: Session, shards: int, project: Project, claims: Claims, customer: int
) -> None:
    for kind, name in claims:
        shard = customers.shard_of_name(shards, project.id, name)
        await connection.execute(Sql.drop_name, shard, project.number, kind, name, customer)


def _taken(project: Project, kind: str, name: str, field: str) -> Conflict:
    reason = f"The {kind} {name!r} belongs to another customer of project {project.id!r}."
    return Conflict(path=field, reason=reason)
