"""`/v2/activities`: what customers did, told by name, and its state told whole.

An activity is a custom activity of our own whose key is its name and the shop's id for it, so that
telling it again changes nothing. What it earns, the program's earning rules say.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import unquote

from msgspec import UNSET, Struct, UnsetType

from tierline.errors import AmbiguousOriginal, NotFound, Refused, UnknownOriginal
from tierline.ledger import commands, customer_parsing
from tierline.ledger.commands import Assertion, Command
from tierline.ledger.orders.statement_parsing import AHEAD_MS_MAX
from tierline.model import validation
from tierline.model.entries import Detail
from tierline.store import members
from tierline.store.customers import CustomerRow
from tierline.store.profiles import Profile
from tierline.vendors.loyaltylion.api import site
from tierline.vendors.loyaltylion.api.customers import WRITE
from tierline.vendors.loyaltylion.ladder import NAME
from tierline.web import request_body
from tierline.web.routes import customers as native
from tierline.web.routing import Call, Operation

ACTIVITIES = "/v2/activities"
ACTIVITY = "/v2/activities/{name}/{activity}"
SIGNUP = "$signup"
KEY_CHARACTERS_MAX = 200
Name = str | int


class ActivityRequest(Struct, frozen=True):
    """What a shop sends. Where it came from (address, browser, referral) says nothing here."""

    name: str
    customer_id: Name
    customer_email: str | None = None
    date: str | None = None
    merchant_id: Name | None = None
    properties: dict[str, Any] | None = None
    guest: bool | None = None


class StateRequest(Struct, frozen=True):
    state: Literal["approved", "declined", "void"]


class LionBuyer(Struct, frozen=True):
    """Who did something, as a shop names them."""

    customer_id: Name
    email: str | None = None
    guest: bool | None = None


async def post_activity(call: Call, body: ActivityRequest) -> str:
    """`$signup` enrols; any other name is what the program's rules call it."""
    here = await site.need_site(call)
    name = request_body.name(body.name, "name")
    at = past(call, body.date, "date")
    metadata = None
    if body.properties is not None:
        metadata = request_body.free_json(body.properties, "properties")
    key = key_of(name, body.merchant_id)
    buyer = LionBuyer(body.customer_id, body.customer_email, body.guest)
    row = await customer_of(call, buyer)
    source = site.name_of(row)
    if name == SIGNUP:
        key = key or SIGNUP
        enrol = commands.enrol(here.ref, source, number=row.id, enrolled_at=at)
        await call.parts.writer.submit(enrol)
    assertion = Assertion(occurred_at=at, detail=Detail(name=name, metadata=metadata))
    command = commands.command(here.ref, "custom", source, assertion, key=key, number=row.id)
    await call.parts.writer.submit(command)
    return ""


async def put_activity(call: Call, body: StateRequest) -> None:
    """Tells the state whole: telling it again changes nothing. What is void stays so."""
    here = await site.need_site(call)
    name, id_ = unquote(call.param("name")), unquote(call.param("activity"))
    key = key_of(name, id_) or ""
    kind: Any = "approve" if body.state == "approved" else "void"
    command = commands.command(here.ref, kind, "", Assertion(of=key))
    try:
        command = await call.parts.writer.originals.addressed(command)
        await call.parts.writer.submit(command)
    except UnknownOriginal:
        raise NotFound(what="activity", name=f"{name}/{id_}", path="merchant_id") from None
    except AmbiguousOriginal:
        reason = f"Several customers have an activity {name}/{id_}; void it by the native API."
        raise Refused(reason=reason) from None
    except Refused:
        if body.state == "approved" and await _is_void(call, command):
            reason = "The activity is void; tell a new one."
            raise Refused(reason=reason, path="state") from None


async def _is_void(call: Call, command: Command) -> bool:
    database = call.parts.database
    place = (command.number, command.program, command.of or "")
    async with database.pool.acquire() as connection:
        row = await members.original(connection, database.shards, *place)
    return row is not None and row["points"] + row["points_taken"] == 0 != row["points"]


# Whoever did something ----------------------------------------------------------------------------


def key_of(name: str, id_: Name | None) -> str | None:
    """Returns the key of an activity; None for one that the shop gave no id."""
    if id_ is None:
        return None
    key = f"{name}:{id_}"
    return request_body.name(key, "merchant_id", KEY_CHARACTERS_MAX)


def past(call: Call, text: str | None, field: str) -> int | None:
    """Returns when something happened. Raises Invalid for what lies ahead."""
    at = validation.optional_instant(text, field)
    if at is not None and at > call.now + AHEAD_MS_MAX:
        raise validation.invalid(field, "it is more than 5 minutes ahead of now")
    return at


async def customer_of(call: Call, buyer: LionBuyer) -> CustomerRow:
    """Returns the customer, made where nobody has that id; an email is kept where there was
    none."""
    name = validation.identifier(site.bare(str(buyer.customer_id)), "customer_id")
    try:
        row = await site.find(call, name)
    except NotFound:
        row = None
    email: str | UnsetType = UNSET
    if buyer.email and (row is None or row.customer.email is None):
        size = customer_parsing.EMAIL_CHARACTERS_MAX
        email = request_body.name(buyer.email, "customer_email", size)
    if row is not None and email is UNSET:
        return row
    profile = Profile(email=email)
    if row is None and buyer.guest:
        profile = Profile(email=email, presentations={NAME: {"guest": True}})
    row, _ = await native.put_profile(call, name, profile)
    return row


OPERATIONS = (
    Operation("POST", ACTIVITIES, post_activity, "Tells what a customer did.", scopes=WRITE,
              body=ActivityRequest, status=201, direct=True),
    Operation("PUT", ACTIVITY, put_activity, "Tells an activity's state.", scopes=WRITE,
              body=StateRequest, status=204),
)  # fmt: skip
