"""Customers: profiles and names. Making one makes no member."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.errors import Invalid, NotFound
from tierline.ledger.birthdates import write_down
from tierline.ledger.commands import ProgramRef
from tierline.ledger.customer_parsing import profile_of
from tierline.ledger.profile_news import news_of
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.model.tenant import CARD, Address, Customer
from tierline.store import members, profiles
from tierline.store.customers import CustomerRow
from tierline.store.profiles import Profile
from tierline.vendors.registry import NAME_KINDS
from tierline.web.routing import Call, Operation, OtherAnswer, Reply

CUSTOMER = "/api/customers/{source_id}"
_OTHER_NAMES = frozenset(name.kind for name in (CARD, *NAME_KINDS))


class CustomerBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not said stays as it is; null empties. `id` and `number` are imported ones, fixed
    once the customer exists; `source_id` is another name from now on."""

    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    birthdate: str | UnsetType | None = UNSET
    address: Address | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    presentations: dict[str, dict[str, Any] | None] | UnsetType | None = UNSET
    names: dict[str, str | list[str] | None] | None = {}
    source_id: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    number: Annotated[int, Meta(ge=1, le=ids.NUMBER_MAX)] | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET


class AddressAnswer(Struct, frozen=True):
    """An address with all its parts."""

    line_1: str | None
    line_2: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None


class CustomerAnswer(Struct, frozen=True):
    id: str
    number: int
    source_id: str | None
    name: str | None
    email: str | None
    phone: str | None
    birthdate: str | None
    address: AddressAnswer | None
    metadata: dict[str, Any]
    presentations: dict[str, dict[str, Any]]
    created_at: str
    updated_at: str


class CustomerReceipt(Struct, frozen=True):
    """For a key that may write customers, and not read them."""

    id: str
    number: int
    source_id: str | None


async def put_customer(call: Call, body: CustomerBody) -> Reply:
    source_id = call.param("source_id")
    profile = _profile(body, max(call.now, call.wall))
    if isinstance(profile.number, int):
        await call.parts.catalog.make_room(call.project.number, profile.number)
    row, new = await put_profile(call, source_id, profile)
    answer: CustomerAnswer | CustomerReceipt
    if "read_customers" in call.caller.scopes:
        answer = await _answer(call, row)
    else:
        answer = CustomerReceipt(row.customer.id, row.customer.number, row.customer.source_id)
    return Reply(201 if new else 200, answer)


async def put_profile(call: Call, name: str, profile: Profile) -> tuple[CustomerRow, bool]:
    """Writes a profile over a customer's, and its birthdate down for rules that ask for it;
    returns the customer, and whether they are new."""
    database, project, catalog = call.parts.database, call.project, call.parts.catalog
    news = news_of(database, catalog, project, call.now, call.parts.clock)
    row, new = await profiles.put(database, project, name, profile, call.now, news)
    if profile.birthdate is not UNSET and not new:
        async with database.pool.acquire() as connection:
            standings = await members.standings(connection, database.shards, row.id)
        customer = row.id, row.customer.source_id or row.customer.id
        await write_down(
            catalog,
            call.parts.writer.submit,
            lambda number: ProgramRef(project, number),
            customer,
            profile.birthdate,
            standings,
        )
    return row, new


async def get_customer(call: Call) -> CustomerAnswer:
    return await _answer(call, await find_customer(call, call.param("source_id")))


async def find_customer(call: Call, name: str, path: str = "source_id") -> CustomerRow:
    """Returns a customer by any name of theirs but the number. Raises NotFound, for the field
    `path`."""
    row = await call.parts.reads.named(call.project, name)
    if row is None:
        raise NotFound(what="customer", name=name, path=path)
    return row


def _profile(body: CustomerBody, now: int) -> Profile:
    fields = {
        field: value
        for field, value in msgspec.structs.asdict(body).items()
        if value is not UNSET and field != "names"
    }
    for kind in body.names or ():
        if kind not in _OTHER_NAMES:
            kinds = ", ".join(sorted(_OTHER_NAMES))
            reason = f"names.{kind}: there is no such kind of name; known are {kinds}."
            raise Invalid(path=f"names.{kind}", reason=reason)
    names = dict.fromkeys(_OTHER_NAMES) if body.names is None else body.names
    return profile_of(fields, names, now)


async def _answer(call: Call, row: CustomerRow) -> CustomerAnswer:
    async with call.parts.database.pool.acquire() as connection:
        shards = call.parts.database.shards
        changed_at = await members.newest_change(connection, shards, row.id)
    return customer_answer(row.customer, changed_at)


def customer_answer(customer: Customer, changed_at: int) -> CustomerAnswer:
    """`changed_at`: the newest change of points or tier in any program, which moves `updated_at`,
    too."""
    address = customer.address
    return CustomerAnswer(
        id=customer.id,
        number=customer.number,
        source_id=customer.source_id,
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        birthdate=customer.birthdate,
        address=None if address is None else AddressAnswer(**msgspec.structs.asdict(address)),
        metadata=customer.metadata,
        presentations=customer.presentations,
        created_at=format_instant(customer.created_at),
        updated_at=format_instant(max(customer.updated_at, changed_at)),
    )


OPERATIONS = (
    Operation(
        "PUT", CUSTOMER, put_customer, "Makes or changes a customer's profile and names.",
        scopes=("write_customers",), body=CustomerBody, answer=CustomerAnswer,
        other_answers=tuple(
            OtherAnswer(status, (CustomerAnswer, CustomerReceipt), about=about)
            for status, about in ((200, "OK."), (201, "The customer is new."))
        ),
    ),
    Operation(
        "GET", CUSTOMER, get_customer, "A customer's profile.",
        scopes=("read_customers",), answer=CustomerAnswer,
    ),
)  # fmt: skip
