"""`/v2/customers/{id}/points`: points by hand, and a tier by hand, which only Tierline has."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from tierline.errors import Refused
from tierline.ledger import commands
from tierline.ledger.commands import Assertion
from tierline.model import validation
from tierline.model.entries import Detail, Override
from tierline.store.customers import CustomerRow
from tierline.vendors.loyaltylion.api import customers, site
from tierline.vendors.loyaltylion.api.customers import CUSTOMER, WRITE
from tierline.vendors.loyaltylion.ladder import LionTier
from tierline.web import request_body
from tierline.web.routing import Call, Operation

POINTS_AT_ONCE_MAX = 1_000_000
REASON_CHARACTERS_MAX = 500
MEMBERSHIP = f"{CUSTOMER}/loyalty_tier_membership"
Reason = Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)] | None


class PointsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """So many points, and what the shopper reads about it."""

    points: Annotated[int, Meta(ge=1, le=POINTS_AT_ONCE_MAX)]
    reason: Reason = None


class MembershipRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A tier by its id, until an instant; for good without one."""

    loyalty_tier_id: int
    expires_at: str | None = None
    reason: Reason = None


async def add_points(call: Call, body: PointsRequest) -> str:
    """Answered by an empty text, as the vendor does."""
    await _adjust(call, body.points, body.reason)
    return ""


async def remove_points(call: Call, body: PointsRequest) -> None:
    """Lowers the balance alone: what was earned stays earned, and so does the tier."""
    await _adjust(call, -body.points, body.reason)


async def _adjust(call: Call, points: int, reason: str | None) -> None:
    """A repetition with the same header `Idempotency-Key` changes nothing."""
    here = await site.need_site(call)
    row = await site.of_path(call)
    text = request_body.name(reason, "reason", REASON_CHARACTERS_MAX) if reason else None
    assertion = Assertion(points=points, detail=None if text is None else Detail(reason=text))
    key = call.headers.get("idempotency-key")
    key = None if key is None else request_body.name(key, "Idempotency-Key")
    name = site.name_of(row)
    command = commands.command(here.ref, "adjust", name, assertion, key=key, number=row.id)
    await call.parts.writer.submit(command)


async def put_membership(call: Call, body: MembershipRequest) -> dict[str, Any]:
    """Pins the tier, and then ends the pins before: it is one move."""
    here = await site.need_site(call)
    tier = _tier(here.tiers(call), body.loyalty_tier_id)
    until = validation.optional_instant(body.expires_at, "expires_at")
    if until is not None and until <= call.now:
        raise validation.invalid("expires_at", "it must lie ahead")
    reason = (
        request_body.name(body.reason, "reason", REASON_CHARACTERS_MAX) if body.reason else None
    )
    override = Override("pin", tier.tier, call.now, until, reason=reason)
    row = await site.of_path(call)
    before = await _pins(call, here, row)
    pin = commands.override(here.ref, site.name_of(row), override, number=row.id)
    await call.parts.writer.submit(pin)
    await _release(call, here, row, before)
    return await customers.get_customer_of_shop(call)


async def delete_membership(call: Call) -> None:
    """The tier is what the rules make it, from now on."""
    here = await site.need_site(call)
    row = await site.of_path(call)
    pins = await _pins(call, here, row)
    if not pins:
        raise Refused(reason="The customer's tier is not manual.")
    await _release(call, here, row, pins)


async def _pins(call: Call, here: site.Site, row: CustomerRow) -> list[int]:
    """The ids of the pins that there are."""
    standing = await site.standing_of(call, here, row)
    overrides = () if standing is None else standing.overrides
    return [override.id for override in overrides if override.kind == "pin"]


async def _release(call: Call, here: site.Site, row: CustomerRow, pins: list[int]) -> None:
    for pin in pins:
        release = commands.release(here.ref, site.name_of(row), pin, number=row.id)
        await call.parts.writer.submit(release)


def _tier(tiers: dict[str, LionTier], number: int) -> LionTier:
    for tier in tiers.values():
        if tier.id == number:
            return tier
    choices = ", ".join(f"{tier.id} ({tier.name})" for tier in tiers.values())
    raise validation.invalid("loyalty_tier_id", f"there is no such tier, known are {choices}")


OPERATIONS = (
    Operation("POST", f"{CUSTOMER}/points", add_points, "Adds points by hand.", scopes=WRITE,
              body=PointsRequest, status=201),
    Operation("DELETE", f"{CUSTOMER}/points", remove_points, "Removes points by hand.",
              scopes=WRITE, body=PointsRequest, status=204),
    Operation("POST", f"{CUSTOMER}/remove_points", remove_points, "Removes points by hand.",
              scopes=WRITE, body=PointsRequest, status=204),
    Operation("PUT", MEMBERSHIP, put_membership, "Gives a tier by hand.", scopes=WRITE,
              body=MembershipRequest),
    Operation("DELETE", MEMBERSHIP, delete_membership, "Ends a tier by hand.", scopes=WRITE,
              status=204),
)  # fmt: skip
