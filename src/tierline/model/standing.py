"""A member's standing: everything that the engine knows of a member at one instant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from tierline.model.entries import Detail, Entry, EntryKind, Override


class Pending(Struct, frozen=True, gc=False, array_like=True):
    """Points on their way. `available_at` None: they wait for an approval."""

    entry: int
    available_at: int | None
    points: int
    expires_at: int | None  # said by the caller; else the program's rule, from activation
    kind: EntryKind  # of that entry, with its name and metadata: what filters ask for
    name: str | None = None
    metadata: dict[str, Any] | None = None
    never_expires: bool = False
    occurred_at: int | None = None  # of that entry: it may have been before the membership


class ReminderMemory(Struct, frozen=True, gc=False, array_like=True):
    """What was told to a member and is not to be told again, where the rules ask for it."""

    near_at: int | None = None  # when they heard last that a tier is near
    peak: str | None = None  # the highest tier that they passed or had since that is told


EDITION = 2  # of how the rules are read here; a standing of another one is noted as it is


class StandingFields(Struct, gc=False):
    """Everything that the engine knows of a member at the instant `at`.

    `tier` is what the world sees; `held` is what the rules alone grant. They differ under an
    override. `lots` are soonest expiry first, those that never expire last.
    """

    at: int = 0
    entries: int = 0
    seq: int = 0
    joined_at: int | None = None
    tier: str | None = None
    since: int | None = None
    held: str | None = None
    started_at: int | None = None  # when the held tier's term started
    ends_at: int | None = None  # when it ends (exclusive); None: it has no end of its own
    grace_until: int | None = None
    grace_announced: bool = False  # `prolonged` by grace, in this term
    waiting: tuple[str, int] | None = None  # (tier, starts_at): earned, begins later
    lots: tuple[tuple[int | None, int], ...] = ()
    debt: int = 0  # points taken back that were already spent
    pending: tuple[Pending, ...] = ()
    earned: int = 0  # lifetime counters
    spent: int = 0
    expired: int = 0
    totals: dict[str, tuple[tuple[int, int], ...]] = {}  # metric key -> ((civil day, amount), …)
    reached: tuple[str, ...] = ()  # tiers once held, where a re-entry rule asks
    overrides: tuple[Override, ...] = ()
    attributes: dict[str, str | int | bool] = {}
    hold_since: int | None = None  # a `hold` froze the clock at this instant
    totals_from: int | None = None  # totals of civil days before this one are not kept
    turn_at: int | None = None  # when a window turns next in a way that may change something
    due_at: int | None = None  # when time next has work here, of whatever kind
    # What came with this entry or before it, or became active at this instant or before it, does
    # not count any more: a membership ended or another one began (all totals), a term began (totals
    # counted from it). A term that a replay of history began has a third number: entries up to that
    # one passed in the order in which they happened.
    membership_boundary: tuple[int, int] | None = None
    term_boundary: tuple[int, ...] | None = None
    # Of a duration: the civil day on which the first of a row of terms started, the number of
    # terms, and the end that this gives. Another end than `ends_at`: the row is broken.
    term_anchor: tuple[int, int, int] | None = None
    left_at: int | None = None  # when a former membership ended
    edition: int = 1  # of the reading of the rules that decided
    # Of earning rules with a limit: first civil day of the period, times, points in it.
    gains: dict[str, tuple[int, int, int]] = {}
    # The last field: where it is None, it takes no room in the stored form (`encoding`).
    reminder_memory: ReminderMemory | None = None

    @property
    def balance(self) -> int:
        """Points that can be spent now; negative: a debt."""
        total = -self.debt
        for _, points in self.lots:
            total += points
        return total

    @property
    def expires_at(self) -> int | None:
        """When the shown tier ends (exclusive); None: it has no end, or there is no tier."""
        if self.tier is None:
            return None
        pins = (o for o in self.overrides if o.kind == "pin" and o.starts_at <= self.at)
        pin = next(pins, None)
        return pin.until if pin is not None else self.grace_until or self.ends_at

    @property
    def points_pending(self) -> int:
        if not self.pending:  # nearly always
            return 0
        return sum(p.points for p in self.pending)


class Standing(StandingFields, frozen=True, array_like=True, gc=False):  # type: ignore[misc]  # a frozen `StandingFields`
    """What is known, as it is kept: a fold of the ledger up to `at`, never changed."""


class Carried(StandingFields, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A standing as one installation hands it to another: what an export writes, and what an
    import restores. `at` is the instant up to which it holds."""


def reaches(boundary: tuple[int, ...], entry: int, at: int, activated: bool) -> bool:
    """Whether a boundary of a standing's totals takes in what an entry brought; `at` is when that
    happened, or when its points became active (`activated`)."""
    if activated:
        return at <= boundary[1]
    if len(boundary) > 2 and entry <= boundary[2]:
        return (at, entry) <= (boundary[1], boundary[0])
    return entry <= boundary[0]


def checkpoint(standing: Standing) -> Entry:
    """Returns the fact that a member's standing is this, as of its own instant."""
    at = standing.at
    detail = Detail(standing=carry(standing))
    return Entry(standing.entries + 1, "checkpoint", at, at, detail=detail)


def effective_ledger(entries: Sequence[Entry], standing: Standing | None) -> tuple[Entry, ...]:
    """Returns all of a member's entries as they are read today. Where their standing was decided
    under another reading of the rules, that is the checkpoint which their next touch will note."""
    if standing is None or not standing.entries or standing.edition == EDITION:
        return tuple(entries)
    return (*entries, checkpoint(standing))


def carry(standing: Standing) -> dict[str, Any]:
    """Returns a standing as JSON values, without what is empty."""
    fields: dict[str, Any] = msgspec.to_builtins(Carried(*astuple(standing)))
    return fields


def carried(fields: dict[str, Any]) -> Carried:
    """Reads what `carry` returned. Raises `msgspec.ValidationError` for anything else."""
    return msgspec.convert(fields, Carried)
