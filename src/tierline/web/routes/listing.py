"""Lists: the customers of a project, and the members of a program, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from tierline.errors import Invalid
from tierline.model import ids, validation
from tierline.model.calendar import format_instant
from tierline.model.standing import Standing
from tierline.model.tenant import Customer, Project
from tierline.rules.ladder import TierName
from tierline.rules.program import Program
from tierline.store import customers, last_changes, listing
from tierline.store.listing import Listed, MemberFilter, Search
from tierline.web import limits, list_cursor, responses
from tierline.web.routes.customers import CustomerAnswer, customer_answer
from tierline.web.routing import Call, Operation

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session


BALANCE_MAX = 2**53 - 1
Balance = Annotated[int, Meta(ge=-BALANCE_MAX, le=BALANCE_MAX)]


class CustomerListQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page. Of `id`, `name`, `email` and `email_part` at most one is given: a whole id of any
    kind, the beginning of a name or an email, or any part of an email. `updated_from` and
    `updated_before` go with `sort=updated_at`."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT
    id: str | None = None
    name: str | None = None
    email: str | None = None
    email_part: str | None = None
    sort: Literal["number", "created_at", "updated_at"] = "number"
    updated_from: str | None = None
    updated_before: str | None = None


class MemberListQuery(CustomerListQuery, frozen=True, forbid_unknown_fields=True):
    """One page of members, whom all given filters let through. `attribute` is `NAME:VALUE`."""

    tier: str | None = None
    since_from: str | None = None
    since_before: str | None = None
    expires_before: str | None = None
    balance_min: Balance | None = None
    balance_max: Balance | None = None
    attribute: str | None = None


class CustomerList(Struct, frozen=True):
    """`next` goes on behind this page; null: there is nothing more. A page may hold fewer than
    `limit`, or nothing, and still have a next one. `as_of`, of a list by last change: whatever
    changes later is met from there on. `away`: shards of a distributed database whose node is away,
    of whose customers there is none here, nor on later pages that go on from this one."""

    customers: list[CustomerAnswer]
    next: str | None
    as_of: str | None = None
    away: tuple[int, ...] | UnsetType = UNSET


class MemberLine(Struct, frozen=True):
    """A member in a list: as the last change or the last sweep left them."""

    customer: str  # the name by which events speak of them
    id: str
    number: int
    name: str | None
    email: str | None
    member: bool
    joined_at: str | None
    tier: TierName | None
    since: str | None
    expires_at: str | None
    balance: int
    changed_at: str


class MemberList(Struct, frozen=True):
    """As a list of customers."""

    members: list[MemberLine]
    next: str | None
    as_of: str | None = None
    away: tuple[int, ...] | UnsetType = UNSET


class _Page(Struct, frozen=True):
    """A page, and what its answer says beside the lines."""

    rows: list[Listed]
    next: str | None
    as_of: str | None
    away: tuple[int, ...] | UnsetType = UNSET


async def list_customers(call: Call) -> CustomerList:
    query = call.query(CustomerListQuery)
    page = await _page(call, query, None)
    database = call.parts.database
    async with database.pool.acquire() as connection:
        numbers = [line.customer.id for line in page.rows]
        changes = await listing.changed_at(connection, database.shards, numbers)
    lines = [
        customer_answer(line.customer.customer, changes.get(line.customer.id, 0))
        for line in page.rows
    ]
    return CustomerList(lines, page.next, page.as_of, page.away)


async def list_members(call: Call) -> MemberList:
    query = call.query(MemberListQuery)
    number, program = await call.parts.catalog.need_program(
        call.project.number, call.param("program")
    )
    page = await _page(call, query, _filter(query, number))
    lines = [
        _line(program, line.customer.customer, line.standing)
        for line in page.rows
        if line.standing is not None
    ]
    return MemberList(lines, page.next, page.as_of, page.away)


def _filter(query: MemberListQuery, program: int) -> MemberFilter:
    name, colon, value = (query.attribute or "").partition(":")
    if query.attribute is not None and not (name and colon):
        raise Invalid(path="attribute", reason="attribute: expected NAME:VALUE.")
    return MemberFilter(
        program=program,
        tier=query.tier,
        since_from=validation.optional_instant(query.since_from, "since_from"),
        since_before=validation.optional_instant(query.since_before, "since_before"),
        expires_before=validation.optional_instant(query.expires_before, "expires_before"),
        balance_min=query.balance_min,
        balance_max=query.balance_max,
        attribute=None if query.attribute is None else (name, value),
    )


def _search(query: CustomerListQuery, members: MemberFilter | None) -> Search:
    searches = {
        field: text
        for field in ("id", "name", "email", "email_part")
        if (text := getattr(query, field)) is not None
    }
    if len(searches) > 1:
        reason = f"Search by one at a time, not by {' and '.join(searches)}."
        raise Invalid(path=list(searches)[-1], reason=reason)
    for field, text in searches.items():
        validation.name(text, field, limits.EMAIL_CHARACTERS_MAX)
    by_text = query.name is not None or query.email is not None
    by_change = query.sort == "updated_at"
    if by_text and query.sort != "number":
        reason = "sort: names and emails that begin alike are sorted by them."
        raise Invalid(path="sort", reason=reason)
    for field in ("updated_from", "updated_before"):
        if getattr(query, field) is not None and not by_change:
            raise Invalid(path=field, reason=f"{field}: it goes with sort=updated_at.")
    before = validation.optional_instant(query.updated_before, "updated_before")
    return Search(
        order=query.sort if not by_text else "name" if query.name is not None else "email",
        prefix=query.name or query.email or "",
        updated_from=validation.optional_instant(query.updated_from, "updated_from") or 0,
        updated_before=validation.INSTANT_MAX if before is None else before,
        email_part=query.email_part,
        members=members,
    )


async def _page(call: Call, query: CustomerListQuery, members: MemberFilter | None) -> _Page:
    search = _search(query, members)
    after = list_cursor.parse(query.after, search.order)
    database, project = call.parts.database, call.project
    shards, absent = database.shards, database.absent
    as_of = None
    async with database.pool.acquire() as connection:
        if query.id is not None:
            owners = await _named(connection, shards, project, query.id)
            lines = await listing.sieve(connection, shards, search, owners)
            return _Page([lines[customer] for customer in sorted(lines)], None, None)
        if search.order == "updated_at":
            absent.require_all()  # up to when the list is complete is not known
            mark = await last_changes.mark(connection, shards, call.wall)
            as_of = min(search.updated_before, mark + 1)
            search = replace(search, updated_before=as_of)
        place = (project.number, search, after, query.limit)
        page = await listing.page(connection, shards, *place, absent=absent)
    cursor = list_cursor.text(search.order, page.last)
    return _Page(page.rows, cursor, responses.instant(as_of), absent.numbers or UNSET)


async def _named(connection: Session, shards: int, project: Project, name: str) -> set[int]:
    """Whoever has this name, of whatever kind, or this number."""
    owners = {await customers.find_by_name(connection, shards, project, name)}
    if name.isascii() and name.isdigit() and int(name) <= ids.NUMBER_MAX:
        owners.add(await customers.find_numbered(connection, shards, project, int(name)))
    return {owner for owner in owners if owner is not None}


def _line(program: Program, customer: Customer, standing: Standing) -> MemberLine:
    version = program.version(standing.at)
    return MemberLine(
        customer=customer.source_id or customer.id,
        id=customer.id,
        number=customer.number,
        name=customer.name,
        email=customer.email,
        member=standing.joined_at is not None,
        joined_at=responses.instant(standing.joined_at),
        tier=responses.tier_name(version, standing.tier),
        since=responses.instant(standing.since),
        expires_at=responses.instant(standing.expires_at),
        balance=standing.balance,
        changed_at=format_instant(standing.at),
    )


OPERATIONS = (
    Operation(
        "GET", "/api/customers", list_customers,
        "The project's customers, page by page; or those whom a search finds.",
        scopes=("read_customers",), query=CustomerListQuery, answer=CustomerList,
    ),
    Operation(
        "GET", "/api/programs/{program}/members", list_members,
        "A program's members, page by page: filtered, or those whom a search finds.",
        scopes=("read_customers",), query=MemberListQuery, answer=MemberList,
    ),
)  # fmt: skip
