"""`…/transactions` and `…/points-expiration`: what happened to the points of cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from tierline.analysis.points_history import PointsMove
from tierline.ledger.transfers.legs import arrival_key, departure_key
from tierline.rules.program import Program
from tierline.store import members as stored
from tierline.store.customers import CustomerRow
from tierline.vendors.voucherify.api import customers, lists, memberships, programs
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.api.errors import InvalidQuery
from tierline.vendors.voucherify.api.lists import ByIdQuery, FilteredQuery, PageQuery
from tierline.vendors.voucherify.api.loyalty_cards import card_object
from tierline.vendors.voucherify.api.members import MEMBERS, by_card, member_of
from tierline.vendors.voucherify.api.memberships import Member
from tierline.vendors.voucherify.card_ids import moment_of, move_id, numbers_of
from tierline.vendors.voucherify.card_objects import (
    Card,
    bucket,
    transaction,
)
from tierline.vendors.voucherify.filters import ListFilter
from tierline.web.routes.history import lots_of
from tierline.web.routes.points import (
    MemberMove,
    MovePlace,
    MoveSearch,
    PointsOrder,
    moves_of,
    program_moves,
)
from tierline.web.routing import Call, Operation

OF_CAMPAIGN: Final = (
    "/v1/loyalties/{campaign}/transactions",
    "/v1/campaigns/{campaign}/transactions",
)
EXPIRATION: Final = f"{MEMBERS[0]}/points-expiration"
# What other objects hold of a card.
SIMPLE_KEYS: Final = frozenset(
    (
        *("id", "code", "loyalty_card", "type", "campaign", "campaign_id", "is_referral_code"),
        *("holder_id", "category_id", "active", "created_at", "updated_at", "redemption"),
        *("start_date", "expiration_date", "metadata", "object"),
    )
)
CARD_FIELDS: Final = ("id", "created_at")
CAMPAIGN_FIELDS: Final = ("id", "created_at", "voucher_id")
Json = dict[str, Any]


class TransactionObject(Struct, frozen=True):
    """One change of a card's points."""

    id: str
    source_id: str | None
    voucher_id: str
    campaign_id: str
    source: str | None
    reason: str | None
    type: str
    details: Json
    related_transaction_id: str | None
    created_at: str


class TransactionObjects(Struct, frozen=True):
    """Transactions, the newest first."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[TransactionObject]
    has_more: bool
    more_starting_after: str | UnsetType | None = UNSET


class BucketPoints(Struct, frozen=True):
    """How many points expire together."""

    total_points: Count


class BucketObject(Struct, frozen=True):
    """Points that expire on one day; without a day, never."""

    id: str
    voucher_id: str
    campaign_id: str
    bucket: BucketPoints
    status: Literal["ACTIVE", "EXPIRED"]
    created_at: str
    object: Literal["loyalty_points_bucket"]
    expires_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET


class BucketObjects(Struct, frozen=True):
    """A card's points by the day on which they expire."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[BucketObject]
    total: Count


def card_of(call: Call, member: Member) -> Card:
    return card_in(call, member.row, member.number, member.program)


def card_in(call: Call, row: CustomerRow, number: int, program: Program) -> Card:
    words = programs.words(call, program)
    return Card(row.customer, (row.id, number), call.project.id, words, call.project.time_zone)


# Lists ------------------------------------------------------------------------------------------


async def list_member_transactions(call: Call) -> Json:
    """One card's, the newest first unless asked otherwise."""
    query, conditions = lists.filtered(call, ByIdQuery, CARD_FIELDS)
    member = await member_of(call)
    moves = await moves_of(call, member.program, (member.row.id, member.number), call.now)
    made = [MemberMove(member.row, move) for move in moves]
    made = made if query.order == "id" else made[::-1]
    card = card_of(call, member)
    if query.starting_after_id is not None:
        made = behind(made, [move_id("vtx_", card.member, m.move.event) for m in made], query)
    return await _page(call, made, {member.row.id: card}, conditions, query.limit)


def behind(items: list[Any], ids: Sequence[str], query: ByIdQuery) -> list[Any]:
    """The items behind the one that a query names. Raises InvalidQuery where there is none."""
    if query.starting_after_id not in ids:
        reason = f"starting_after_id: there is no {query.starting_after_id!r} in this list."
        raise InvalidQuery(path="starting_after_id", reason=reason)
    return items[ids.index(query.starting_after_id) + 1 :]


async def list_campaign_transactions(call: Call) -> Json:
    """All cards', in the order of their instants, the newest first unless asked otherwise."""
    query, conditions = lists.filtered(call, ByIdQuery, CAMPAIGN_FIELDS)
    number, program = await programs.find(call, call.param("campaign"))
    conditions = await with_card_ids(call, conditions)
    place = await _place(call, (number, program), query.starting_after_id)
    cards: dict[int, Card] = {}

    def passes(made: MemberMove) -> bool:
        if made.row.id not in cards:
            cards[made.row.id] = card_in(call, made.row, number, program)
        item = transaction(cards[made.row.id], made.move.event, None)
        return item is not None and conditions.admits(item, call.now)

    order: PointsOrder = "oldest" if query.order == "id" else "newest"
    search = MoveSearch(place, query.limit + 1, order, cards_of(conditions), passes)
    moves = await program_moves(call, (number, program), search)
    return await _page(call, moves, cards, ListFilter(), query.limit)


async def _place(call: Call, program: tuple[int, Program], after: str | None) -> MovePlace | None:
    """Where the transaction with this id stands. Raises InvalidQuery where there is none."""
    if after is None:
        return None
    moment = moment_of(after)
    if moment is not None and moment[2] == program[0]:
        member = (moment[1], program[0])
        for move in await moves_of(call, program[1], member, call.now):
            if move_id("vtx_", member, move.event) == after:
                return move.event.at, moment[1], move.number
    reason = f"starting_after_id: there is no {after!r} in this list."
    raise InvalidQuery(path="starting_after_id", reason=reason)


async def with_card_ids(call: Call, conditions: ListFilter) -> ListFilter:
    """The filter with ids of cards where it has their codes."""
    changed = []
    for each in conditions.conditions:
        if each.field == "voucher_id" and each.operator in ("$in", "$is", "$not_in", "$is_not"):
            names: list[str] = []
            for value in each.values:
                names += [member.card for member in await by_card(call, value)] or [value]
            each = replace(each, values=tuple(names))  # noqa: PLW2901
        changed.append(each)
    return replace(conditions, conditions=tuple(changed))


def cards_of(conditions: ListFilter) -> list[int] | None:
    """The customers whose cards alone a filter lets through; None: any."""
    named = conditions.values_of("voucher_id")
    if named is None:
        return None
    numbers = (numbers_of(name) for name in named)
    return [number[0] for number in numbers if number is not None]


async def _page(
    call: Call,
    made: Sequence[MemberMove],
    cards: Mapping[int, Card],
    conditions: ListFilter,
    limit: int,
) -> Json:
    chosen: list[MemberMove] = []
    for each in made:
        item = transaction(cards[each.row.id], each.move.event, None)
        if item is not None and conditions.admits(item, call.now):
            chosen.append(each)
        if len(chosen) > limit:
            break
    keys = await keys_of(call, chosen, cards)
    items = []
    for each in chosen:
        card = cards[each.row.id]
        item = transaction(card, each.move.event, _key(each, keys))
        assert item is not None  # chosen above
        await _add_other_card(call, item, card, each.move)
        items.append(item)
    return lists.following(items, limit)


async def keys_of(
    call: Call, made: Iterable[MemberMove], cards: Mapping[int, Card]
) -> dict[tuple[int, int], str]:
    """The keys of the entries that brought these moves, by customer and entry."""
    numbers: dict[int, set[int]] = {}
    for each in made:
        if each.move.entry is not None:
            numbers.setdefault(each.row.id, set()).add(each.move.entry.n)
    database, keys = call.parts.database, dict[tuple[int, int], str]()
    async with database.pool.acquire() as connection:
        for customer, entries in numbers.items():
            member = cards[customer].member
            theirs = await stored.keys(connection, database.shards, member, entries)
            keys |= {(customer, entry): key for entry, key in theirs.items()}
    return keys


def _key(made: MemberMove, keys: Mapping[tuple[int, int], str]) -> str | None:
    entry = made.move.entry
    return None if entry is None else keys.get((made.row.id, entry.n))


async def _add_other_card(call: Call, item: Json, card: Card, move: PointsMove) -> None:
    """Of a transfer, the other card as it is now, and its own transaction."""
    facts = move.event.facts
    if facts is None or facts.counterpart is None or move.entry is None:
        return
    row = await customers.find_or_none(call, facts.counterpart)
    number = card.member[1]
    program = await call.parts.catalog.program_numbered(number)
    other = None if row is None else await memberships.in_program(call, row, number, program)
    if row is None or other is None:
        return
    way = "destination_voucher" if item["type"] == "POINTS_TRANSFER_OUT" else "source_voucher"
    whole = card_object(card.campaign, other, call.project.time_zone)
    simple = {key: value for key, value in whole.items() if key in SIMPLE_KEYS}
    times = ("quantity", "redeemed_quantity", "redeemed_points")
    simple["redemption"] = {key: whole["redemption"][key] for key in times}
    item["details"][way] = {key: value for key, value in simple.items() if value is not None}
    n = await _other_entry(call, card.member, move.entry.n, row.id)
    for each in await moves_of(call, program, (row.id, number), call.now):
        if each.entry is not None and each.entry.n == n:
            item["related_transaction_id"] = move_id("vtx_", (row.id, number), each.event)


async def _other_entry(call: Call, member: tuple[int, int], n: int, other: int) -> int | None:
    """The number of the entry that is the other half of a transfer."""
    database = call.parts.database
    async with database.pool.acquire() as connection:
        (row,) = await stored.entries_after(connection, database.shards, member, n - 1, 1)
        key = departure_key(row["key"]) or arrival_key(row["key"], member[0])
        place = (other, member[1], key)
        receipt = await stored.receipt(connection, database.shards, place)
    return None if receipt is None else int(receipt["n"])


# Buckets ----------------------------------------------------------------------------------------


async def list_buckets(call: Call) -> Json:
    """The card's points by the day on which they expire, those that never do last."""
    query = lists.query(call, PageQuery)
    member = await member_of(call)
    items = await buckets_of(call, member)
    first = (query.page - 1) * query.limit
    return lists.envelope(items[first : first + query.limit], total=len(items))


async def buckets_of(call: Call, member: Member) -> list[Json]:
    card = card_of(call, member)
    standing, lots = await lots_of(call, member.program, (member.row.id, member.number), call.now)
    brought = {
        move.entry.n: move.event.at
        for move in await moves_of(call, member.program, card.member, call.now)
        if move.entry is not None
    }
    items = []
    for lot in lots:
        times = [brought[share.entry] for share in lot.shares if share.entry in brought]
        created_at = min(times, default=standing.joined_at or member.changed_at)
        items.append(bucket(card, lot.expires_at, lot.points, created_at))
    return items


_READ = ("read_customers",)
OPERATIONS = (
    *(Operation("GET", path, list_campaign_transactions, "What happened to a program's points.",
                answer=TransactionObjects, scopes=_READ, query=FilteredQuery)
      for path in OF_CAMPAIGN),
    *(Operation("GET", f"{path}/transactions", list_member_transactions,
                "What happened to a card's points.",
                answer=TransactionObjects, scopes=_READ, query=FilteredQuery)
      for path in MEMBERS),
    Operation("GET", EXPIRATION, list_buckets, "A card's points by the day on which they expire.",
              answer=BucketObjects, scopes=_READ, query=PageQuery),
)  # fmt: skip
