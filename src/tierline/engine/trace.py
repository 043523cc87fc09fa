"""The walk that decides, taking notes: which entry brought how much of what, and when terms moved.

Nothing is computed twice: a `Trace` is a `Walk`, and its notes are made where the walk itself
changes a total, a balance or a term. Only whole histories can be traced.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from tierline.engine.decide import _correct, _corrects
from tierline.engine.fold import apply
from tierline.engine.model import Entry, Pending, Standing
from tierline.engine.policy import Measure, Program
from tierline.engine.walk import Walk, begin

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


class Trace(Walk, kw_only=True):
    """A walk with notes."""

    brought: list[Brought] = msgspec.field(default_factory=list)
    moved: list[Moved] = msgspec.field(default_factory=list)
    term: TermSet | None = None
    activated: list[Pending] = msgspec.field(default_factory=list)

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
        balance, listed, term = self.balance, len(self.moved), self._term()
        super().tick()
        expired = self.balance - balance - sum(m.balance for m in self.moved[listed:])
        if expired:
            self.moved.append(Moved(self.today, "expiry", expired, 0, None))
        self._note_term(term, None)

    def take(self, entry: Entry, seen: Sequence[Entry]) -> None:
        """One entry, as `decide` takes it. `seen`: those before it."""
        self.until(entry.recorded_at)
        balance, pending, term = self.balance, self.points_pending, self._term()
        if self.version.policy.corrections == "retroactive" and _corrects(self, entry):
            _correct(self, [*seen, entry], entry)
        else:
            apply(self, entry)
        change = self.balance - balance, self.points_pending - pending
        if change != (0, 0):
            self.moved.append(Moved(self.today, entry.kind, *change, entry.n))
        self._note_term(term, entry.n)

    def _term(self) -> tuple[str | None, int | None, int | None]:
        return self.held, self.started_at, self.ends_at

    def _note_term(self, was: tuple[str | None, int | None, int | None], entry: int | None) -> None:
        if self._term() != was:
            before = was[2] if was[0] == self.held else None
            self.term = TermSet(self.at, entry, before, self.ends_at)


def trace(program: Program, entries: Sequence[Entry], at: int) -> Trace:
    """Follow a whole history to an instant."""
    plain = begin(program, Standing(), whole=True)
    walk = Trace(**{name: getattr(plain, name) for name in Walk.__struct_fields__})
    if entries:
        walk.at = entries[0].recorded_at
        walk.version = program.version(walk.at)
    for i, entry in enumerate(entries):
        walk.take(entry, entries[:i])
    walk.until(at)
    return walk
