"""Drafts: the entries that a command means for a member as they stand now.

Each kind of command has one function that checks what only the standing can tell and completes the
entry. A refusal is a TierlineError; None is a command that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tierline.errors import (
    Conflict,
    InsufficientPoints,
    Invalid,
    NotAMember,
    Refused,
    UnknownOriginal,
)
from tierline.ledger import member_limits
from tierline.ledger.commands import Command
from tierline.ledger.reversal import SPEAKING, reversal
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing
from tierline.rules.earning import points_for

if TYPE_CHECKING:
    from tierline.ledger.member_aggregate import MemberAggregate

# What a first activity may be, where the program enrols by itself.
JOINING: Final = frozenset({"earn", "order", "custom", "opening", "transfer_in"})
_NOTHING: Final = Detail()
# What is left to settle with somebody who left: they keep their points.
_AFTER_LEAVING: Final = frozenset({"refund", "void", "approve", "adjust", "enrol", "transfer_out"})


class Case:
    """A command met by a member: `standing` is the member right before, `entry` the draft."""

    __slots__ = ("before", "command", "entry", "seat", "standing")

    def __init__(
        self,
        seat: MemberAggregate,
        command: Command,
        standing: Standing,
        entry: Entry,
        before: Sequence[Entry],
    ) -> None:
        self.seat = seat
        self.command = command
        self.standing = standing
        self.entry = entry
        self.before = before  # entries of the same command that precede it

    @property
    def detail(self) -> Detail:
        return self.entry.detail or _NOTHING


def draft(seat: MemberAggregate, command: Command, standing: Standing, at: int) -> list[Entry]:
    """The entries that a command means; none where it changes nothing."""
    told = command.occurred_at
    occurred_at = at if told is None else min(told, at)
    n = standing.entries + 1
    entries: list[Entry] = []
    if standing.joined_at is None and command.kind != "enrol":
        _check_membership(seat, command, standing, at)
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
    shape = _SHAPES.get(command.kind)
    if shape is not None:
        shaped = shape(Case(seat, command, standing, entry, entries))
        if shaped is None:
            return []
        entry = shaped
    member_limits.check(seat.program, standing, entry, entries)
    entries.append(entry)
    return entries


def joins(command: Command) -> bool:
    """Whether a command may be somebody's first activity."""
    if command.kind == "adjust":
        return (command.points or 0) > 0
    return command.kind in JOINING


def _check_membership(seat: MemberAggregate, command: Command, standing: Standing, at: int) -> None:
    """Whether somebody who is no member may send this. With no entry yet it may be a first
    activity, where the program enrols by itself."""
    if standing.entries:
        if command.kind in _AFTER_LEAVING:
            return
    elif command.kind == "opening":
        return  # somebody says outright that this is a member
    else:
        if command.kind in SPEAKING:
            raise UnknownOriginal(of=command.of, path="of")
        rules = seat.program.version(at).rules
        if rules.auto_join and joins(command):
            return
        if command.kind in ("redeem", "transfer_out") and rules.auto_join:
            raise InsufficientPoints(balance=0, needed=command.points, path="points")
    raise NotAMember(customer=command.customer, program=seat.program.id)


def _earned(case: Case) -> Entry:
    command, program = case.command, case.seat.program
    told = command.points is not None
    rules = program.version(case.entry.recorded_at).rules.points
    if not rules.pending_days and (told or command.kind != "order"):
        return case.entry

    def reached(trial: Entry) -> str | None:
        entries = [*case.before, trial]
        return case.seat.decide(case.standing, entries, trial.recorded_at).standing.tier

    return points_for(program, case.standing.tier, case.entry, reached, points_given=told)


def _spent(case: Case) -> Entry:
    entry, standing = case.entry, case.standing
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


def _taken_back(case: Case) -> Entry:
    original = case.seat.original(case.command)
    back = reversal(case.seat.program, case.command, original, case.standing)
    detail = replace(case.entry.detail or Detail(), origin=back.origin)
    if case.command.half is not None and original.entry.detail is not None:
        detail = replace(detail, lots=original.entry.detail.lots)
    return replace(case.entry, points=back.points, amount=back.amount, detail=detail)


def _arrived(case: Case) -> Entry:
    half = case.command.half
    if half is not None and half.customer == case.seat.customer:
        raise Refused(reason="The points would come back to whom they left.", path="to")
    return case.entry


def _enrolled(case: Case) -> Entry | None:
    tier = case.detail.tier
    _check_tier(case, tier)
    if case.standing.joined_at is None:
        return case.entry
    if tier is not None:
        raise Conflict(
            reason="The customer is a member already; assert a tier by an override.", path="tier"
        )
    return None


def _overridden(case: Case) -> Entry:
    wanted = case.detail.override
    if wanted is None:
        raise Invalid(reason="An override says what it asserts.", path="override")
    if wanted.tier is None and wanted.kind in ("floor", "cap"):
        raise Invalid(reason=f"tier: a {wanted.kind} needs a tier.", path="tier")
    _check_tier(case, wanted.tier)
    starts_at = max(wanted.starts_at, case.entry.recorded_at)
    if wanted.until is not None and wanted.until <= starts_at:
        raise Invalid(reason="until: it must lie after the start, and ahead.", path="until")
    return case.entry


def _released(case: Case) -> Entry:
    wanted = case.detail.released
    if wanted is not None and all(o.id != wanted for o in case.standing.overrides):
        raise Refused(reason=f"There is no override {wanted} to release.", path="id")
    return case.entry


def _opened(case: Case) -> Entry:
    _check_tier(case, case.detail.tier)
    if sum(points for _, points in case.detail.lots) > case.entry.points:
        raise Invalid(reason="lots: together they hold more than `points`.", path="lots")
    return case.entry


def _check_tier(case: Case, tier: str | None) -> None:
    version = case.seat.program.version(case.entry.recorded_at)
    if tier is not None and tier not in version.rank:
        raise Invalid(reason=f"tier: the program has no tier {tier!r}.", path="tier")


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


_Shape = Callable[[Case], Entry | None]
_SHAPES: Final[dict[str, _Shape]] = {
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
