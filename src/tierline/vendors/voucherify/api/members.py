"""`/v1/loyalties/…/members`: members and their cards, balances and tiers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from tierline.errors import Conflict, Invalid, NotFound, TooLarge
from tierline.ledger import commands
from tierline.ledger.command_parsing import POINTS_MAX
from tierline.ledger.commands import Assertion, ProgramRef
from tierline.model import validation
from tierline.model.calendar import parse_day, parse_instant, zone
from tierline.model.entries import Detail
from tierline.model.standing import Standing
from tierline.rules.program import Program
from tierline.store import customers as stored
from tierline.store import profiles, tier_counts
from tierline.store.customers import CustomerRow
from tierline.store.profiles import Profile
from tierline.store.shared_reads import CustomerStandings
from tierline.vendors.voucherify.api import (
    card_codes,
    customer_attributes,
    customers,
    lists,
    loyalty_cards,
    memberships,
    programs,
)
from tierline.vendors.voucherify.api.answers import (
    BalanceObject,
    CardObject,
    CardObjects,
    TierObjects,
)
from tierline.vendors.voucherify.api.customers import CustomerRequest
from tierline.vendors.voucherify.api.errors import (
    AlreadyPublished,
    InvalidExpirationDate,
    InvalidQuery,
)
from tierline.vendors.voucherify.api.memberships import Member
from tierline.vendors.voucherify.card_ids import numbers_of
from tierline.vendors.voucherify.card_objects import ATTRIBUTE, balance_object
from tierline.web import request_body
from tierline.web.routes.points import moves_of
from tierline.web.routing import Call, Operation

OF_CAMPAIGN = "/v1/loyalties/{campaign}/members"
MEMBERS = (f"{OF_CAMPAIGN}/{{member}}", "/v1/loyalties/members/{member}")
VOUCHER = "/v1/vouchers/{member}"
SORTED_MAX = 1_000  # members of a program whose list is sorted by when cards were made
NAMES_MAX = 100  # cards of one query
CODES_MAX = 20  # tries to find a code that nobody has
Json = dict[str, Any]


class MemberRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets a card: a customer by id or source id, or as an object, which makes or changes
    them too. `voucher`: the code; without one it is made. The rest says where the card was given
    out, and is not kept."""

    customer: str | CustomerRequest
    voucher: str | None = None
    source_id: str | None = None
    metadata: dict[str, Any] | None = None
    channel: str | None = None


class BalanceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Points to add, or to remove if negative. `source_id` makes a repetition safe for ever."""

    points: Annotated[int, Meta(ge=-POINTS_MAX, le=POINTS_MAX)]
    expiration_type: Literal["PROGRAM_RULES", "CUSTOM_DATE", "NON_EXPIRING"] | None = None
    expiration_date: str | None = None
    reason: Annotated[str, Meta(max_length=500)] | None = None
    source_id: str | None = None


class MembersQuery(lists.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Members: of a customer by id or source id, by the card's code, by cards' ids, or by when the
    card was made or changed."""

    customer: str | None = None
    code: str | None = None
    ids: str | None = None
    created_before: str | None = field(name="created_at[before]", default=None)
    created_after: str | None = field(name="created_at[after]", default=None)
    updated_before: str | None = field(name="updated_at[before]", default=None)
    updated_after: str | None = field(name="updated_at[after]", default=None)


# Finding ----------------------------------------------------------------------------------------


async def member_of(call: Call) -> Member:
    """Returns the member that the path names, inside the campaign where it names one too. Raises
    NotFound."""
    name = call.param("member")
    matches = await by_card(call, name)
    if "campaign" in call.request.path_params:
        number, _ = await programs.find(call, call.param("campaign"))
        matches = [member for member in matches if member.number == number]
    if len(matches) != 1:
        raise NotFound(what="voucher", name=name, path="member")
    return matches[0]


async def by_card(call: Call, name: str) -> list[Member]:
    """The memberships that a card's id or code may mean: one, unless a code stands at the
    customer alone (imported, or replaced by another since), who is a member of several
    programs."""
    numbers = numbers_of(name)
    customer = None if numbers is None else numbers[0]
    if customer is None:
        customer = await _holder(call, name)
    row = None if customer is None else await numbered_customer(call, customer)
    if row is None:
        return []
    matches = await memberships.of_customer(call, CustomerStandings(row))
    if numbers is not None:
        return [member for member in matches if member.number == numbers[1]]
    coded = [member for member in matches if member.standing.attributes.get(ATTRIBUTE) == name]
    uncoded = [member for member in matches if ATTRIBUTE not in member.standing.attributes]
    return coded or uncoded or matches


async def _holder(call: Call, code: str) -> int | None:
    database = call.parts.database
    async with database.pool.acquire() as connection:
        return await stored.find(connection, database.shards, call.project, code, "card")


async def numbered_customer(call: Call, customer: int) -> CustomerRow | None:
    row = await call.parts.reads.numbered(customer)
    ours = row is not None and row.project == call.project.number and row.erased_at is None
    return row if ours else None


# Cards ------------------------------------------------------------------------------------------


async def post_member(call: Call, body: MemberRequest) -> Json:
    """Enrols, and gives a card. Who is a member and has a card keeps it, and is answered with
    it."""
    number, program = await programs.find(call, call.param("campaign"))
    if body.voucher is not None:
        await _check_voucher(call, body.voucher, body.customer)
    row = (await holder_of(call, body.customer)).row
    member = await memberships.in_program(call, row, number, program)
    ref = ProgramRef(call.project, number)
    has = member is not None and ATTRIBUTE in member.standing.attributes
    code = None if has else await _claimed(call, row, program, body.voucher)
    await call.parts.writer.submit(commands.enrol(ref, customers.source_id_of(row), number=row.id))
    if code is not None:
        await _keep_code(call, row, number, code)
    member = await memberships.in_program(call, row, number, program)
    assert member is not None  # enrolled above
    await customer_attributes.note(call, member)
    return _card(call, member)


async def _keep_code(call: Call, row: CustomerRow, number: int, code: str) -> None:
    ref = ProgramRef(call.project, number)
    attributes = {ATTRIBUTE: code}
    command = commands.attributes(ref, customers.source_id_of(row), attributes, number=row.id)
    await call.parts.writer.submit(command)


async def give_card(call: Call, member: Member) -> None:
    """Gives a code to a member who joined in another way and has none."""
    if ATTRIBUTE not in member.standing.attributes:
        code = await _claimed(call, member.row, member.program, None)
        await _keep_code(call, member.row, member.number, code)


async def _check_voucher(call: Call, code: str, named: str | CustomerRequest) -> None:
    """Before anything is made: a code that is brought along may be nobody else's, and no card's
    id."""
    validation.identifier(code, "voucher")
    if numbers_of(code) is not None:
        raise validation.invalid("voucher", "it looks like the id of a card; send another code")
    holder = await _holder(call, code)
    if holder is None:
        return
    named_holder = await customers.find_named(call, named)
    if named_holder is None or named_holder.row.id != holder:
        raise AlreadyPublished(card=code, path="voucher")


async def holder_of(call: Call, named: str | CustomerRequest) -> CustomerStandings:
    """Returns the customer that a body names. One who is not known is made, unless the name looks
    like an id. Raises NotFound."""
    if isinstance(named, CustomerRequest):
        return await customers.upsert(call, named)
    holder = await customers.find_named(call, named)
    if holder is None and named.startswith("cust_"):
        raise NotFound(what="customer", name=named, path="customer")
    return holder or await customers.upsert(call, CustomerRequest(source_id=named))


async def _claimed(call: Call, row: CustomerRow, program: Program, brought: str | None) -> str:
    """A code that is a name of this customer from now on: the one that was brought along, or a new
    one that nobody has. Raises AlreadyPublished."""
    config = programs.campaign_of(call, program)["voucher"].get("code_config") or {}
    for _ in range(CODES_MAX):
        code = brought or card_codes.new_code(config, secrets.choice)
        profile = Profile(names={"card": (validation.identifier(code, "voucher"),)})
        try:
            place = (call.parts.database, call.project, customers.source_id_of(row))
            await profiles.put(*place, profile, call.now)
        except Conflict:
            if brought is not None:
                raise AlreadyPublished(card=brought, path="voucher") from None
        else:
            return code
    reason = "voucher.code_config: nearly every code is taken; give it a longer pattern."
    raise Invalid(path="voucher.code_config", reason=reason)


def _card(call: Call, member: Member) -> Json:
    campaign = programs.campaign_of(call, member.program)
    return loyalty_cards.card_object(campaign, member, call.project.time_zone)


async def get_member(call: Call) -> Json:
    return _card(call, await member_of(call))


async def list_members(call: Call) -> Json:
    """A program's cards, those made last first. Of a program that is too large to be sorted, whose
    holders became customers last."""
    number, program = await programs.find(call, call.param("campaign"))
    query = lists.query(call, MembersQuery)
    by_name = await _named_members(call, query, number, program)
    if by_name is not None:
        cards = [_card(call, member) for member in by_name]
        return lists.page(list(filter(_times(query), cards)), query, "vouchers")
    database = call.parts.database
    async with database.pool.acquire() as connection:
        count = (await tier_counts.counts(connection, database.shards, number)).total()
    is_small = count <= SORTED_MAX
    if not is_small and query.order.endswith("updated_at"):
        limit = f"{SORTED_MAX:,} members, of whom none can be sorted so; order by created_at"
        raise TooLarge(what="list", limit=limit)
    newest = query.order.startswith("-")
    enough = SORTED_MAX if is_small else query.page * query.limit
    members, is_all = await memberships.of_program(call, number, program, enough, newest=newest)
    cards = list(filter(_times(query), (_card(call, member) for member in members)))
    if is_all:
        return lists.page(cards, query, "vouchers")
    first = (query.page - 1) * query.limit
    return lists.envelope(cards[first : first + query.limit], "vouchers", max(count, len(cards)))


async def _named_members(
    call: Call, query: MembersQuery, number: int, program: Program
) -> list[Member] | None:
    """The members whom the query names; None where it names nobody."""
    if query.code is not None or query.ids is not None:
        names = [query.code] if query.code is not None else (query.ids or "").split(",")
        if len(names) > NAMES_MAX:
            raise InvalidQuery(path="ids", reason=f"ids: at most {NAMES_MAX} at once.")
        matches = [each for name in names for each in await by_card(call, name)]
        return [member for member in matches if member.number == number]
    if query.customer is None:
        return None
    row = await customers.find_or_none(call, query.customer)
    member = None if row is None else await memberships.in_program(call, row, number, program)
    return [] if member is None else [member]


def _times(query: MembersQuery) -> Callable[[Json], bool]:
    """Whether a card was made and changed in the time that a query names."""
    bounds: list[tuple[str, bool, int]] = []
    for name, before, after in (
        ("created_at", query.created_before, query.created_after),
        ("updated_at", query.updated_before, query.updated_after),
    ):
        for text, is_before in ((before, True), (after, False)):
            if text is not None:
                path = f"{name}[{'before' if is_before else 'after'}]"
                bounds.append((name, is_before, validation.instant(text, path)))

    def fits(card: Json) -> bool:
        for name, is_before, bound in bounds:
            at = parse_instant(card[name] or card["created_at"])
            if not (at < bound if is_before else at > bound):
                return False
        return True

    return fits


# Balances and tiers -----------------------------------------------------------------------------


async def post_balance(call: Call, body: BalanceRequest) -> Json:
    """Adds or removes points by hand, answered when it is durable."""
    if body.points == 0:
        raise validation.invalid("points", "a change by 0 says nothing")
    member = await member_of(call)
    detail = _detail(call, body)
    assertion = Assertion(points=body.points, detail=None if detail == Detail() else detail)
    key = None if body.source_id is None else request_body.name(body.source_id, "source_id")
    command = commands.command(
        ProgramRef(call.project, member.number),
        "adjust",
        customers.source_id_of(member.row),
        assertion,
        key=key,
        number=member.row.id,
    )
    answer = await call.parts.writer.submit(command)
    after = await memberships.in_program(call, member.row, member.number, member.program)
    total = 0 if after is None else total_of(after.standing)
    if answer.repeated:  # as the first answer said it, whatever came since
        moves = await moves_of(call, member.program, (member.row.id, member.number), call.now)
        totals = (move.event.total for move in moves if move.entry and move.entry.n == answer.entry)
        total = next(totals, total)
    return balance_object(member.card, body.points, total, answer.balance, "MANUAL")


def total_of(standing: Standing) -> int:
    """All points that were ever added, less what was taken back by hand."""
    return standing.balance + standing.spent + standing.expired


def _detail(call: Call, body: BalanceRequest) -> Detail:
    reason = None if body.reason is None else request_body.name(body.reason, "reason", 500)
    if body.expiration_type != "CUSTOM_DATE":
        if body.expiration_date is not None and body.expiration_type is not None:
            what = "belongs to expiration_type CUSTOM_DATE alone"
            raise validation.invalid("expiration_date", what)
    elif body.expiration_date is None:
        raise validation.invalid("expiration_date", "it is needed with CUSTOM_DATE")
    if body.expiration_date is None:
        return Detail(reason=reason, never_expires=body.expiration_type == "NON_EXPIRING")
    return Detail(reason=reason, expires_at=_end_of(call, body.expiration_date))


def _end_of(call: Call, text: str) -> int:
    """The end of a day, in the project's time zone: the points are valid on it still."""
    try:
        day = parse_day(text[:10])
    except ValueError:
        what = "expected a date like 2030-12-31"
        raise validation.invalid("expiration_date", what) from None
    end = zone(call.project.time_zone).start(day + 1)
    if end <= call.now:
        reason = "expiration_date: it is over already; points expire today at the soonest."
        raise InvalidExpirationDate(path="expiration_date", reason=reason)
    return end


async def list_member_tiers(call: Call) -> Json:
    """The tier that the member holds, with its dates; none is an empty list."""
    member = await member_of(call)
    words = programs.words(call, member.program)
    tier = words.tiers.get(member.standing.tier or "")
    if tier is None:
        return lists.envelope([])
    place = (words.campaign["id"], call.project.time_zone)
    expiration = loyalty_cards.tier_expiration(member, *place)
    return lists.envelope([tier if expiration is None else {**tier, "expiration": expiration}])


_READ, _WRITE = ("read_customers",), ("write_customers",)
OPERATIONS = (
    Operation(
        "POST", OF_CAMPAIGN, post_member, "Makes a customer a member, with a card.",
        scopes=(*_READ, *_WRITE), body=MemberRequest, answer=CardObject,
    ),
    Operation(
        "GET", OF_CAMPAIGN, list_members, "A program's cards, or those of one customer.",
        scopes=_READ, query=MembersQuery, answer=CardObjects,
    ),
    *(Operation("GET", path, get_member, "A member's card.", scopes=_READ,
                answer=CardObject)
      for path in (*MEMBERS, VOUCHER)),
    *(Operation("POST", f"{path}/balance", post_balance, "Adds or removes points.",
                scopes=_WRITE, body=BalanceRequest, answer=BalanceObject) for path in MEMBERS),
    Operation(
        "GET", f"{MEMBERS[1]}/tiers", list_member_tiers, "The tier that a member holds.",
        scopes=_READ, answer=TierObjects,
    ),
)  # fmt: skip
