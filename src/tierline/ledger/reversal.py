"""Taking back: what a refund, a void or an approval says about the activity that it names.

All reversals of one activity together never take more than it brought; a part of an order takes
its points in the same ratio, and the last part takes what is left of them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import Refused
from tierline.ledger.commands import Command
from tierline.model.entries import Detail, Entry, Origin, Part
from tierline.model.standing import Standing
from tierline.rules.earning import lot_expiry
from tierline.rules.points import Lots, in_ratio
from tierline.rules.program import Program

REVERSIBLE: Final = frozenset({"earn", "redeem", "adjust", "order", "custom"})


class Original(Struct, frozen=True):
    """An entry, and what was taken back of it so far (signed as the reversals are). `approved_at`:
    when its pending points were approved, where a reversal has to know."""

    entry: Entry
    points_taken: int = 0
    amount_taken: int = 0
    times: int = 0
    approved_at: int | None = None

    @property
    def is_left(self) -> bool:
        """Whether something of it can still be taken back."""
        left = self.entry.points + self.points_taken, self.entry.amount + self.amount_taken
        return self.times == 0 or left != (0, 0)

    def active_from(self, available_at: int | None) -> int | None:
        """Returns when points became active, or will, that were to wait until an instant; None:
        they never waited, for it was over when they came."""
        if available_at is None or available_at <= self.entry.recorded_at:
            return None
        return available_at if self.approved_at is None else min(available_at, self.approved_at)

    def lives(self, life: Detail | Part) -> Detail:
        """Returns how long the entry's points live, or those of a part of it."""
        return Detail(
            available_at=self.active_from(life.available_at),
            expires_at=life.expires_at,
            never_expires=life.never_expires,
        )

    def less(self, points: int, amount: int) -> Original:
        taken = self.points_taken + points, self.amount_taken + amount
        return Original(self.entry, *taken, self.times + 1, self.approved_at)


class Reversal(Struct, frozen=True):
    """The numbers of the new entry, and what it says of the original."""

    points: int
    amount: int
    origin: Origin


def reversal(program: Program, command: Command, original: Original, now: Standing) -> Reversal:
    """What the command takes back. Raises Refused when nothing, or not so much, is left."""
    entry = original.entry
    if command.kind == "approve":
        if not any(pending.entry == entry.n for pending in now.pending):
            raise Refused(reason=f"The points of {command.of!r} are not pending.", path="of")
        return Reversal(0, 0, _origin(program, original, last=False))
    # What a transfer took comes back only when nobody could get it: then its second half says so.
    stays = entry.kind not in REVERSIBLE and command.leg is None
    if stays and not (entry.kind == "opening" and command.corrects is not None):
        raise Refused(reason=f"{command.of!r} is of kind {entry.kind}, which stays.", path="of")
    points_left = entry.points + original.points_taken
    amount_left = entry.amount + original.amount_taken
    if not original.is_left:
        raise Refused(reason=f"{command.of!r} was already taken back.", path="of")
    if command.kind == "void":
        origin = _origin(program, original, last=True)
        origin = with_parts(program, original, points_left, origin)
        return Reversal(-points_left, -amount_left, origin)
    by_points = command.points is not None and not command.amount
    if entry.kind not in ("order", "custom") and not (entry.kind == "earn" and by_points):
        raise Refused(
            reason=f"{command.of!r} is of kind {entry.kind}; void it, orders are refunded.",
            path="of",
        )
    amount = amount_left if command.amount is None else command.amount
    if amount > amount_left:
        raise Refused(reason=f"Of {command.of!r} only {amount_left} is left.", path="amount")
    points = _points(command, original, amount, points_left)
    last = amount == amount_left and points == points_left
    origin = with_parts(program, original, points, _origin(program, original, last=last))
    return Reversal(-points, -amount, origin)


def with_parts(program: Program, original: Original, points: int, origin: Origin) -> Origin:
    """Points are taken from the parts in the order of the rules, where they live differently."""
    entry = original.entry
    parts = () if entry.detail is None else entry.detail.differing
    before, taken = -original.points_taken, []
    for part in parts:
        gone = min(part.points, before)
        before -= gone
        share = min(part.points - gone, points)
        points -= share
        if share:
            lives = original.lives(part)
            expires_at = lot_expiry(program, replace(entry, detail=lives))
            taken.append(Part(part.rule, share, lives.available_at, expires_at))
    return replace(origin, parts=tuple(taken)) if parts else origin


def reversal_of(program: Program, original: Original) -> Origin:
    """What a reversal that takes nothing says of its original."""
    return _origin(program, original, last=False)


def may_be_approved(entry: Entry, now: Standing) -> bool:
    """Whether points of an entry were pending and are not any more: by time, or by an approval,
    which only the ledger tells."""
    detail = entry.detail
    if detail is None or any(pending.entry == entry.n for pending in now.pending):
        return False
    waits = (detail.available_at, *(part.available_at for part in detail.parts))
    return any(at is not None and at > entry.recorded_at for at in waits)


def may_have_expired(origin: Origin, at: int) -> bool:
    """Whether some of what an original brought may be over by an instant."""
    ends = (origin.expires_at, *(part.expires_at for part in origin.parts))
    return any(end is not None and end <= at for end in ends)


def lots_of(opening: Entry, origin: Origin) -> Lots:
    """Returns the lots that an opening brought, with the one that the rules gave a life."""
    lots = opening.detail.lots if opening.detail is not None else ()
    rest = opening.points - sum(points for _, points in lots)
    return (*lots, (origin.expires_at, rest)) if rest > 0 else lots


def _points(command: Command, original: Original, amount: int, left: int) -> int:
    """How many points go with a refund: as told, else in the ratio of the money, half up."""
    if command.points is not None:
        if command.points > left:
            raise Refused(reason=f"Of {command.of!r} only {left} points are left.", path="points")
        return command.points
    entry = original.entry
    money = amount - original.amount_taken  # taken so far, this part included
    if entry.amount == 0 or money >= entry.amount:
        return left
    share = in_ratio(entry.points, money, entry.amount)
    return max(0, min(left, share + original.points_taken))


def _origin(program: Program, original: Original, *, last: bool) -> Origin:
    entry = original.entry
    detail = entry.detail
    lives = None if detail is None else original.lives(detail)
    if entry.kind in ("redeem", "transfer_out"):
        # The lots that it took from; the member gets the longest of their lives back.
        lots = detail.lots if detail is not None else ()
        ends = [end for end, _ in lots]
        expires_at = None if None in ends else max((e for e in ends if e is not None), default=None)
    else:
        expires_at = lot_expiry(program, replace(entry, detail=lives))
    return Origin(
        n=entry.n,
        kind=entry.kind,
        occurred_at=entry.occurred_at,
        points=entry.points,
        amount=entry.amount,
        name=detail.name if detail is not None else None,
        metadata=detail.metadata if detail is not None else None,
        available_at=lives.available_at if lives is not None else None,
        expires_at=expires_at,
        last=last,
    )
