"""`/v1/exports`, and the exports of transactions, of points that expire, and of orders.

A file is whole when the call is answered, so its status is `DONE` whenever it is asked for again.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from tierline.errors import NotFound
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.rules.program import Program
from tierline.vendors.voucherify.api import lists, memberships, order_exports, programs
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.api.members import MEMBERS, member_of
from tierline.vendors.voucherify.api.memberships import Member
from tierline.vendors.voucherify.api.orders import ORDERS as ORDER_ROUTE
from tierline.vendors.voucherify.api.transactions import (
    buckets_of,
    card_of,
    keys_of,
    with_card_ids,
)
from tierline.vendors.voucherify.card_objects import bucket, transaction
from tierline.vendors.voucherify.filters import METADATA, ListFilter, of_body
from tierline.web.export_files import EXPORT_ROWS_MAX, ExportFile
from tierline.web.routes.points import MemberMove, moves_of
from tierline.web.routing import Call, Operation, Reply

EXPORTS: Final = "/v1/exports"
EXPORT: Final = f"{EXPORTS}/{{export}}"
OF_CAMPAIGN: Final = "/v1/loyalties/{campaign}"
TRANSACTIONS: Final = "voucher_transactions"
EXPIRATION: Final = "points_expiration"
ORDER: Final = "order"
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    TRANSACTIONS: (
        *("id", "type", "source_id", "reason", "balance", "amount", "created_at", "voucher_id"),
        *("campaign_id", "source", "details", "related_transaction_id"),
    ),
    EXPIRATION: ("id", "campaign_id", "voucher_id", "status", "expires_at", "points"),
    ORDER: order_exports.FIELDS,
}
# The columns of a body that names none: all of them, where nothing else is said.
DEFAULT_FIELDS: Final[dict[str, tuple[str, ...]]] = {ORDER: order_exports.DEFAULT_FIELDS}
FILTERS: Final[dict[str, tuple[str, ...]]] = {
    TRANSACTIONS: ("id", "created_at", "voucher_id", "campaign_id"),
    EXPIRATION: ("voucher_id", "campaign_id"),
    ORDER: order_exports.FILTERS,
}
# By what rows may be ordered; the first is the default, downwards.
ORDERS: Final[dict[str, tuple[str, ...]]] = {
    TRANSACTIONS: ("created_at",),
    EXPIRATION: ("expires_at",),
    ORDER: order_exports.ORDERS,
}
Json = dict[str, Any]


class ExportParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows and columns, in which order; a minus puts the latest first."""

    order: str | None = None
    fields: Annotated[list[str], Meta(max_length=20)] | None = None
    filters: dict[str, Any] | None = None


class ExportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    parameters: ExportParameters | None = None


class AnyExportRequest(ExportRequest, frozen=True, forbid_unknown_fields=True):
    """Of what: transactions of cards, points that expire, or orders."""

    exported_object: Literal["voucher_transactions", "points_expiration", "order"] = TRANSACTIONS


class ExportsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of exports, those made last first."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    page: Annotated[int, Meta(ge=1, le=1000)] = 1
    order: Literal["created_at", "-created_at", "status", "-status"] = "-created_at"


class DownloadQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """With the token of its URL an export is the file itself."""

    token: str | None = None


class ExportResult(Struct, frozen=True):
    """Where the file is."""

    url: str


class ExportObject(Struct, frozen=True):
    """A file of what happened."""

    id: str
    object: Literal["export"]
    created_at: str
    status: Literal["SCHEDULED", "IN_PROGRESS", "DONE", "ERROR"]
    channel: Literal["API", "WEBSITE"]
    exported_object: str
    parameters: Json
    result: ExportResult | None
    user_id: str | None


class ExportObjects(Struct, frozen=True):
    """A page of exports."""

    object: Literal["list"]
    data_ref: Literal["exports"]
    exports: list[ExportObject]
    total: Count


# Making -----------------------------------------------------------------------------------------


async def post_export(call: Call, body: AnyExportRequest) -> Json:
    """Of all campaigns, or of those that a filter names; or of orders."""
    if body.exported_object == ORDER:
        return await post_order_export(call, body)
    every = await programs.programs(call)
    parameters = body.parameters or ExportParameters()
    named = _filter(body.exported_object, parameters).values_of("campaign_id")
    chosen = [
        (number, program)
        for number, program in every
        if named is None or programs.campaign_of(call, program)["id"] in named
    ]
    return await _made(call, body.exported_object, parameters, chosen, {})


async def post_order_export(call: Call, body: ExportRequest) -> Json:
    return await _made(call, ORDER, body.parameters or ExportParameters(), [], {})


async def post_campaign_export(call: Call, body: ExportRequest) -> Json:
    numbered = await programs.find(call, call.param("campaign"))
    id_ = programs.campaign_of(call, numbered[1])["id"]
    what = EXPIRATION if "points-expiration" in call.request.url.path else TRANSACTIONS
    scope = {"campaign_id": {"conditions": {"$in": [id_]}}}
    return await _made(call, what, body.parameters or ExportParameters(), [numbered], scope)


async def post_member_export(call: Call, body: ExportRequest) -> Json:
    member = await member_of(call)
    scope = {"voucher_id": {"conditions": {"$in": [member.card]}}}
    parameters = body.parameters or ExportParameters()
    return await _made(call, TRANSACTIONS, parameters, [member], scope)


def _filter(what: str, parameters: ExportParameters) -> ListFilter:
    return of_body(parameters.filters, FILTERS[what])


async def _made(
    call: Call,
    what: str,
    parameters: ExportParameters,
    whose: list[Any],
    scope: Json,
) -> Json:
    """Checks what is asked for, and writes the file."""
    fields = _fields(what, parameters)
    order = parameters.order or f"-{ORDERS[what][0]}"
    by = order.removeprefix("-")
    if by not in ORDERS[what]:
        names = ", ".join(ORDERS[what])
        raise validation.invalid("parameters.order", f"expected one of {names}, also with a minus")
    conditions = await with_card_ids(call, _filter(what, parameters))
    call.parts.database.disk.require_room()
    rows = await _rows(call, what, whose)
    rows = [row for row in rows if conditions.admits(row, call.now)]
    rows.sort(key=lambda row: str(row[by] or "9"))
    if order.startswith("-"):
        rows.reverse()
    summary: Json = {"filters": {**(parameters.filters or {}), **scope}}
    if parameters.order is not None:
        summary["order"] = parameters.order
    if parameters.fields is not None:
        summary["fields"] = parameters.fields
    table = ([_title(field) for field in fields], [[row.get(f) for f in fields] for row in rows])
    made = await call.parts.exports.add(call.project.id, what, summary, table, call.wall)
    return {**_export(call, made), "status": "SCHEDULED", "result": None}


def _fields(what: str, parameters: ExportParameters) -> tuple[str, ...]:
    if not parameters.fields:
        return DEFAULT_FIELDS.get(what, FIELDS[what])
    for i, field in enumerate(parameters.fields):
        own = what == ORDER and field.startswith(METADATA)
        if field not in FIELDS[what] and not own:
            names = ", ".join(FIELDS[what])
            raise validation.invalid(f"parameters.fields[{i}]", f"expected one of {names}")
    return tuple(parameters.fields)


async def _rows(call: Call, what: str, whose: list[Any]) -> list[Json]:
    if what == ORDER:
        return await order_exports.rows(call, EXPORT_ROWS_MAX)
    rows: list[Json] = []
    for each in whose:
        members = [each] if isinstance(each, Member) else await _members(call, *each)
        for member in members:
            rows += await (_transactions if what == TRANSACTIONS else _buckets)(call, member)
            if len(rows) > EXPORT_ROWS_MAX:
                return rows  # which is refused
    return rows


async def _members(call: Call, number: int, program: Program) -> list[Member]:
    members, _ = await memberships.of_program(
        call, number, program, memberships.MET_MAX, newest=False
    )
    return members


async def _transactions(call: Call, member: Member) -> list[Json]:
    card = card_of(call, member)
    moves = await moves_of(call, member.program, card.member, call.now)
    made = [MemberMove(member.row, move) for move in moves]
    keys = await keys_of(call, made, {member.row.id: card})
    rows = []
    for move in moves:
        key = None if move.entry is None else keys.get((member.row.id, move.entry.n))
        item = transaction(card, move.event, key)
        if item is None:
            continue
        balance = item["details"]["balance"]
        details = msgspec.json.encode(item["details"]).decode()
        amounts = {"balance": balance["balance"], "amount": balance["points"]}
        rows.append({**item, **amounts, "details": details})
    return rows


async def _buckets(call: Call, member: Member) -> list[Json]:
    card = card_of(call, member)
    buckets = await buckets_of(call, member)
    for move in await moves_of(call, member.program, card.member, call.now):
        if move.kind == "points.expired":
            buckets.append(bucket(card, move.at, -move.points, move.at, "EXPIRED"))
    return [
        {**each, "points": each["bucket"]["total_points"], "expires_at": each.get("expires_at")}
        for each in buckets
    ]


def _title(field: str) -> str:
    """A column's name: `ID`, `Source ID`, `Created At`; metadata by their own names."""
    if field.startswith(METADATA):
        return field
    return " ".join("ID" if word == "id" else word.title() for word in field.split("_"))


# Reading ----------------------------------------------------------------------------------------


async def list_exports(call: Call) -> Json:
    query = lists.query(call, ExportsQuery)
    every = await call.parts.exports.all(call.project.id, call.wall)
    exports = [made for made in every if made.what in FIELDS]
    if query.order.startswith("-"):
        exports.reverse()
    first = (query.page - 1) * query.limit
    items = [_export(call, made) for made in exports[first : first + query.limit]]
    return lists.envelope(items, "exports", len(exports))


async def get_export(call: Call) -> Json | Reply:
    """What is said of it; with its token, the file."""
    query = lists.query(call, DownloadQuery)
    made = await _find(call)
    if query.token is None:
        return _export(call, made)
    if not hmac.compare_digest(query.token.encode(), made.token.encode()):
        raise NotFound(what="export", name=made.id, path="token")
    content = await call.parts.exports.read(call.project.id, made)
    return Reply(body=content, content_type="text/plain; charset=utf-8")


async def delete_export(call: Call) -> None:
    await call.parts.exports.remove(call.project.id, (await _find(call)).id)


async def _find(call: Call) -> ExportFile:
    """Of this vendor's: others make exports, too."""
    id_ = call.param("export")
    made = await call.parts.exports.find(call.project.id, id_, call.wall)
    if made.what not in FIELDS:
        raise NotFound(what="export", name=id_, path="export")
    return made


def _export(call: Call, made: ExportFile) -> Json:
    url = call.request.url
    return {
        "id": made.id,
        "object": "export",
        "created_at": format_instant(made.created_at),
        "status": "DONE",
        "channel": "API",
        "exported_object": made.what,
        "parameters": made.parameters,
        "result": {"url": f"{url.scheme}://{url.netloc}{EXPORTS}/{made.id}?token={made.token}"},
        "user_id": None,
    }


_READ = ("read_customers",)
# Stands before the routes of one order, whose id it else were.
OF_ORDERS = (
    Operation("POST", f"{ORDER_ROUTE}/export", post_order_export, "Makes an export of orders.",
              answer=ExportObject, scopes=_READ, body=ExportRequest, optional=True),
)  # fmt: skip
OPERATIONS = (
    Operation("POST", EXPORTS, post_export, "Makes an export.", answer=ExportObject, scopes=_READ,
              body=AnyExportRequest),
    Operation("GET", EXPORTS, list_exports, "The exports that are there.",
              answer=ExportObjects, scopes=_READ,
              query=ExportsQuery),
    Operation("GET", EXPORT, get_export, "An export, or with its token the file.",
              answer=ExportObject, scopes=_READ,
              query=DownloadQuery),
    Operation("DELETE", EXPORT, delete_export, "Deletes an export.", scopes=_READ, status=204),
    *(Operation("POST", f"{OF_CAMPAIGN}/{what}/export", post_campaign_export,
                "Makes an export of a program.",
                answer=ExportObject, scopes=_READ, body=ExportRequest, optional=True)
      for what in ("transactions", "points-expiration")),
    *(Operation("POST", f"{path}/transactions/export", post_member_export,
                "Makes an export of a card.",
                answer=ExportObject, scopes=_READ, body=ExportRequest, optional=True)
      for path in MEMBERS),
)  # fmt: skip
