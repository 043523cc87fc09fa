"""`/v2/loyalty_emails/unsubscribes`: who does not want mails. Tierline sends none: the list is for
those who do, and keep it in step by these routes.

An address on the list is a name of its customer (`unsubscribe`), so it moves, is handed over and is
erased with them. Pages: emails/list-unsubscribes, emails/create-unsubscribe.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tierline.errors import Refused
from tierline.model import validation
from tierline.store import customers as stored
from tierline.store import listing
from tierline.store.customers import CustomerRow
from tierline.store.listing import Search
from tierline.store.profiles import Profile
from tierline.vendors.loyaltylion.api import customers, lists, site
from tierline.web import limits
from tierline.web.routing import Call, Operation, Reply

UNSUBSCRIBES: Final = "/v2/loyalty_emails/unsubscribes"
KIND: Final = "unsubscribe"  # of names
REACH_MAX: Final = 50_000  # addresses behind which no page is counted out
PAGES_MAX: Final = 1_000
HOLDERS_MAX: Final = 100  # of one beginning of an address, who are looked at
_MARK: Final = "unsubscribe:"  # so that an address finds nobody by itself
Json = dict[str, Any]


class UnsubscribeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    email: Annotated[str, Meta(min_length=3)]


class UnsubscribesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of addresses, in their order."""

    limit: lists.Limit = lists.LIMIT_DEFAULT
    page: Annotated[int, Meta(ge=1, le=PAGES_MAX)] = 1


async def post_unsubscribe(call: Call, body: UnsubscribeRequest) -> Reply:
    """201 where the address is new on the list, else 200."""
    email = validation.name(body.email, "email", limits.EMAIL_CHARACTERS_MAX)
    if "@" not in email[1:-1]:
        raise validation.invalid("email", "expected an address like ann@example.com")
    name, database = _MARK + email.lower(), call.parts.database
    async with database.pool.acquire() as connection:
        place = (connection, database.shards, call.project)
        if await stored.find(*place, name, KIND) is not None:
            return Reply(200, "")
    row = await _holder(call, email)
    if row is None:
        reason = f"No customer has the address {email!r}: make one first, then repeat this."
        raise Refused(reason=reason, path="email")
    await customers.put(call, row, Profile(names={KIND: (name,)}))
    return Reply(201, "")


async def _holder(call: Call, email: str) -> CustomerRow | None:
    """The first customer of an address, whatever its case."""
    database, key_of_email = call.parts.database, stored.search_key(email)
    search = Search(order="email", prefix=key_of_email or "")
    async with database.pool.acquire() as connection:
        page = await listing.page(
            connection, database.shards, call.project.number, search, None, HOLDERS_MAX
        )
    for line in page.rows:
        if stored.search_key(line.customer.customer.email) == key_of_email:
            return line.customer
    return None


async def list_unsubscribes(call: Call) -> Reply:
    query = validation.from_text(dict(call.request.query_params), UnsubscribesQuery)
    last = query.page * query.limit
    if last > REACH_MAX:
        raise validation.invalid("page", f"only the first {REACH_MAX} addresses are counted out")
    database = call.parts.database
    async with database.pool.acquire() as connection:
        place = (connection, database.shards)
        names = await stored.names_of_kind(*place, call.project.number, KIND, last)
        page = names[last - query.limit :]
        rows = [await stored.read(*place, customer) for _, customer in page]
    return Reply(200, [_unsubscribe(name, row) for (name, _), row in zip(page, rows, strict=True)])


def _unsubscribe(name: str, row: CustomerRow | None) -> Json:
    whose = None if row is None else site.name_of(row)
    return {"email": name.removeprefix(_MARK), "id": whose}


OPERATIONS = (
    Operation("GET", UNSUBSCRIBES, list_unsubscribes, "Who does not want mails.",
              scopes=("read_unsubscribes",), query=UnsubscribesQuery),
    Operation("POST", UNSUBSCRIBES, post_unsubscribe, "Notes that somebody wants no mails.",
              scopes=("write_unsubscribes",), body=UnsubscribeRequest, status=201),
)  # fmt: skip
