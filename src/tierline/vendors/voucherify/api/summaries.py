"""`/v1/campaigns/{campaign}/summary`: what became of a program's points, by its ledgers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct

from tierline.analysis.points_history import PointsMove
from tierline.errors import TooLarge
from tierline.model import validation
from tierline.model.calendar import parse_day, zone
from tierline.vendors.voucherify.api import campaign_settings, lists, memberships, programs
from tierline.vendors.voucherify.api.answers import CampaignObject, Count
from tierline.vendors.voucherify.api.errors import InvalidQuery
from tierline.vendors.voucherify.card_objects import moved, rule_of, transaction_type
from tierline.vendors.voucherify.earning import JOINING_RULE
from tierline.web.routes.points import moves_of
from tierline.web.routing import Call, Operation

SUMMARY: Final = "/v1/campaigns/{campaign}/summary"
MEMBERS_MAX: Final = 1_000  # whose ledgers one summary adds up
Json = dict[str, Any]
_FIELDS: Final = {
    "POINTS_ACCRUAL": "points_rewarded",
    "PENDING_POINTS_ACTIVATION": "points_rewarded",
    "POINTS_ADDITION": "points_added",
    "POINTS_REMOVAL": "points_subtracted",
    "POINTS_REDEMPTION": "points_redeemed",
    "POINTS_REFUND": "points_rolledback",
    "POINTS_EXPIRATION": "points_expired",
    "POINTS_TRANSFER_IN": "points_transferred_in",
    "POINTS_TRANSFER_OUT": "points_transferred_out",
}


class SummaryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The first and the last day, in the project's time zone; without them, all of time."""

    start_date: str | None = None
    end_date: str | None = None


class CampaignSummary(Struct, frozen=True):
    """What happened in a campaign: points as counts of them, orders as amounts."""

    object: Literal["campaign_summary"]
    campaign: CampaignObject
    redemptions: Count
    redemptions_succeeded: Count
    redemptions_failed: Count
    rollbacks: Count
    rollbacks_succeeded: Count
    rollbacks_failed: Count
    validations: Count
    validations_succeeded: Count
    validations_failed: Count
    orders_amount: Count
    orders_rolledback_amount: Count
    vouchers_created: Count
    vouchers_deleted: Count
    publications: Count
    publications_succeeded: Count
    publications_failed: Count
    created_vouchers_points: Count
    points_deleted: Count
    points_subtracted: Count
    points_added: Count
    points_rewarded: Count
    points_redeemed: Count
    points_rolledback: Count
    points_expired: Count
    points_transferred_out: Count
    points_transferred_in: Count
    pending_points_added: Count
    pending_points_subtracted: Count
    pending_points_activated: Count
    pending_points_canceled: Count


async def get_summary(call: Call) -> Json:
    """Of a program with more members than ledgers are read at once: query_too_large."""
    query = lists.query(call, SummaryQuery)
    first, end = _instant(call, query.start_date, "start_date"), None
    if query.end_date is not None:
        end = _instant(call, query.end_date, "end_date", days=1)
    number, program = await programs.find(call, call.param("campaign"))
    members, is_all = await memberships.of_program(call, number, program, MEMBERS_MAX, newest=False)
    if not is_all:
        limit = f"{MEMBERS_MAX:,} members; add up an export of the transactions"
        raise TooLarge(what="campaign", limit=limit)

    def is_within(at: int) -> bool:
        return (first is None or at >= first) and (end is None or at < end)

    counts: Counter[str] = Counter()
    for member in members:
        joined_at = member.standing.joined_at or member.changed_at
        counts["vouchers_created"] += is_within(joined_at)
        moves = await moves_of(call, program, (member.row.id, number), call.now)
        counts += _counts(move for move in moves if is_within(move.at))
    for kind in ("redemptions", "rollbacks"):
        counts[f"{kind}_succeeded"] = counts[kind]
    counts["publications"] = counts["publications_succeeded"] = counts["vouchers_created"]
    campaign = campaign_settings.campaign_item(programs.words(call, program))
    numbers = [name for name in CampaignSummary.__struct_fields__ if name not in _OTHER]
    return {"object": "campaign_summary", "campaign": campaign} | {
        name: counts[name] for name in numbers
    }


_OTHER: Final = ("object", "campaign")


def _counts(moves: Iterable[PointsMove]) -> Counter[str]:
    counts: Counter[str] = Counter()
    orders = set[int]()  # entries whose amounts are counted
    for move in moves:
        event, kind = move.event, transaction_type(move.event)
        if kind is not None:
            field = "created_vouchers_points" if rule_of(event) == JOINING_RULE else _FIELDS[kind]
            counts[field] += abs(moved(event))
            counts["redemptions"] += kind == "POINTS_REDEMPTION"
            counts["rollbacks"] += kind == "POINTS_REFUND"
        if event.kind == "points.activated":
            counts["pending_points_activated"] += event.points
        elif event.waits > 0:
            counts["pending_points_added"] += event.waits
        elif event.waits < 0:
            gone = "subtracted" if event.pending else "canceled"
            counts[f"pending_points_{gone}"] -= event.waits
        if move.entry is not None and move.entry.n not in orders:
            orders.add(move.entry.n)
            amount = move.entry.amount
            counts["orders_amount" if amount > 0 else "orders_rolledback_amount"] += abs(amount)
    return counts


def _instant(call: Call, text: str | None, path: str, days: int = 0) -> int | None:
    if text is None:
        return None
    try:
        return zone(call.project.time_zone).start(parse_day(text[:10]) + days)
    except ValueError:
        error = validation.invalid(path, "expected a date like 2030-12-31")
        raise InvalidQuery(path=path, reason=error.sentence) from None


OPERATIONS = (
    Operation(
        "GET", SUMMARY, get_summary, "What became of a program's points.",
        scopes=("read_customers", "read_programs"), query=SummaryQuery, answer=CampaignSummary,
    ),
)  # fmt: skip
