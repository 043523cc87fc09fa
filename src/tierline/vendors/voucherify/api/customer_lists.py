"""`/v1/customers` for many at once: pages of customers, and changes of several."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from tierline.errors import Invalid
from tierline.model import validation
from tierline.store import last_changes, listing
from tierline.store.customers import CustomerRow
from tierline.store.listing import ListPlace, Search
from tierline.store.shared_reads import CustomerStandings
from tierline.vendors.voucherify.api import customers, lists
from tierline.vendors.voucherify.api.answers import AsyncActionName, Count, CustomerObject
from tierline.vendors.voucherify.api.customers import CustomerRequest
from tierline.vendors.voucherify.api.errors import InvalidQuery
from tierline.web import limits
from tierline.web.routing import Call, Operation, Reply

CUSTOMERS: Final = "/v1/customers"
BULK_MAX: Final = 1_000  # customers of one change
ROUNDS_MAX: Final = 20  # stretches of customers that one page looks through
Json = dict[str, Any]
_EVER = validation.INSTANT_MAX
_SDK_BEGINNING: Final = "2200-01-01T00:00:00Z"  # behind which the JavaScript SDK walks from


class CustomersQuery(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={
        "created_before": "created_at[before]",
        "created_after": "created_at[after]",
        "updated_before": "updated_at[before]",
        "updated_after": "updated_at[after]",
    },
):
    """Which customers. `name` begins theirs, `email` and `city` are theirs; instants are exclusive.
    `starting_after` is the `created_at` of the last customer of the page before."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    page: Annotated[int, Meta(ge=1, le=99)] = 1
    email: str | None = None
    city: str | None = None
    name: str | None = None
    segment_id: str | None = None
    created_before: str | None = None
    created_after: str | None = None
    updated_before: str | None = None
    updated_after: str | None = None
    order: Literal["created_at", "-created_at", "updated_at", "-updated_at"] = "-created_at"
    starting_after: str | None = None


class MetadataRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Metadata to lay over that of several customers."""

    source_ids: Annotated[list[str], Meta(min_length=1, max_length=BULK_MAX)]
    metadata: dict[str, Any]


class CustomerObjects(Struct, frozen=True):
    """A page of customers."""

    object: Literal["list"]
    data_ref: Literal["customers"]
    customers: list[CustomerObject]
    total: Count
    has_more: bool


Bulk = Annotated[list[CustomerRequest], Meta(min_length=1, max_length=BULK_MAX)]


# Pages ------------------------------------------------------------------------------------------


async def list_customers(call: Call) -> Json:
    """Newest first. Who is made while pages are turned moves the pages behind; `starting_after`
    goes on behind whom it names."""
    query = lists.query(call, CustomersQuery)
    search, admits = await _search(call, query)
    skipped = 0 if query.starting_after is not None else (query.page - 1) * query.limit
    walked = query.starting_after is not None
    rows, more = await _rows(call, search, admits, (skipped, query.limit), walked=walked)
    total = skipped + len(rows) + more
    if not _filters(query):
        total = await _count(call)
    whole = [await customers.answer(call, CustomerStandings(row)) for row in rows]
    answer = lists.envelope(whole, "customers", total)
    return answer | {"has_more": more}


def _filters(query: CustomersQuery) -> bool:
    created = query.created_before, query.created_after
    updated = query.updated_before, query.updated_after
    return any((query.email, query.city, query.name, query.starting_after, *created, *updated))


async def _count(call: Call) -> int:
    database = call.parts.database
    async with database.pool.acquire() as connection:
        return await listing.count(connection, database.shards, call.project.number)


async def _search(
    call: Call, query: CustomersQuery
) -> tuple[Search, Callable[[CustomerRow], bool]]:
    """What to walk, and who of those that are met is meant."""
    if query.segment_id is not None:
        reason = "segment_id: there are no segments here; filter by an attribute in /api."
        raise InvalidQuery(path="segment_id", reason=reason)
    created = (
        _after(query.created_after, "created_at[after]"),
        _before(query.created_before, "created_at[before]"),
    )
    updated = (
        _after(query.updated_after, "updated_at[after]"),
        _before(query.updated_before, "updated_at[before]"),
    )
    downwards = query.order.startswith("-")
    if query.starting_after is not None:
        beginning = query.starting_after == _SDK_BEGINNING
        at = _EVER if beginning else _before(query.starting_after, "starting_after")
        assert at is not None
        if downwards:
            created = created[0], min(at, created[1] or _EVER)
        else:
            created = max(at + 1, created[0] or 0), created[1]
    search = Search(
        order="created_at",
        downwards=downwards,
        created_from=created[0],
        created_before=created[1],
    )
    if query.order.endswith("updated_at") or updated != (None, None):
        database = call.parts.database
        async with database.pool.acquire() as connection:
            mark = await last_changes.mark(connection, database.shards, call.wall)
        before = min(updated[1] or _EVER, mark + 1)
        search = replace(
            search, order="updated_at", updated_from=updated[0] or 0, updated_before=before
        )
    elif query.email is not None or query.name is not None:
        for field in ("email", "name"):
            text = getattr(query, field)
            if text is not None:
                validation.name(text, field, limits.EMAIL_CHARACTERS_MAX)
        order: Literal["email", "name"] = "name" if query.email is None else "email"
        prefix = query.email or query.name or ""
        search = replace(search, order=order, prefix=prefix, downwards=False)
    return search, _sieve(query)


def _sieve(query: CustomersQuery) -> Callable[[CustomerRow], bool]:
    email, name, city = (
        None if text is None else text.casefold() for text in (query.email, query.name, query.city)
    )

    def admits(row: CustomerRow) -> bool:
        customer = row.customer
        address = customer.address
        lives_in = None if address is None or address.city is None else address.city.casefold()
        return (
            (email is None or (customer.email or "").casefold() == email)
            and (name is None or (customer.name or "").casefold().startswith(name))
            and (city is None or lives_in == city)
        )

    return admits


def _before(text: str | None, path: str) -> int | None:
    if text is None:
        return None
    try:
        return validation.instant(text, path)
    except Invalid as error:
        raise InvalidQuery(path=path, reason=error.sentence) from None


def _after(text: str | None, path: str) -> int | None:
    at = _before(text, path)
    return None if at is None else at + 1


async def _rows(
    call: Call,
    search: Search,
    admits: Callable[[CustomerRow], bool],
    window: tuple[int, int],
    *,
    walked: bool,
) -> tuple[list[CustomerRow], bool]:
    """Returns a page behind so many customers, and whether there may be more. `walked`: the next
    page begins behind an instant, so this one holds all who were made at that of its last."""
    skipped, limit = window
    stop = skipped + limit
    database, met = call.parts.database, list[CustomerRow]()
    last: ListPlace | None = None
    async with database.pool.acquire() as connection:
        place = (connection, database.shards, call.project.number)
        for _ in range(ROUNDS_MAX):
            size = max(skipped + limit + 1 - len(met), limit)
            page = await listing.page(*place, search, last, size)
            met += [line.customer for line in page.rows if admits(line.customer)]
            last = page.last
            while walked and stop < len(met) and _made_at(met[stop]) == _made_at(met[stop - 1]):
                stop += 1
            if last is None or len(met) > stop:
                break
    return met[skipped:stop], len(met) > stop or (last is not None and len(met) > skipped)


def _made_at(row: CustomerRow) -> int:
    return row.customer.created_at


# Changes of many --------------------------------------------------------------------------------


async def post_bulk(call: Call, body: Bulk) -> Reply:
    """Makes or changes customers; all are checked before the first is written."""
    for i, request in enumerate(body):
        _check(call, request, f"[{i}]")
    for request in body:
        await customers.upsert_and_note(call, request)
    return _accepted()


async def post_metadata(call: Call, body: MetadataRequest) -> Reply:
    requests = [
        CustomerRequest(source_id=source_id, metadata=body.metadata)
        for source_id in dict.fromkeys(body.source_ids)
    ]
    for i, request in enumerate(requests):
        _check(call, request, f"source_ids[{i}]")
    for request in requests:
        await customers.upsert_and_note(call, request)
    return _accepted()


def _check(call: Call, request: CustomerRequest, where: str) -> None:
    if request.source_id is None and request.id is None:
        raise validation.invalid(f"{where}.source_id", "it is needed")
    for name in (request.source_id, request.id):
        if name is not None:
            validation.identifier(name, f"{where}.source_id")
    customers.profile_of(request, None, max(call.now, call.wall))


def _accepted() -> Reply:
    """All of it is done by then; nothing runs behind the id."""
    return Reply(202, {"async_action_id": f"aa_{secrets.token_hex(9)}"})


_BOTH = ("read_customers", "write_customers")
OPERATIONS = (
    Operation(
        "GET", CUSTOMERS, list_customers, "The project's customers, page by page.",
        answer=CustomerObjects, scopes=("read_customers",), query=CustomersQuery,
    ),
    Operation(
        "POST", f"{CUSTOMERS}/bulk/async", post_bulk, "Makes or changes several customers.",
        answer=AsyncActionName, scopes=_BOTH, body=Bulk, status=202,
    ),
    Operation(
        "POST", f"{CUSTOMERS}/metadata/async", post_metadata,
        "Lays metadata over that of several customers.",
        answer=AsyncActionName, scopes=_BOTH, body=MetadataRequest,
        status=202,
    ),
)  # fmt: skip
