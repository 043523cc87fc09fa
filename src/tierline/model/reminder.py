"""Reminders: what a member is told before it happens, beside the changes of a membership."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

from msgspec import Struct

from tierline.model.view import View

ReminderKind = Literal[
    "tier_ending", "tier_near", "points_expiring", "tier_waiting", "tier_skipped"
]


class Reminder(Struct, frozen=True, gc=False, omit_defaults=True):
    """One reminder. It is not counted: `seq` counts tier events.

    `when` is the instant that it speaks of: the tier's end, the points' expiry, the start of the
    tier that waits; of a tier that is near, until when `needed` holds. `tier` is what the member
    has, `tier_then` what follows, waits, is near or was skipped.
    """

    kind: ReminderKind
    at: int
    seq: int  # of the member's last tier event before it: it has its place after that one
    version: int  # of the rules that asked for it
    tier: str | None = None
    tier_then: str | None = None
    when: int | None = None
    lead_days: int | None = None  # None: not told ahead of a date
    needed: int | None = None  # more of the metric keeps the tier, or reaches the next
    metric: str | None = None  # the measure's name; None: the policy's own
    counts_from: int | None = None
    points: int | None = None  # that expire then
    amounts: tuple[tuple[int, int], ...] = ()  # (instant, points) of all that expires until then
    unique_until: int | None = None  # nobody is told the same kind again before
    entry: int | None = None  # the ledger entry that caused it; None: time did
    view: View = View()


_KINDS = frozenset(get_args(ReminderKind))


def is_reminder_kind(kind: str) -> TypeGuard[ReminderKind]:
    """Whether a kind of event is a reminder's."""
    return kind in _KINDS
