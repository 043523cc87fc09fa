"""Loyalty cards: a member as Voucherify prints one. Pure.

A card is a name of its holder (`names.card`), and which of them is this program's stands on the
member, as the attribute `card`. Its id `v_…` follows from customer and program, so that everybody
has a card: who joined without being given a code is found by the id, which is then the code too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierline.model.calendar import format_day, format_instant, zone
from tierline.model.standing import Standing
from tierline.vendors.voucherify.api.memberships import Member
from tierline.vendors.voucherify.card_objects import ATTRIBUTE, last_day

Json = dict[str, Any]


def card_code(standing: Standing, id_: str) -> str:
    code = standing.attributes.get(ATTRIBUTE)
    return code if isinstance(code, str) else id_


def card_object(campaign: Mapping[str, Any], member: Member, time_zone: str) -> Json:
    """Returns the card. `points` are all that were ever added; balance, expired, redeemed and
    subtracted points add up to them, but for a debt: a balance is never negative here."""
    standing = member.standing
    code = card_code(standing, member.card)
    return {
        "id": member.card,
        "code": code,
        "campaign": campaign["name"],
        "campaign_id": campaign["id"],
        "category": campaign["category"],
        "category_id": campaign["category_id"],
        "categories": [],
        "type": "LOYALTY_CARD",
        "discount": None,
        "gift": None,
        "loyalty_card": _points(standing, time_zone),
        "start_date": campaign["start_date"],
        "expiration_date": campaign["expiration_date"],
        "validity_timeframe": {},
        "validity_day_of_week": [],
        "active": standing.joined_at is not None,
        "additional_info": None,
        "metadata": {},
        "is_referral_code": False,
        "created_at": format_instant(standing.joined_at or member.changed_at),
        "updated_at": format_instant(member.changed_at),
        "holder_id": member.row.customer.id,
        "redemption": {
            "quantity": None,
            "redeemed_quantity": 0,
            "redeemed_points": standing.spent,
            "object": "list",
            "url": f"/v1/vouchers/{code}/redemptions?page=1&limit=10",
        },
        "publish": {
            "object": "list",
            "count": 1,
            "url": f"/v1/vouchers/{code}/publications?page=1&limit=10",
        },
        "object": "voucher",
    }


def _points(standing: Standing, time_zone: str) -> Json:
    balance = max(standing.balance, 0)
    rest = standing.earned - standing.expired - standing.spent - balance
    next_lot = next((lot for lot in standing.lots if lot[0] is not None), None)
    points: Json = {
        "points": standing.earned,
        "balance": balance,
        "next_expiration_date": None,
        "next_expiration_points": None,
        "pending_points": standing.points_pending,
        "expired_points": standing.expired,
        "subtracted_points": max(rest, 0),
    }
    if next_lot is not None and next_lot[0] is not None:
        points["next_expiration_date"] = last_day(next_lot[0], time_zone)
        points["next_expiration_points"] = next_lot[1]
    return points


def tier_expiration(member: Member, campaign_id: str, time_zone: str) -> Json | None:
    """Returns from when to when a tier is held, as days of which the last is valid still; None
    where the tier has no end of its own."""
    standing = member.standing
    if standing.tier is None or standing.expires_at is None:
        return None
    since = member.changed_at if standing.since is None else standing.since
    started_at = since if standing.started_at is None else standing.started_at
    return {
        "customer_id": member.row.customer.id,
        "campaign_id": campaign_id,
        "tier_id": standing.tier,
        "start_date": format_day(zone(time_zone).day(started_at)),
        "expiration_date": last_day(standing.expires_at, time_zone),
        "created_at": format_instant(since),
        "updated_at": format_instant(max(since, member.changed_at)),
    }
