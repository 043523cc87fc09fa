"""`…/pending-points` and `…/transfers`: points on their way, and points for another card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.errors import InsufficientPoints, NotFound, Refused
from tierline.ledger import commands
from tierline.ledger.command_parsing import POINTS_MAX
from tierline.ledger.commands import Answer, Assertion, ProgramRef
from tierline.model import validation
from tierline.model.entries import Detail
from tierline.model.points_event import PointsEvent
from tierline.model.standing import Pending
from tierline.store import members as stored
from tierline.vendors.voucherify.api import customers, lists, memberships, programs
from tierline.vendors.voucherify.api.answers import BalanceObject, CardObject, Count, RelatedObject
from tierline.vendors.voucherify.api.lists import ByIdQuery
from tierline.vendors.voucherify.api.loyalty_cards import card_object
from tierline.vendors.voucherify.api.members import MEMBERS, by_card, member_of, total_of
from tierline.vendors.voucherify.api.memberships import Member
from tierline.vendors.voucherify.api.transactions import behind, card_of
from tierline.vendors.voucherify.card_ids import pending_of
from tierline.vendors.voucherify.card_objects import balance_object, pending_points
from tierline.web import request_body
from tierline.web.routes.points import moves_of
from tierline.web.routing import Call, Operation

OF_CAMPAIGN: Final = "/v1/loyalties/{campaign}/pending-points"
ONE: Final = f"{MEMBERS[1]}/pending-points/{{pending}}"
TRANSFERS: Final = f"{MEMBERS[0]}/transfers"
TRANSFERS_MAX: Final = 20  # cards of one request
CARDS_MAX: Final = 1_000  # members of a campaign whose pending points are listed
Json = dict[str, Any]
Points = Annotated[int, Meta(ge=-POINTS_MAX, le=POINTS_MAX)]


class PendingRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Points to add to those that wait, or to take from them if negative."""

    points: Points


class TransferRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Points from another card, by its code. `source_id` makes a repetition safe for ever."""

    code: str
    points: Annotated[int, Meta(ge=1, le=POINTS_MAX)]
    source_id: str
    reason: Annotated[str, Meta(max_length=500)] | None = None


class PendingObject(Struct, frozen=True):
    """Points that are not active yet."""

    id: str
    voucher_id: str
    campaign_id: str
    customer_id: str
    order_id: str
    points: int
    activates_at: str
    details: Json
    created_at: str
    updated_at: str | UnsetType = UNSET


class PendingObjects(Struct, frozen=True):
    """Points that are not active yet, the newest first."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[PendingObject]
    has_more: bool
    more_starting_after: str | UnsetType | None = UNSET


class PendingBalance(Struct, frozen=True):
    """Pending points after a change of them."""

    points: int
    total: Count
    object: Literal["balance"]
    related_object: RelatedObject
    operation_type: Literal["MANUAL"]


# Lists ------------------------------------------------------------------------------------------


def grouped(member: Member) -> Mapping[int, list[Pending]]:
    """What waits, by the entry that brought it; under 0 what bonuses brought, all together."""
    groups: dict[int, list[Pending]] = {}
    for pending in member.standing.pending:
        groups.setdefault(pending.entry, []).append(pending)
    return dict(sorted(groups.items()))


async def pending_objects(call: Call, member: Member) -> list[Json]:
    """What waits for a card, the oldest first."""
    groups = grouped(member)
    if not groups:
        return []
    card = card_of(call, member)
    events: dict[int, PointsEvent] = {}
    for move in await moves_of(call, member.program, card.member, call.now):
        if move.entry is not None and move.event.waits > 0:
            events.setdefault(move.entry.n, move.event)
    return [pending_points(card, waits, events.get(entry)) for entry, waits in groups.items()]


async def list_member_pending(call: Call) -> Json:
    query = lists.query(call, ByIdQuery)
    return _page(await pending_objects(call, await member_of(call)), query)


async def list_campaign_pending(call: Call) -> Json:
    """All cards', card by card: whoever became a customer last stands first, unless asked
    otherwise."""
    query = lists.query(call, ByIdQuery)
    number, program = await programs.find(call, call.param("campaign"))
    members, is_all = await memberships.of_program(call, number, program, CARDS_MAX, newest=False)
    if not is_all:
        raise validation.invalid("campaign", f"it has more than {CARDS_MAX:,} members; name a card")
    items = [each for member in members for each in await pending_objects(call, member)]
    return _page(items, query)


def _page(items: list[Json], query: ByIdQuery) -> Json:
    ordered = items if query.order == "id" else items[::-1]
    if query.starting_after_id is not None:
        ordered = behind(ordered, [each["id"] for each in ordered], query)
    return lists.following(ordered, query.limit)


# Changes ----------------------------------------------------------------------------------------


async def activate(call: Call) -> Json:
    """The points can be spent from now on."""
    member, waits, key = await _pending(call)
    await _submit(call, member, "approve", Assertion(of=key))
    after = await _after(call, member)
    points = sum(each.points for each in waits)
    standing = after.standing
    return balance_object(member.card, points, total_of(standing), standing.balance, "MANUAL")


async def cancel(call: Call) -> None:
    """The points go. What brought them stays as it is otherwise."""
    member, waits, key = await _pending(call)
    points = sum(each.points for each in waits)
    await _submit(call, member, "refund", Assertion(of=key, points=points, amount=0))


async def change(call: Call, body: PendingRequest) -> Json:
    """More or fewer points wait. What is added becomes active with the rest, and is listed as
    pending points of its own."""
    if body.points == 0:
        raise validation.invalid("points", "a change by 0 says nothing")
    member, waits, key = await _pending(call)
    count = sum(each.points for each in waits)
    if body.points > 0:
        first = waits[0]
        detail = Detail(
            name=first.name,
            available_at=first.available_at,
            expires_at=first.expires_at,
            never_expires=first.never_expires,
        )
        await _submit(call, member, "earn", Assertion(points=body.points, detail=detail))
    elif -body.points > count:
        raise InsufficientPoints(balance=count, needed=-body.points, path="points")
    else:
        await _submit(call, member, "refund", Assertion(of=key, points=-body.points, amount=0))
    after = await _after(call, member)
    return {
        "points": body.points,
        "total": after.standing.points_pending,
        "object": "balance",
        "related_object": {"type": "voucher", "id": member.card},
        "operation_type": "MANUAL",
    }


async def _pending(call: Call) -> tuple[Member, list[Pending], str]:
    """The member of the path, what waits under the id in it, and the key of the activity that
    brought it. Raises NotFound, and Refused for what a bonus brought."""
    member, id_ = await member_of(call), call.param("pending")
    place = pending_of(id_)
    waits = [] if place is None else grouped(member).get(place[2], [])
    if place is None or place[:2] != (member.row.id, member.number) or not waits:
        raise NotFound(what="pending_points", name=id_, path="pending")
    if place[2] == 0:
        raise Refused(reason="A bonus's pending points become active on their day.", path="pending")
    database = call.parts.database
    async with database.pool.acquire() as connection:
        where = (connection, database.shards, place[:2])
        (row,) = await stored.entries_after(*where, place[2] - 1, 1)
    return member, waits, row["key"]


async def _submit(call: Call, member: Member, kind: Any, assertion: Assertion) -> Answer:
    ref = ProgramRef(call.project, member.number)
    name = customers.source_id_of(member.row)
    command = commands.command(ref, kind, name, assertion, number=member.row.id)
    return await call.parts.writer.submit(command)


async def _after(call: Call, member: Member) -> Member:
    after = await memberships.in_program(call, member.row, member.number, member.program)
    assert after is not None  # the path found them
    return after


# Transfers --------------------------------------------------------------------------------------


async def post_transfers(call: Call, body: list[TransferRequest]) -> Json:
    """Points from other cards of the campaign. All are checked before the first one leaves."""
    if not 0 < len(body) <= TRANSFERS_MAX:
        raise validation.invalid("", f"expected between 1 and {TRANSFERS_MAX} cards")
    member = await member_of(call)
    sources = [await _source(call, each, member, i) for i, each in enumerate(body)]
    await _check_balances(call, body, sources)
    ref = ProgramRef(call.project, member.number)
    for each, source in zip(body, sources, strict=True):
        reason = None if each.reason is None else request_body.name(each.reason, "reason", 500)
        command = commands.transfer(
            ref,
            customers.source_id_of(source.row),
            customers.source_id_of(member.row),
            Assertion(points=each.points, detail=Detail(reason=reason)),
            key=request_body.name(each.source_id, "source_id"),
            number=source.row.id,
            recipient=member.row.id,
        )
        answer = await call.parts.writer.submit(command)
        if answer.transfer is not None and answer.transfer.state == "returned":
            raise Refused(reason=answer.transfer.reason or "The points came back.", path="code")
    campaign = programs.campaign_of(call, member.program)
    return card_object(campaign, await _after(call, member), call.project.time_zone)


async def _source(call: Call, body: TransferRequest, member: Member, i: int) -> Member:
    matches = [each for each in await by_card(call, body.code) if each.number == member.number]
    if len(matches) != 1:
        raise NotFound(what="voucher", name=body.code, path=f"[{i}].code")
    if matches[0].row.id == member.row.id:
        raise validation.invalid(f"[{i}].code", "a transfer needs another card")
    request_body.name(body.source_id, f"[{i}].source_id")
    return matches[0]


async def _check_balances(call: Call, body: list[TransferRequest], sources: list[Member]) -> None:
    """Raises InsufficientPoints where a card has not what all its transfers take together. What
    was transferred before under the same id is not asked for again."""
    needed: Counter[int] = Counter()
    database = call.parts.database
    async with database.pool.acquire() as connection:
        for each, source in zip(body, sources, strict=True):
            key = (source.row.id, source.number, each.source_id)
            if await stored.receipt(connection, database.shards, key) is None:
                needed[source.row.id] += each.points
    for i, source in enumerate(sources):
        balance, points = source.standing.balance, needed[source.row.id]
        if points > balance:
            raise InsufficientPoints(balance=balance, needed=points, path=f"[{i}].points")


_READ, _WRITE = ("read_customers",), ("read_customers", "write_customers")
OPERATIONS = (
    Operation("GET", OF_CAMPAIGN, list_campaign_pending, "Points on their way, of all cards.",
              answer=PendingObjects, scopes=_READ, query=ByIdQuery),
    *(Operation("GET", f"{path}/pending-points", list_member_pending,
                "Points on their way to a card.",
                answer=PendingObjects, scopes=_READ, query=ByIdQuery)
      for path in MEMBERS),
    Operation("POST", f"{ONE}/activate", activate, "Lets pending points be spent now.",
              answer=BalanceObject, scopes=_WRITE),
    Operation("POST", f"{ONE}/balance", change, "Adds or takes pending points.",
              answer=PendingBalance, scopes=_WRITE, body=PendingRequest),
    Operation("POST", f"{ONE}/cancel", cancel, "Takes pending points away.", scopes=_WRITE,
              status=204),
    Operation("POST", TRANSFERS, post_transfers, "Moves points from other cards to this one.",
              scopes=_WRITE, body=list[TransferRequest], answer=CardObject),
)  # fmt: skip
