"""`/v1/customers`: profiles, with what a customer has in every campaign."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from tierline.errors import NotFound
from tierline.ledger import customer_parsing
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.standing import Standing
from tierline.model.tenant import Address, Customer
from tierline.store.customers import CustomerRow
from tierline.store.profiles import Profile
from tierline.store.shared_reads import CustomerStandings
from tierline.vendors.voucherify.api import customer_attributes, memberships
from tierline.vendors.voucherify.api.answers import CustomerObject
from tierline.vendors.voucherify.api.programs import campaign_of
from tierline.vendors.voucherify.objects import NAME
from tierline.web import limits, request_body
from tierline.web.routes import customers as native
from tierline.web.routing import Call, Operation

CUSTOMERS = "/v1/customers"
CUSTOMER = "/v1/customers/{customer}"
_NOTHING = Profile()  # of a customer whom a body only names


class CustomerRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Null means: not given, and what is not given stays as it is. `birthday` and `birthdate` are
    two words for one date."""

    id: str | None = None
    source_id: str | None = None
    name: str | None = None
    description: str | None = None
    email: str | None = None
    phone: str | None = None
    birthday: str | None = None
    birthdate: str | None = None
    address: Address | None = None
    metadata: dict[str, Any] | None = None


# Bodies -----------------------------------------------------------------------------------------


def profile_of(request: CustomerRequest, before: Customer | None, now: int) -> Profile:
    """Returns what to write of a customer. Metadata and what only Voucherify speaks of are laid
    over what there is, key by key. Raises Invalid, naming the field."""
    written: dict[str, Any] = {}
    for field, characters_max in (("name", None), ("email", limits.EMAIL_CHARACTERS_MAX)):
        text = getattr(request, field)
        if text is not None:
            size = (characters_max,) if characters_max else ()
            written[field] = request_body.name(text, field, *size)
    if request.phone is not None:
        written["phone"] = customer_parsing.phone(request.phone, "phone")
    for field in ("birthdate", "birthday"):
        text = getattr(request, field)
        if text is not None:  # of which clients may send an instant
            written["birthdate"] = customer_parsing.birthdate(text[:10], field, now)
    if request.address is not None:
        written["address"] = customer_parsing.address(request.address, "address")
    if request.metadata is not None:
        whole = {**(before.metadata if before else {}), **request.metadata}
        written["metadata"] = request_body.free_json(whole, "metadata")
    if request.description is not None:
        own = before.presentations.get(NAME, {}) if before else {}
        whole = {**own, "description": request.description}
        facts = request_body.free_json(whole, "description")
        written["presentations"] = {NAME: facts}
    return Profile(**written)


# Objects ----------------------------------------------------------------------------------------


def customer_object(
    customer: Customer, by_campaign: Mapping[str, Standing], moved: int
) -> dict[str, Any]:
    """Returns the customer as Voucherify prints it. `by_campaign` has where they stand under the
    campaigns' names, `moved` the instant of the newest change there."""
    address = customer.address
    campaigns = {name: _in_campaign(standing) for name, standing in by_campaign.items()}
    return {
        "id": customer.id,
        "source_id": customer.source_id,
        "name": customer.name,
        "description": customer.presentations.get(NAME, {}).get("description"),
        "email": customer.email,
        "phone": customer.phone,
        "birthday": customer.full_birthdate,
        "birthdate": customer.full_birthdate,
        "address": address and msgspec.structs.asdict(address),
        "summary": None,
        "loyalty": {
            "points": sum(each["points"] for each in campaigns.values()),
            "referred_customers": 0,
            "campaigns": campaigns,
        },
        "referrals": {"total": 0, "campaigns": []},
        "metadata": customer.metadata,
        "system_metadata": {},
        "created_at": format_instant(customer.created_at),
        "updated_at": format_instant(max(customer.updated_at, moved)),
        "object": "customer",
    }


def _in_campaign(standing: Standing) -> dict[str, Any]:
    campaign: dict[str, Any] = {"points": max(standing.balance, 0), "referred_customers": 0}
    if standing.tier is not None:
        campaign["loyalty_tier"] = standing.tier
    return campaign


def simple_customer(customer: Customer) -> dict[str, Any]:
    """Returns the customer as other objects hold them: these six keys."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "source_id": customer.source_id,
        "metadata": customer.metadata,
        "object": "customer",
    }


# Routes -----------------------------------------------------------------------------------------


async def find(call: Call, name: str) -> CustomerRow:
    """Returns a customer by id or source id. Raises NotFound."""
    return await native.find_customer(call, validation.identifier(name, "customer"))


async def find_or_none(call: Call, name: str) -> CustomerRow | None:
    try:
        return await find(call, name)
    except NotFound:
        return None


async def with_standings(call: Call, name: str) -> CustomerStandings:
    """As `find`, with where they stand."""
    holder = await find_named(call, name)
    if holder is None:
        raise NotFound(what="customer", name=name, path="source_id")
    return holder


async def find_named(call: Call, named: str | CustomerRequest) -> CustomerStandings | None:
    """Returns the customer whom a body names, by id or else by source id, and where they stand;
    None for one to be made."""
    if isinstance(named, str):
        return await _named(call, named, "customer")
    holder = None if named.id is None else await _named(call, named.id, "id")
    if holder is None and named.source_id is not None:
        holder = await _named(call, named.source_id, "source_id")
    return holder


async def _named(call: Call, name: str, field: str) -> CustomerStandings | None:
    text = validation.identifier(name, field)
    return await call.parts.reads.with_standings(call.project, text)


async def upsert(call: Call, request: CustomerRequest) -> CustomerStandings:
    """Returns the customer of this id or source id, changed or made; without standings where
    something was written. One who comes without either gets an id, which is their source id
    too."""
    holder = await find_named(call, request)
    if holder is None:
        return CustomerStandings(await _make(call, request))
    if is_name(request):
        return holder
    row = holder.row
    profile = profile_of(request, row.customer, max(call.now, call.wall))
    if request.id is not None and request.source_id is not None:
        other = await find_or_none(call, validation.identifier(request.source_id, "source_id"))
        if other is None or other.id != row.id:
            profile = msgspec.structs.replace(profile, source_id=request.source_id)
    if profile == _NOTHING or not _changes(profile, row.customer):
        return holder
    return CustomerStandings(await _put(call, source_id_of(row), profile))


def is_name(request: CustomerRequest) -> bool:
    """Whether a body says no more than who is meant, in one way."""
    one = request.id is None or request.source_id is None
    return one and request == CustomerRequest(id=request.id, source_id=request.source_id)


def _changes(profile: Profile, customer: Customer) -> bool:
    """Whether a profile says anything that is not so already."""
    written = msgspec.structs.asdict(profile)
    presentations = written.pop("presentations")
    if presentations is not UNSET and presentations[NAME] != customer.presentations.get(NAME):
        return True
    return any(
        value is not UNSET and value != getattr(customer, field)
        for field, value in written.items()
        if field not in ("names", "emptied")
    )


async def upsert_and_note(call: Call, request: CustomerRequest) -> None:
    """As `upsert`, and notes what earning rules ask of the customer."""
    holder = await upsert(call, request)
    for member in await memberships.of_customer(call, holder):
        await customer_attributes.note(call, member)


async def _make(call: Call, request: CustomerRequest) -> CustomerRow:
    id_ = request.id
    if id_ is None and request.source_id is None:
        id_ = new_id()
    profile = msgspec.structs.replace(
        profile_of(request, None, max(call.now, call.wall)), id=id_ or UNSET
    )
    return await _put(call, request.source_id or id_ or "", profile)


async def _put(call: Call, source_id: str, profile: Profile) -> CustomerRow:
    row, _ = await native.put_profile(call, source_id, profile)
    return row


def source_id_of(row: CustomerRow) -> str:
    return row.customer.source_id or row.customer.id


def new_id() -> str:
    return "cust_" + secrets.token_hex(12)


async def answer(call: Call, holder: CustomerStandings, *, noted: bool = True) -> dict[str, Any]:
    """Returns the whole customer object. `noted`: nothing was written of them just now."""
    members = await memberships.of_customer(call, holder)
    if not noted:
        for member in members:
            await customer_attributes.note(call, member)
    by_campaign = {campaign_of(call, each.program)["name"]: each.standing for each in members}
    moved = max((each.changed_at for each in members), default=0)
    return customer_object(holder.row.customer, by_campaign, moved)


async def post_customer(call: Call, body: CustomerRequest) -> dict[str, Any]:
    return await answer(call, await upsert(call, body), noted=False)


async def get_customer(call: Call) -> dict[str, Any]:
    return await answer(call, await with_standings(call, call.param("customer")))


async def put_customer(call: Call, body: CustomerRequest) -> dict[str, Any]:
    """The customer of the path; an id in the body says nothing here, as at Voucherify."""
    row = await find(call, call.param("customer"))
    request = msgspec.structs.replace(body, id=row.customer.id, source_id=row.customer.source_id)
    return await answer(call, await upsert(call, request), noted=False)


_BOTH = ("read_customers", "write_customers")
OPERATIONS = (
    Operation(
        "POST", CUSTOMERS, post_customer, "Makes or changes a customer.",
        scopes=_BOTH, body=CustomerRequest, answer=CustomerObject,
    ),
    Operation(
        "GET", CUSTOMER, get_customer, "A customer, by id or source id.",
        scopes=("read_customers",), answer=CustomerObject,
    ),
    Operation(
        "PUT", CUSTOMER, put_customer, "Changes a customer.",
        scopes=_BOTH, body=CustomerRequest, answer=CustomerObject,
    ),
)  # fmt: skip
