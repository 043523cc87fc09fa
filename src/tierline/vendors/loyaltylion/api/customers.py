"""`/v2/customers`: everybody of the project, guests among them, and what a shop may change."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from tierline.ledger import customer_parsing
from tierline.model import validation
from tierline.store import customers as stored
from tierline.store import last_changes, listing
from tierline.store.customers import CustomerRow
from tierline.store.listing import Listed, ListPlace, Search
from tierline.store.profiles import Profile
from tierline.vendors.loyaltylion.api import lists, site
from tierline.vendors.loyaltylion.ladder import NAME
from tierline.web import limits, request_body
from tierline.web.routes import customers as native
from tierline.web.routing import Call, Operation, Reply

CUSTOMERS = "/v2/customers"
CUSTOMER = "/v2/customers/{customer}"
ROUNDS_MAX = 20  # of looking further where a filter lets few through
READ, WRITE = ("read_customers",), ("write_customers",)


class LionCustomersQuery(lists.LionPageQuery, frozen=True, forbid_unknown_fields=True):
    """Which customers. `email` is a part of one; `since_id` walks upwards from an id."""

    since_id: lists.SinceId | None = None
    sort_field: Literal["id", "updated_at"] | None = None
    sort_direction: Literal["asc", "desc"] | None = None
    email: str | None = None
    created_at_min: str | None = None
    created_at_max: str | None = None
    updated_at_min: str | None = None
    updated_at_max: str | None = None


class CustomerChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays; null empties. Metadata and properties are laid over what there is,
    key by key."""

    birthday: str | UnsetType | None = UNSET
    blocked: bool | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    properties: dict[str, Any] | UnsetType | None = UNSET


class CustomerChangeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    customer: CustomerChange


# Lists --------------------------------------------------------------------------------------------


async def list_customers(call: Call) -> Reply:
    """Newest first. A window of `updated_at` is walked by the last change, unless the query says
    otherwise: it costs what changed in it, not what the project holds."""
    query, paging = lists.paging(call, LionCustomersQuery)
    search, number_max = await _search(call, query, paging)
    if paging.backwards:
        search = replace(search, downwards=not search.downwards)
    rows, more = await _rows(call, search, paging, number_max)
    place = _place(rows[-1], search) if rows else None
    cursors: dict[str, str | None] = {"next": paging.cursor(place if more else None)}
    if paging.backwards:
        rows.reverse()
        turned = rows[-1] if rows else None
        cursors = {
            "prev": paging.cursor(place if more else None, "prev"),
            "next": None if turned is None else paging.cursor(_place(turned, search)),
        }
    elif rows and paging.place is not None and search.order == "number":
        cursors["prev"] = paging.cursor(_place(rows[0], search), "prev")
    objects = await site.lion_customers(
        call, await site.site_or_none(call), [row.customer for row in rows]
    )
    return lists.answer(call, "customers", objects, paging, cursors)


async def _search(
    call: Call, query: LionCustomersQuery, paging: lists.Paging
) -> tuple[Search, int | None]:
    """What to walk, and up to which number where ids rise: below it nobody is missed."""
    created = lists.window(query.created_at_min, query.created_at_max, "created_at")
    updated = lists.window(query.updated_at_min, query.updated_at_max, "updated_at")
    if query.email is not None:
        validation.name(query.email, "email", limits.EMAIL_CHARACTERS_MAX)
    if query.since_id is not None and query.sort_field == "updated_at":
        raise validation.invalid("sort_field", "since_id goes with ids alone")
    windowed = updated != (None, None)
    by_change = query.sort_field == "updated_at" or (windowed and query.sort_field is None)
    if windowed and not by_change:
        raise validation.invalid("sort_field", "a window of updated_at is walked by updated_at")
    search = Search(
        order="updated_at" if by_change else "number",
        email_part=query.email,
        downwards=query.since_id is None and query.sort_direction != "asc",
        created_from=created[0],
        created_before=created[1],
    )
    database = call.parts.database
    async with database.pool.acquire() as connection:
        if by_change:
            mark = await last_changes.mark(connection, database.shards, call.wall)
            before = validation.INSTANT_MAX if updated[1] is None else updated[1]
            if paging.place is not None:
                before = _integer(paging.place, 2)  # as of the first page
            before = min(before, mark + 1)
            return replace(search, updated_from=updated[0] or 0, updated_before=before), None
        if search.downwards:
            return search, None
        return search, await stored.number_mark(connection, call.project.number)


async def _rows(
    call: Call, search: Search, paging: lists.Paging, number_max: int | None
) -> tuple[list[Listed], bool]:
    """A page, filled up; and whether there may be more."""
    database = call.parts.database
    after = _start(paging)
    rows: list[Listed] = []
    last: ListPlace | None = after
    async with database.pool.acquire() as connection:
        for _ in range(ROUNDS_MAX):
            size = paging.limit - len(rows)
            page = await listing.page(
                connection, database.shards, call.project.number, search, last, size
            )
            rows += page.rows
            last = page.last
            if last is None or len(rows) == paging.limit:
                break
    final = [row for row in rows if number_max is None or _number(row) <= number_max]
    return final, last is not None and len(final) == len(rows)


def _start(paging: lists.Paging) -> ListPlace | None:
    since = paging.parameters.get("since_id")
    if paging.place is None:
        return None if since is None else ListPlace(int(since), 2**62)
    return ListPlace(_integer(paging.place, 0), _integer(paging.place, 1))


def _integer(place: tuple[int | str, ...], nth: int) -> int:
    value = place[nth] if len(place) > nth else None
    if not isinstance(value, int):
        raise lists.bad_cursor()
    return value


def _number(row: Listed) -> int:
    return row.customer.customer.number


def _place(row: Listed, search: Search) -> tuple[int, ...]:
    if search.order == "number":
        return _number(row), row.customer.id
    return int(row.key), row.customer.id, search.updated_before


# One customer -------------------------------------------------------------------------------------


async def get_customer_of_shop(call: Call) -> dict[str, Any]:
    """Not among the vendor's published routes."""
    return {"customer": await site.lion_customer_of(call, await site.of_path(call))}


async def patch_customer(call: Call, body: CustomerChangeRequest) -> dict[str, Any]:
    row = await site.of_path(call)
    profile = change_of(body.customer, row, max(call.now, call.wall))
    return {"customer": await site.lion_customer_of(call, await put(call, row, profile))}


async def put(call: Call, row: CustomerRow, profile: Profile) -> CustomerRow:
    """Returns the customer, with the profile written over."""
    name = site.name_of(row)
    after, _ = await native.put_profile(call, name, profile)
    return after


def change_of(change: CustomerChange, row: CustomerRow, now: int) -> Profile:
    """Returns what to write of a customer. Raises Invalid, naming the field."""
    customer = row.customer
    own = dict(customer.presentations.get(NAME, {}))
    before = dict(own)
    written: dict[str, Any] = {}
    if change.birthday is not UNSET:
        text = change.birthday
        if text is not None:
            customer_parsing.birthdate(text, "customer.birthday", now)
        written["birthdate"] = text
        own.pop("birthday", None)
    if change.blocked is not UNSET:
        own["blocked"] = bool(change.blocked)
    if isinstance(change.properties, dict):
        own["properties"] = {**own.get("properties", {}), **change.properties}
    elif change.properties is None:
        own["properties"] = {}
    if isinstance(change.metadata, dict):
        whole = {**customer.metadata, **change.metadata}
        written["metadata"] = request_body.free_json(whole, "customer.metadata")
    elif change.metadata is None:
        written["metadata"] = {}
    if own != before:
        path = "customer.properties"
        written["presentations"] = {NAME: request_body.free_json(own, path)}
    return Profile(**written)


OPERATIONS = (
    Operation("GET", CUSTOMERS, list_customers, "Customers, newest first.", scopes=READ,
              query=LionCustomersQuery),
    Operation("GET", CUSTOMER, get_customer_of_shop, "A customer.", scopes=READ),
    Operation("PATCH", CUSTOMER, patch_customer, "Changes a customer.", scopes=WRITE,
              body=CustomerChangeRequest),
    Operation("PUT", CUSTOMER, patch_customer, "Changes a customer.", scopes=WRITE,
              body=CustomerChangeRequest),
)  # fmt: skip
