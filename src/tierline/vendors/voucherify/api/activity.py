"""`…/activity`: what happened to a member, and to a customer in all programs, as a feed.

It holds what Voucherify has a word for: changes of tier, points that came, expired or moved, and of
a customer their custom events. Every type is one that the vendor's SDKs know.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from tierline.analysis.ledger_effects import TierPeriod, tier_notes
from tierline.analysis.points_history import PointsMove
from tierline.engine.announcement import Announcement
from tierline.engine.tracer import MovedEnd
from tierline.model.calendar import format_instant, parse_day, parse_instant
from tierline.model.entries import Entry
from tierline.store.announcements import before_of
from tierline.vendors.voucherify.api import customers, lists, memberships
from tierline.vendors.voucherify.api.errors import InvalidQuery
from tierline.vendors.voucherify.api.lists import FollowingQuery
from tierline.vendors.voucherify.api.members import MEMBERS, member_of
from tierline.vendors.voucherify.api.memberships import Member
from tierline.vendors.voucherify.api.transactions import card_of
from tierline.vendors.voucherify.card_events import (
    customer_object,
    event_data,
    for_customer,
    own_names,
    simple_campaign,
)
from tierline.vendors.voucherify.card_ids import instant_id, move_id
from tierline.vendors.voucherify.card_objects import Card
from tierline.vendors.voucherify.payloads import VoucherifyFormat
from tierline.vendors.voucherify.payloads import event_data as tier_data
from tierline.web.routes.members import history
from tierline.web.routes.points import moves_of
from tierline.web.routing import Call, Operation

OF_CUSTOMER: Final = "/v1/customers/{customer}/activity"
CUSTOM_EVENT: Final = "customer.custom_event"
END_CHANGED: Final = "customer.loyalty.tier.expiration.changed"
DATE_CHARACTERS: Final = 10
CampaignType = Literal[
    "LOYALTY_PROGRAM", "PROMOTION", "DISCOUNT_COUPONS", "GIFT_VOUCHERS", "REFERRAL_PROGRAM"
]
Json = dict[str, Any]


class CustomerActivityQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The next items behind the one with the id `starting_after_id`, of one campaign, one type, or
    a stretch of time."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    order: Literal["created_at", "-created_at"] = "-created_at"
    starting_after_id: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    campaign_id: str | None = None
    campaign_type: CampaignType | None = None
    category: Literal["ACTION", "EFFECT"] | None = None
    type: str | None = None


class ActivityObject(Struct, frozen=True):
    """Something that happened, with the data that its type has."""

    id: str
    type: str
    data: Json
    created_at: str
    group_id: str


class ActivityObjects(Struct, frozen=True):
    """What happened to a customer or a card, the newest first."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[ActivityObject]
    has_more: bool
    more_starting_after: str | UnsetType | None = UNSET


async def list_member_activity(call: Call) -> Json:
    """What happened to one card, the newest first unless asked otherwise."""
    query = lists.query(call, FollowingQuery)
    items = await member_items(call, await member_of(call))
    return _page(items, query.order, query.starting_after_id, query.limit)


async def list_customer_activity(call: Call) -> Json:
    """What happened to a customer in all programs, and what they did."""
    query = lists.query(call, CustomerActivityQuery)
    bounds = {
        name: None if text is None else _bound(text, name)
        for name, text in (("start_date", query.start_date), ("end_date", query.end_date))
    }
    query = replace(query, **bounds)
    holder = await customers.with_standings(call, call.param("customer"))
    items: list[Json] = []
    for member in await memberships.of_customer(call, holder):
        campaign = card_of(call, member).campaign["id"]
        if query.campaign_id in (None, campaign):
            items += await member_items(call, member)
            items += await _custom_events(call, member)
    items = [item for item in _once(items) if _is_asked(item, query)]
    return _page(items, query.order, query.starting_after_id, query.limit)


def _bound(text: str, name: str) -> str:
    """A day, or an instant as items have it, so that both are compared as texts."""
    try:
        if len(text) == DATE_CHARACTERS:
            parse_day(text)
            return text
        return format_instant(parse_instant(text))
    except ValueError:
        reason = f"{name}: expected a day or an instant, like 2024-03-19T00:02:13.529Z."
        raise InvalidQuery(path=name, reason=reason) from None


def _is_asked(item: Json, query: CustomerActivityQuery) -> bool:
    action = item["type"] == CUSTOM_EVENT
    return (
        query.campaign_type in (None, "LOYALTY_PROGRAM")
        and query.type in (None, item["type"])
        and query.category in (None, "ACTION" if action else "EFFECT")
        and (query.start_date is None or item["created_at"] >= query.start_date)
        and (query.end_date is None or item["created_at"][: len(query.end_date)] <= query.end_date)
    )


def _once(items: list[Json]) -> list[Json]:
    """An event that counts in several programs is one thing that the customer did."""
    return list({item["id"]: item for item in items}.values())


def _page(items: list[Json], order: str, after: str | None, limit: int) -> Json:
    ordered = sorted(items, key=lambda item: str(item["created_at"]))
    if order.startswith("-"):
        ordered.reverse()
    if after is not None:
        ids = [item["id"] for item in ordered]
        if after not in ids:
            reason = f"starting_after_id: there is no {after!r} in this list."
            raise InvalidQuery(path="starting_after_id", reason=reason)
        ordered = ordered[ids.index(after) + 1 :]
    return lists.following(ordered, limit)


async def member_items(call: Call, member: Member) -> list[Json]:
    """All of a member's items, the oldest first."""
    card = card_of(call, member)
    items: list[tuple[tuple[int, int, bool], Json]] = []
    for move in await moves_of(call, member.program, card.member, call.now):
        id_, cause = move_id("evcus_", card.member, move.event), _cause(move)
        for n, name in enumerate(map(for_customer, own_names(move.event))):
            data = event_data(card, move.event, None, name)
            own = id_ if n == 0 else move_id("evcus_", card.member, move.event, name)
            item = _item(own, name, data, move.at, by_time=cause == 0)
            items.append(((move.at, cause, False), item))
    entries = await history(call, member.row.id, member.number)
    periods, ends = await asyncio.to_thread(tier_notes, member.program, entries, call.now)
    for period in periods:
        event = period.move.event
        place = (event.at, event.entry or 0, True)  # points move the tier
        items.append((place, _tier_item(call, member, card, period)))
    for end in ends:
        tier = card.words.tiers.get(end.tier)
        if tier is not None:
            items.append(((end.at, end.entry or 0, True), _end_item(card, end, tier)))
    return [item for _, item in sorted(items, key=lambda pair: pair[0])]


def _cause(move: PointsMove) -> int:
    """The number of the entry that did it; 0: time did."""
    entry = move.entry
    if entry is None or (move.kind == "points.activated" and entry.kind != "approve"):
        return 0
    return entry.n


def _tier_item(call: Call, member: Member, card: Card, period: TierPeriod) -> Json:
    event, program = period.move.event, member.program
    version = program.versions[event.version - 1]
    announcement = Announcement(
        id="",
        recorded_at=event.at,
        project=call.project,
        program=program.id,
        rules=version,
        customer=member.row.customer,
        event=event,
        before=before_of(program, version, event.tier_from),
    )
    data = msgspec.json.decode(msgspec.json.encode(tier_data(announcement)))
    name = VoucherifyFormat.wire_names[event.kind]
    id_ = instant_id("evcus_", event.at, card.member, f"{event.kind} {event.seq}")
    return _item(id_, name, data, event.at, by_time=event.entry is None)


def _end_item(card: Card, end: MovedEnd, tier: Json) -> Json:
    """A tier whose end moved, as by being earned again; `expiration_date` lies in its last day."""
    data = {
        "customer": customer_object(card.customer),
        "campaign": simple_campaign(card),
        "loyalty_tier": tier,
        "created_at": format_instant(end.at),
        "expiration_date": format_instant(end.ends_at - 1),
    }
    id_ = instant_id("evcus_", end.at, card.member, f"end {end.ends_at} {end.entry}")
    return _item(id_, END_CHANGED, data, end.at, by_time=end.entry is None)


async def _custom_events(call: Call, member: Member) -> list[Json]:
    entries = await history(call, member.row.id, member.number)
    customer = customer_object(member.row.customer)
    return [_custom_event(entry, customer, member) for entry in entries if entry.kind == "custom"]


def _custom_event(entry: Entry, customer: Json, member: Member) -> Json:
    """Its id names what was done and when, so that it is the same in every program."""
    detail = entry.detail
    name = "" if detail is None or detail.name is None else detail.name
    id_ = instant_id("evcus_", entry.recorded_at, (member.row.id, 0), f"custom {name}")
    event = {
        "id": id_,
        "object": "event",
        "type": name,
        "customer": customer,
        "referral": None,
        "loyalty": None,
        "metadata": (detail.metadata if detail is not None else None) or {},
        "created_at": format_instant(entry.recorded_at),
    }
    schema = {"id": name, "name": name}
    data = {"event": event, "event_schema": schema, "customer": customer}
    data |= {"referral": None, "loyalty": None}
    return _item(id_, CUSTOM_EVENT, data, entry.recorded_at, by_time=False)


def _item(id_: str, name: str, data: Json, at: int, *, by_time: bool) -> Json:
    return {
        "id": id_,
        "type": name,
        "data": {"data": data, "event_source": {"channel": "INTERNAL" if by_time else "API"}},
        "created_at": format_instant(at),
        "group_id": "v-" + id_.removeprefix("evcus_")[:18],
    }


_READ = ("read_customers",)
OPERATIONS = (
    *(Operation("GET", f"{path}/activity", list_member_activity, "What happened to a member.",
                answer=ActivityObjects, scopes=_READ, query=FollowingQuery) for path in MEMBERS),
    Operation("GET", OF_CUSTOMER, list_customer_activity, "What happened to a customer.",
              answer=ActivityObjects, scopes=_READ, query=CustomerActivityQuery),
)  # fmt: skip
