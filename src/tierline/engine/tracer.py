"""The walk that decides, taking notes: which entry brought how much of what, and when terms moved.

Nothing is computed twice: a `Trace` is a `Walk`, and its notes are made where the walk itself
changes a total, a balance or a term. Only whole histories can be traced.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from tierline.engine.decide import follow
from tierline.engine.member_state import MemberState, begin
from tierline.model.entries import Entry
from tierline.model.standing import Pending, Standing
from tierline.rules.policy import Measure
from tierline.rules.program import Program
from tierline.rules.window import FROM_TERM

Buckets = dict[int, int]


class Brought(Struct, frozen=True):
    """`amount` came to a total, on the civil day where it counts. `buckets` is that total as it
    was then: once a term or a membership begins anew, another object takes its place."""

    key: str
    buckets: Buckets
    bucket: int
    day: int
    amount: int
    entry: int | None


class Moved(Struct, frozen=True):
    """The points that can be spent changed, or those on their way. `entry` None: time did it."""

    day: int
    kind: str  # the entry's, else activation or expiry
    balance: int
    pending: int
    entry: int | None


class TermSet(Struct, frozen=True):
    """The held tier's term was set or moved. `before`: its end until then."""

    at: int
    entry: int | None
    before: int | None
    ends_at: int | None


class Trace(MemberState, kw_only=True):
    """A walk with notes."""

    brought: list[Brought] = msgspec.field(default_factory=list)
    moved: list[Moved] = msgspec.field(default_factory=list)
    term: TermSet | None = None
    activated: list[Pending] = msgspec.field(default_factory=list)
    # When last looked at: the balance, the points on their way, the held tier and its term.
    noted: tuple[int, int, tuple[str | None, int | None, int | None]] = (0, 0, (None, None, None))

    def add_total(self, key: str, measure: Measure, day: int, amount: int) -> None:
        super().add_total(key, measure, day, amount)
        bucket = measure.window.bucket(day)
        if amount and bucket is not None:
            entry = self.activated[-1].entry if self.activated else self.cause_entry
            self.brought.append(Brought(key, self.sums[key], bucket, day, amount, entry))

    def count_activation(self, pending: Pending) -> None:
        self.activated.append(pending)
        super().count_activation(pending)
        self.activated.pop()
        if self.cause_entry is None:
            points = pending.points
            self.moved.append(Moved(self.today, "activation", points, -points, pending.entry))

    def tick(self) -> None:
        listed = len(self.moved)
        super().tick()
        expired = self.balance - self.noted[0] - sum(m.balance for m in self.moved[listed:])
        if expired:
            self.moved.append(Moved(self.today, "expiry", expired, 0, None))
        self._note(None)

    def took(self, entry: Entry) -> None:
        change = self.balance - self.noted[0], self.points_pending - self.noted[1]
        if change != (0, 0):
            self.moved.append(Moved(self.today, entry.kind, *change, entry.n))
        self._note(entry.n)

    def _note(self, entry: int | None) -> None:
        was, term = self.noted[2], (self.held, self.started_at, self.ends_at)
        if term != was:
            before = was[2] if was[0] == self.held else None
            self.term = TermSet(self.at, entry, before, self.ends_at)
        self.noted = self.balance, self.points_pending, term

    def anew(self) -> Trace:
        return _begin(self.program)

    def adopt_term_totals(self, replay: MemberState) -> None:
        super().adopt_term_totals(replay)
        if isinstance(replay, Trace):
            self.brought += [note for note in replay.brought if FROM_TERM in note.key]


def trace(program: Program, entries: Sequence[Entry], at: int) -> Trace:
    """Follow a whole history to an instant."""
    walk = _begin(program)
    follow(walk, entries, at)
    return walk


def _begin(program: Program) -> Trace:
    plain = begin(program, Standing(), whole=True)
    return Trace(**{name: getattr(plain, name) for name in MemberState.__struct_fields__})
