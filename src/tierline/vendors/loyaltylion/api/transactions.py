"""`/v2/transactions` and `/v2/activities`: changes of points in the order of their numbers.

A transaction never changes; what stands inside it shows its state as it is now.
"""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tierline.engine.member_state import begin
from tierline.ledger.points_numbering import number_lines
from tierline.ledger.stored_originals import entry_of
from tierline.model import ids, validation
from tierline.model.calendar import format_instant
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing
from tierline.model.view import View
from tierline.rules.earning_rule import Joining
from tierline.store import customers as stored
from tierline.store import listing, members, points_lines
from tierline.store.customers import CustomerRow
from tierline.store.points_lines import NUMBER_END, LineFilter, PointsLine
from tierline.vendors.loyaltylion.api import lists, site
from tierline.vendors.loyaltylion.api.activities import ACTIVITIES
from tierline.vendors.loyaltylion.api.customers import CUSTOMER, READ
from tierline.vendors.loyaltylion.api.site import Site
from tierline.vendors.loyaltylion.ladder import rule_number
from tierline.vendors.loyaltylion.points_payloads import GIVERS, NAMES
from tierline.web.routing import Call, Operation, Reply

Json = dict[str, Any]
TRANSACTIONS = "/v2/transactions"
_RESOURCES = {
    "points.earned": "activity",
    "points.activated": "activity",
    "points.reversed": "activity",
    "points.spent": "claimed_reward",
    "points.expired": "expiry",
}
# Entries that move points by themselves; any other that brought some did by a rule.
_NO_ACTIVITY = ("redeem", "adjust", "transfer_in", "transfer_out", "opening", "checkpoint")
_CSV = ("id", "customer_id", "customer_merchant_id", "customer_email", "points_approved",
        "points_pending", "resource", "created_at")  # fmt: skip


class LionActivitiesQuery(lists.LionPageQuery, frozen=True, forbid_unknown_fields=True):
    """Which lines. A `since_id` below 0 is the beginning: some clients go back a little."""

    since_id: Annotated[int, Meta(ge=-(2**53), le=2**53 - 1)] | None = None
    created_at_min: str | None = None
    created_at_max: str | None = None


class LionTransactionsQuery(LionActivitiesQuery, frozen=True, forbid_unknown_fields=True):
    type: Literal["json", "csv"] = "json"
    customer_id: int | None = None


class _Page(Struct, frozen=True):
    """Lines, and what their objects need besides."""

    here: Site
    lines: list[PointsLine]
    people: dict[int, CustomerRow]
    standings: dict[int, Standing]
    entries: dict[tuple[int, int], Any]


# Routes -------------------------------------------------------------------------------------------


async def list_transactions(call: Call) -> Reply:
    query, paging = lists.paging(call, LionTransactionsQuery)
    customer = None
    if query.customer_id is not None:
        if not 0 < query.customer_id <= ids.NUMBER_MAX * 2:
            raise validation.invalid("customer_id", "expected a customer's id")
        database = call.parts.database
        async with database.pool.acquire() as connection:
            place = (connection, database.shards, call.project)
            customer = await stored.find_numbered(*place, query.customer_id) or 0
    return await _transactions(call, query, paging, customer)


async def list_of_customer(call: Call) -> Reply:
    query, paging = lists.paging(call, LionTransactionsQuery)
    row = await site.of_path(call)
    return await _transactions(call, query, paging, row.id)


async def _transactions(
    call: Call, query: LionTransactionsQuery, paging: lists.Paging, customer: int | None
) -> Reply:
    page, cursors = await _page(call, query, paging, customer, None)
    objects = [_transaction(call, page, line) for line in page.lines]
    if query.type == "csv":
        return Reply(
            200, _csv(objects), "text/csv; charset=utf-8", lists.links(call, paging, cursors)
        )
    return lists.answer(call, "transactions", objects, paging, cursors)


async def list_activities(call: Call) -> Reply:
    """What gave points. An activity that gave none is no line."""
    query, paging = lists.paging(call, LionActivitiesQuery)
    page, cursors = await _page(call, query, paging, None, ("points.earned",))
    objects = [_activity(call, page, line, whole=True) for line in page.lines]
    return lists.answer(call, "activities", objects, paging, cursors)


# Reading ------------------------------------------------------------------------------------------


async def _page(
    call: Call,
    query: LionActivitiesQuery,
    paging: lists.Paging,
    customer: int | None,
    kinds: tuple[str, ...] | None,
) -> tuple[_Page, dict[str, str | None]]:
    here, database = await site.need_site(call), call.parts.database
    program = (here.number, here.program)
    await number_lines(database, call.project, program, call.wall)
    first, before = lists.window(query.created_at_min, query.created_at_max, "created_at")
    span = (first or 0, NUMBER_END if before is None else before)
    only = LineFilter(span, customer, kinds)
    place = None if query.since_id is None else max(query.since_id, 0)
    if paging.place is not None:
        place = lists.number(paging.place)
    downwards = (query.since_id is None) is not paging.backwards
    async with database.pool.acquire() as connection:
        lines = await points_lines.page(
            connection, database.shards, here.number, only, place, paging.limit + 1,
            downwards=downwards,
        )  # fmt: skip
    more, lines = len(lines) > paging.limit, lines[: paging.limit]
    cursors = lists.numbered_cursors(paging, [line.number for line in lines], more=more)
    if paging.backwards:
        lines.reverse()
    return await _whole(call, here, lines), cursors


async def _whole(call: Call, here: Site, lines: list[PointsLine]) -> _Page:
    database = call.parts.database
    numbers = {line.customer for line in lines}
    places = {(line.customer, n) for line in lines for n in (line.entry, line.of_entry) if n}
    people: dict[int, CustomerRow] = {}
    async with database.pool.acquire() as connection:
        shards = database.shards
        standings = await listing.standings(connection, shards, here.number, numbers)
        entries = await points_lines.entries_among(connection, shards, here.number, places)
        for number in numbers:
            row = await stored.read(connection, shards, number)
            if row is not None:
                people[number] = row
    return _Page(here, lines, people, standings, dict(entries))


# Objects ------------------------------------------------------------------------------------------


def _transaction(call: Call, page: _Page, line: PointsLine) -> Json:
    resource = _RESOURCES.get(line.kind, "adjustment")
    # What a reversal speaks of may be points by hand.
    if resource == "activity" and _original(page, line) is None:
        resource = "adjustment"
    shape: Json = {
        "id": line.number,
        "customer": _customer(page, line.customer),
        "points_approved": line.moved,
        "points_pending": line.waits,
        "created_at": format_instant(line.at),
        "resource": resource,
    }
    match resource:
        case "activity":
            shape["activity"] = _activity(call, page, line, whole=False)
        case "adjustment":
            detail = _detail(page, line)
            shape["adjustment"] = {"id": line.number, "value": line.moved, "reason": detail.reason}
        case "claimed_reward":
            shape["claimed_reward"] = {
                "id": line.number,
                "claimed_at": format_instant(line.at),
                "point_cost": -line.moved,
                "state": "approved",
                "reward": None,
            }
        case _:
            shape["expiry"] = {"id": line.number, "value": line.moved}
    return shape


def _customer(page: _Page, number: int) -> Json:
    row, standing = page.people.get(number), page.standings.get(number)
    view = View() if standing is None else begin(page.here.program, standing).view()
    return {
        "id": None if row is None else row.customer.number,
        "merchant_id": None if row is None else site.name_of(row),
        "email": None if row is None else row.customer.email,
        "points_approved": view.balance,
        "points_pending": view.pending,
        "points_spent": view.spent,
    }


def _entry(page: _Page, line: PointsLine) -> tuple[Entry, Any] | None:
    row = None if line.entry is None else page.entries.get((line.customer, line.entry))
    if row is None:
        return None
    fields = ("n", "kind", "occurred_at", "recorded_at", "points", "amount", "detail")
    return entry_of(tuple(row[field] for field in fields)), row


def _original(page: _Page, line: PointsLine) -> tuple[Entry, Any] | None:
    """The entry that gave the points, of what gives, activates or takes back points."""
    number = line.entry if line.of_entry is None else line.of_entry
    row = None if number is None else page.entries.get((line.customer, number))
    if row is None:
        return None if number is not None else (Entry(0, "custom", line.at, line.at), None)
    if row["kind"] in _NO_ACTIVITY:
        return None
    fields = ("n", "kind", "occurred_at", "recorded_at", "points", "amount", "detail")
    return entry_of(tuple(row[field] for field in fields)), row


def _detail(page: _Page, line: PointsLine) -> Detail:
    pair = _entry(page, line)
    return Detail() if pair is None else pair[0].detail or Detail()


def _activity(call: Call, page: _Page, line: PointsLine, *, whole: bool) -> Json:
    """What gave points. A bonus that time brought has no entry, and so no name of the shop's; nor
    has one that a rule gave for joining, or for another entry that has no points of its own."""
    entry, row = _original(page, line) or (Entry(0, "custom", line.at, line.at), None)
    detail = entry.detail or Detail()
    name = detail.name or NAMES.get(entry.kind, "bonus")
    own = row if entry.kind in GIVERS else None
    key = None if own is None else members.caller_key(own["key"])
    merchant = detail.order or (None if key is None else key.removeprefix(f"{name}:"))
    if merchant is not None and merchant.startswith("auto:"):
        merchant = None
    rule = detail.parts[0].rule if detail.parts else _rule(page, entry) or name
    number = rule_number(call.project.id, page.here.program.id, rule)
    shape: Json = {
        "id": line.number if own is None or own["line"] is None else own["line"],
        "merchant_id": merchant,
        "value": line.moved + line.waits if own is None else entry.points,
        "state": _state(page, line, entry, row),
        "rule": {"id": number, "name": name, "title": rule},
        "created_at": format_instant(entry.recorded_at),
        "resource": None,
    }
    if whole:
        shape["customer"] = _customer(page, line.customer)
    return shape


def _rule(page: _Page, entry: Entry) -> str | None:
    """The rule that gives points for joining, where there is one alone."""
    if entry.kind != "enrol":
        return None
    version = page.here.program.version(entry.recorded_at)
    rules = version.rules.points.rules
    names = [rule.id for rule in rules if isinstance(rule.trigger, Joining)]
    return names[0] if len(names) == 1 else None


def _state(page: _Page, line: PointsLine, entry: Entry, row: Any) -> str:
    standing = page.standings.get(line.customer)
    waits = () if standing is None else standing.pending
    if any(pending.entry == entry.n for pending in waits):
        return "pending"
    if row is not None and entry.points > 0 and row["taken"] <= -entry.points:
        return "void"
    return "approved"


def _csv(objects: list[Json]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_CSV)
    for each in objects:
        whose = each["customer"]
        person = (whose["id"], _plain(whose["merchant_id"]), _plain(whose["email"]))
        points = (each["points_approved"], each["points_pending"])
        writer.writerow((each["id"], *person, *points, each["resource"], each["created_at"]))
    return text.getvalue().encode()


def _plain(text: str | None) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text or ""


OPERATIONS = (
    Operation("GET", TRANSACTIONS, list_transactions, "Changes of points, newest first.",
              scopes=READ, query=LionTransactionsQuery),
    Operation("GET", f"{CUSTOMER}/transactions", list_of_customer,
              "A customer's changes of points, newest first.", scopes=READ,
              query=LionTransactionsQuery),
    Operation("GET", ACTIVITIES, list_activities, "What gave points, newest first.", scopes=READ,
              query=LionActivitiesQuery),
)  # fmt: skip
