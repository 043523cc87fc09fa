"""Drafts: the entries that a command means for a member as they stand now.

Each kind of command has one function that checks what only the standing can tell and completes the
entry. A refusal is a TierlineError; None is a command that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from msgspec.structs import replace

from tierline.engine.reversals import with_expired
from tierline.errors import (
    Conflict,
    InsufficientPoints,
    Invalid,
    LeftTheProgram,
    NotAMember,
    NotYetAMember,
    Refused,
    UnknownOriginal,
)
from tierline.ledger import member_limits
from tierline.ledger.commands import SPEAKING, Command
from tierline.ledger.orders.differences import OrderBooking, refund_by_others
from tierline.ledger.reversal import (
    Original,
    lots_of,
    may_be_approved,
    may_have_expired,
    reversal,
    reversal_of,
)
from tierline.model.entries import Detail, Entry
from tierline.model.events import Decision
from tierline.model.orders import OrderFacts
from tierline.model.standing import Standing, carried
from tierline.rules.earning import Earner, points_for
from tierline.rules.metadata_types import typed, unusable
from tierline.rules.points import Points
from tierline.rules.program import Program

# What a first activity may be, where the program enrols by itself.
JOINING: Final = frozenset({"earn", "order", "custom", "opening", "transfer_in"})
_NOTHING: Final = Detail()
# What is left to settle with somebody who left: they keep their points.
_AFTER_LEAVING: Final = frozenset({"refund", "void", "approve", "adjust", "enrol", "transfer_out"})


class CommandSubject(Protocol):
    """The member that a command is about, as far as a handler asks."""

    program: Program
    customer: int

    def decide(self, standing: Standing, entries: Sequence[Entry], at: int) -> Decision:
        """Returns what would follow from these entries."""

    def original(self, of: str | None) -> Original:
        """Returns the activity with a key. Raises UnknownOriginal."""

    def booking(self, order: str) -> OrderBooking:
        """Returns what the ledger holds of an order."""

    def approved_at(self, entry: int) -> int | None:
        """Returns when an entry's pending points were approved. Raises HistoryNeeded."""

    def expired_of(self, entry: int, at: int, before: Sequence[Entry]) -> dict[int | None, int]:
        """Returns how many of an entry's points have left by expiry; `before`: the entries of the
        same command so far. Raises HistoryNeeded."""


class CommandContext:
    """A command met by a member: `standing` is the member right before, `entry` the draft."""

    __slots__ = ("aggregate", "before", "command", "entry", "standing")

    def __init__(
        self,
        aggregate: CommandSubject,
        command: Command,
        standing: Standing,
        entry: Entry,
        before: Sequence[Entry],
    ) -> None:
        self.aggregate = aggregate
        self.command = command
        self.standing = standing
        self.entry = entry
        self.before = before  # entries of the same command that precede it

    @property
    def detail(self) -> Detail:
        return self.entry.detail or _NOTHING

    @property
    def order_facts(self) -> OrderFacts | None:
        """What earning rules may read, where the entry is of an order that is told whole."""
        order = self.command.order
        facts = None if order is None else order.facts
        return None if facts is None else replace(facts, attributes=self.standing.attributes)


def draft(aggregate: CommandSubject, command: Command, standing: Standing, at: int) -> list[Entry]:
    """The entries that a command means; none where it changes nothing."""
    if command.entry is not None:
        return [_recorded_elsewhere(aggregate, command.entry, standing, at)]
    if command.corrects is not None:
        return _correction(aggregate, command, standing, at)
    asserted_at = command.occurred_at
    occurred_at = at if asserted_at is None else min(asserted_at, at)
    n = standing.entries + 1
    entries: list[Entry] = []
    if standing.joined_at is None and command.kind != "enrol":
        _check_membership(aggregate, command, standing, at)
        if not standing.entries:
            joining = Detail(implied=True, quiet=_quiet(command))
            entries.append(Entry(n, "enrol", occurred_at, at, detail=joining))
            n += 1
    for detail in command.more:
        entries.append(Entry(n, command.kind, occurred_at, at, detail=detail))
        n += 1
    entry = Entry(
        n, command.kind, occurred_at, at, command.points or 0, command.amount or 0, command.detail
    )
    handler = _HANDLERS.get(command.kind)
    if handler is not None:
        entry_after = handler(CommandContext(aggregate, command, standing, entry, entries))
        if entry_after is None:
            return []
        entry = entry_after
    entry = _with_usable_metadata(aggregate, command, entry)
    member_limits.check(aggregate.program, standing, entry, entries)
    entries.append(entry)
    return entries


def _recorded_elsewhere(
    aggregate: CommandSubject, entry: Entry, standing: Standing, at: int
) -> Entry:
    """An entry of another installation's ledger, at its own place in this one."""
    if entry.n != standing.entries + 1:
        reason = (
            f"entry: it is entry {entry.n} of a ledger that holds {standing.entries} here; "
            "import a history whole, in its order, and before anything else of the member's"
        )
        raise Refused(path="entry", reason=f"{reason}.")
    if entry.kind == "checkpoint" and entry.detail is not None:
        # Events are numbered anew here: a checkpoint tells of those that this log holds by then.
        if not entry.detail.elsewhere:
            standing = aggregate.decide(standing, (), at).standing
        noted = {**(entry.detail.standing or {}), "seq": standing.seq}
        entry = replace(entry, detail=replace(entry.detail, standing=noted))
    return replace(entry, recorded_at=at)


def _correction(
    aggregate: CommandSubject, command: Command, standing: Standing, at: int
) -> list[Entry]:
    """Takes the earlier entry back and records the command in its place."""
    void = replace(command, kind="void", of=command.corrects, more=())
    void = replace(void, points=None, amount=None, occurred_at=None)
    void = replace(void, detail=Detail(quiet=_quiet(command)))
    entry = Entry(standing.entries + 1, "void", at, at, detail=void.detail)
    taken = _taken_back(CommandContext(aggregate, void, standing, entry, []))
    after = aggregate.decide(standing, [taken], at).standing
    return [taken, *draft(aggregate, replace(command, corrects=None), after, at)]


def _with_usable_metadata(aggregate: CommandSubject, command: Command, entry: Entry) -> Entry:
    """Refuses a value that a metric or a filter in force needs and cannot use. Text from a file
    becomes what they need."""
    detail = entry.detail
    if detail is None or not detail.metadata:
        return entry
    version = aggregate.program.version(entry.recorded_at)
    if command.textual:
        detail = replace(detail, metadata=typed(version, detail.metadata))
        entry = replace(entry, detail=detail)
    assert detail.metadata is not None
    wrong = unusable(version, entry.kind, detail.name, detail.metadata)
    if wrong is not None:
        path = f"metadata.{wrong[0]}"
        raise Invalid(reason=f"{path}: expected {wrong[1]}.", path=path)
    return entry


def joins(command: Command) -> bool:
    """Whether a command may be somebody's first activity."""
    if command.kind == "adjust":
        return (command.points or 0) > 0
    return command.kind in JOINING


def _check_membership(
    aggregate: CommandSubject, command: Command, standing: Standing, at: int
) -> None:
    """Whether somebody who is no member may send this. With no entry yet it may be a first
    activity, where the program enrols by itself."""
    customer, program = command.customer, aggregate.program.id
    if standing.entries:
        restored = command.detail is not None and command.detail.standing is not None
        if command.kind in _AFTER_LEAVING or restored:
            return
        raise LeftTheProgram(customer=customer, program=program)
    if command.kind == "opening":
        return  # somebody says outright that this is a member
    if command.kind in SPEAKING:
        raise UnknownOriginal(of=command.of, path="of")
    rules = aggregate.program.version(at).rules
    if rules.auto_join and joins(command):
        return
    if command.kind in ("redeem", "transfer_out") and rules.auto_join:
        raise InsufficientPoints(balance=0, needed=command.points, path="points")
    if rules.auto_join:
        raise NotYetAMember(customer=customer, program=program)
    raise NotAMember(customer=customer, program=program)


def _earned(context: CommandContext) -> Entry:
    command, program = context.command, context.aggregate.program
    explicit = command.points is not None
    rules = program.version(context.entry.recorded_at).rules.points
    if not rules.pending_days and (explicit or not _earns_by_rule(command.kind, rules)):
        return context.entry

    def reached(trial: Entry) -> str | None:
        entries = [*context.before, trial]
        return context.aggregate.decide(context.standing, entries, trial.recorded_at).standing.tier

    standing = context.standing
    earner = Earner(standing.tier, standing.attributes, standing.gains, context.order_facts)
    if context.before:
        # Enrolled by this very activity, as if a moment before it: at that tier's rate.
        at = context.entry.recorded_at
        standing = context.aggregate.decide(standing, context.before, at).standing
        earner = Earner(standing.held, standing.attributes, standing.gains, context.order_facts)
    return points_for(program, earner, context.entry, reached, points_given=explicit)


def _earns_by_rule(kind: str, rules: Points) -> bool:
    """Whether activities of a kind may get points that their sender did not say."""
    return kind == "order" or (kind == "custom" and bool(rules.rules))


def _spent(context: CommandContext) -> Entry:
    entry, standing = context.entry, context.standing
    if entry.kind == "adjust" and entry.points > 0:
        return entry
    needed = abs(entry.points)
    if standing.balance < needed:
        raise InsufficientPoints(balance=standing.balance, needed=needed, path="points")
    keeps = entry.kind in ("redeem", "transfer_out")
    if keeps and standing.lots and standing.lots[0][0] is not None:
        # Kept for a void: the points then return with the lives that they had.
        detail = replace(entry.detail or Detail(), lots=_soonest(standing, needed))
        entry = replace(entry, detail=detail)
    return replace(entry, points=-needed)


def _taken_back(context: CommandContext) -> Entry:
    command = context.command
    original = context.aggregate.original(command.of)
    order = original.entry.detail.order if original.entry.detail is not None else None
    if order is None or command.kind == "approve":
        return taken_back(context, original)
    booking, taken = context.aggregate.booking(order), -original.amount_taken
    amount = command.amount if command.kind == "refund" else None
    refund = refund_by_others(booking, taken, amount)
    if refund is None or refund.refunded_by_others == booking.refunded_by_others:
        return taken_back(context, original)  # which says what is wrong
    context.entry = replace(context.entry, detail=replace(context.detail, order=order))
    if refund.booked == 0:
        # The shop has said so before: it is noted, and takes nothing.
        origin = reversal_of(context.aggregate.program, original)
        detail = replace(context.detail, origin=origin)
        return replace(context.entry, points=0, amount=0, detail=detail)
    if command.kind == "refund" and refund.booked != command.amount:
        context.command = replace(command, amount=refund.booked, points=None)
    return taken_back(context, original)


def taken_back(context: CommandContext, original: Original) -> Entry:
    """The draft with what it takes back of an original."""
    if context.command.kind != "approve" and may_be_approved(original.entry, context.standing):
        at = context.aggregate.approved_at(original.entry.n)
        original = replace(original, approved_at=at)
    back = reversal(context.aggregate.program, context.command, original, context.standing)
    origin, at = back.origin, context.entry.recorded_at
    if back.points < 0 and may_have_expired(origin, at):
        expired = context.aggregate.expired_of(origin.n, at, context.before)
        origin = with_expired(origin, expired)
    detail = replace(context.entry.detail or Detail(), origin=origin)
    brought = original.entry.detail
    if original.entry.kind == "opening" and brought is not None:
        detail = replace(detail, lots=lots_of(original.entry, back.origin), spent=brought.spent)
    if context.command.leg is not None and original.entry.detail is not None:
        detail = replace(detail, lots=original.entry.detail.lots)
    return replace(context.entry, points=back.points, amount=back.amount, detail=detail)


def _arrived(context: CommandContext) -> Entry:
    leg = context.command.leg
    if leg is not None and leg.customer == context.aggregate.customer:
        raise Refused(reason="The points would come back to whom they left.", path="to")
    return context.entry


def _enrolled(context: CommandContext) -> Entry | None:
    tier = context.detail.tier
    _check_tier(context, tier)
    if context.standing.joined_at is None:
        return context.entry
    if tier is not None:
        raise Conflict(
            reason="The customer is a member already; assert a tier by an override.", path="tier"
        )
    return None


def _overridden(context: CommandContext) -> Entry:
    override = context.detail.override
    if override is None:
        raise Invalid(reason="An override says what it asserts.", path="override")
    if override.tier is None and override.kind in ("floor", "cap"):
        raise Invalid(reason=f"tier: a {override.kind} needs a tier.", path="tier")
    _check_tier(context, override.tier)
    starts_at = max(override.starts_at, context.entry.recorded_at)
    if override.until is not None and override.until <= starts_at:
        raise Invalid(reason="until: it must lie after the start, and ahead.", path="until")
    return context.entry


def _released(context: CommandContext) -> Entry:
    override_id = context.detail.released
    if override_id is not None and all(o.id != override_id for o in context.standing.overrides):
        raise Refused(reason=f"There is no override {override_id} to release.", path="id")
    return context.entry


def _opened(context: CommandContext) -> Entry:
    _check_tier(context, context.detail.tier)
    if context.detail.standing is not None:
        _check_standing(context, context.detail.standing)
    if context.entry.points < 0 and not context.detail.lots:
        return context.entry  # a debt
    if sum(points for _, points in context.detail.lots) > context.entry.points:
        raise Invalid(reason="lots: together they hold more than `points`.", path="lots")
    return context.entry


def _check_tier(context: CommandContext, tier: str | None) -> None:
    version = context.aggregate.program.version(context.entry.recorded_at)
    if tier is not None and tier not in version.rank:
        raise Invalid(reason=f"tier: the program has no tier {tier!r}.", path="tier")


def _check_standing(context: CommandContext, fields: dict[str, Any]) -> None:
    standing = carried(fields)
    waiting = () if standing.waiting is None else (standing.waiting[0],)
    tiers = {standing.tier, standing.held, *waiting, *(o.tier for o in standing.overrides)}
    for tier in sorted(tiers - {None}, key=str):
        _check_tier(context, tier)


def _quiet(command: Command) -> bool:
    return command.detail is not None and command.detail.quiet


def _soonest(standing: Standing, points: int) -> tuple[tuple[int | None, int], ...]:
    """The lots that spending would take from."""
    taken: list[tuple[int | None, int]] = []
    for expires_at, held in standing.lots:
        if points <= 0:
            break
        taken.append((expires_at, min(held, points)))
        points -= held
    return tuple(taken)


_Handler = Callable[[CommandContext], Entry | None]
_HANDLERS: Final[dict[str, _Handler]] = {
    "earn": _earned,
    "order": _earned,
    "custom": _earned,
    "redeem": _spent,
    "adjust": _spent,
    "transfer_out": _spent,
    "transfer_in": _arrived,
    "refund": _taken_back,
    "void": _taken_back,
    "approve": _taken_back,
    "enrol": _enrolled,
    "override": _overridden,
    "release": _released,
    "opening": _opened,
}
