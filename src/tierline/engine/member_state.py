"""A member on the way through time: the engine's working copy of a standing.

A walk starts from a frozen `Standing`, is moved through instants and ledger entries, and ends in
another. It knows what is due when, and in which order things happen at one instant (`tick`). What
an entry does to points and totals is in `fold.py`; what follows for the tier is in `judge.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import astuple, fields

from tierline.engine import scheduled_changes, tier_terms, timeline
from tierline.model.calendar import Zone
from tierline.model.entries import Entry, EntryKind, Override
from tierline.model.events import Cause, Event, EventKind, View
from tierline.model.standing import Pending, Standing, StandingFields
from tierline.rules.ladder import Facts
from tierline.rules.points import added
from tierline.rules.policy import Measure
from tierline.rules.program import Program, Version
from tierline.rules.window import FROM_TERM, Anchors, Buckets

_FIELDS = len(fields(Standing))


class HistoryNeeded(Exception):
    """A standing cannot answer this: decide again from an empty one, with all the entries."""


class MemberState(StandingFields, kw_only=True, gc=False):
    """The mutable working copy of a standing; `at` is the walk's now.

    `sums` are the totals being changed (`totals` is what was stored), `tracked` the metrics that
    they follow. `whole`: every entry of the member passes through this walk.
    """

    program: Program
    zone: Zone
    version: Version
    whole: bool
    tracked: dict[str, Measure]
    sums: dict[str, dict[int, int]]
    events: list[Event]
    cause_entry: int | None = None  # the entry being folded; None: time is passing
    quiet: bool = False
    unjudged: bool = False  # entries change points and totals, but nothing is judged
    overdue: bool = False  # what happens was due before: what this instant itself brings is over
    day_of: tuple[int, int] = (-1, 0)  # an instant and its civil day: the last that was asked for
    laid_out: tuple[tuple[Any, ...], Anchors] | None = None  # the last anchors, and what made them

    # -- what is known now --------------------------------------------------------------------

    @property
    def today(self) -> int:
        at, day = self.day_of
        if at != self.at:
            day = self.zone.day(self.at)
            self.day_of = self.at, day
        return day

    @property
    def rank(self) -> int:
        """Rank of the held tier; -1 for none."""
        return -1 if self.held is None else self.version.rank.get(self.held, -1)

    @property
    def remembers(self) -> bool:
        """Whether it matters which tiers were once held: now, or under rules yet to be met."""
        return self.program.remembers if self.whole else self.version.remembers

    @property
    def frozen(self) -> bool:
        """A `hold` stops the clock and every judgment."""
        return self.hold_since is not None

    def anchors(self, tier_start: int | None = None) -> Anchors:
        """Where windows are laid out from; with `tier_start`, for a term that starts that day."""
        joined, started = self.joined_at, self.started_at
        facts = (self.at if joined is None else joined, started, self.attributes, tier_start)
        if self.laid_out is None or self.laid_out[0] != facts:
            if tier_start is None and started is not None:
                tier_start = self.zone.day(started)
            join = self.today if joined is None else self.zone.day(joined)
            self.laid_out = facts, Anchors(join, tier_start, self.attributes)
        return self.laid_out[1]

    def value(self, name: str | None, day: int | None = None) -> int:
        """A metric's total in the window that holds `day` (today unless told)."""
        measure = self.version.measures[name]
        if measure.metric.source == "balance":
            pending = self.points_pending if measure.metric.include_pending else 0
            return self.balance + pending
        buckets = self.sums.get(measure.key)
        if not buckets:
            return 0
        return measure.window.total(_pairs(buckets), day or self.today, self.anchors())

    def facts(self, day: int | None = None) -> Facts:
        """What criteria are judged on: as of today, or of the last day of a window just closed."""
        values: dict[str | None, int] = {}

        def value(name: str | None) -> int:
            if name not in values:
                values[name] = self.value(name, day)
            return values[name]

        join = self.zone.day(self.joined_at) if self.joined_at is not None else self.today
        return Facts(value, self.attributes, day or self.today, join)

    def view(self) -> View:
        _, decided_by = self.overridden(self.held)
        ends = self.grace_until or self.ends_at if decided_by is None else decided_by.until
        return View(
            balance=self.balance,
            pending=self.points_pending,
            spent=self.spent,
            earned=self.earned,
            joined_at=self.joined_at,
            since=self.since,
            expires_at=ends if self.tier is not None else None,
            manual=decided_by is not None,
        )

    # -- points and totals --------------------------------------------------------------------

    def accrue(self, points: int, expires_at: int | None) -> None:
        """Points earned that can be spent from now on."""
        self.earned += points
        self.credit(points, expires_at)

    def credit(self, points: int, expires_at: int | None) -> None:
        """Debt is paid first, the rest is a lot; a lot that is past already expires at once."""
        paid = min(self.debt, points)
        self.debt -= paid
        if points == paid:
            return
        if expires_at is not None and expires_at <= self.at:
            self.expired += points - paid
        else:
            self.lots = added(self.lots, points - paid, expires_at)

    def lot_expiry(self, pending: Pending) -> int | None:
        """When points that become active now expire: as was said, else by the rules, from now."""
        if pending.never_expires or pending.expires_at is not None:
            return pending.expires_at
        return self.expiry_from(self.today, pending.kind)

    def expiry_from(self, day: int, kind: EntryKind) -> int | None:
        last = self.version.rules.points.expiry_of(kind).last_day(day)
        return None if last is None else self.zone.start(last + 1)

    def add_total(self, key: str, measure: Measure, day: int, amount: int) -> None:
        bucket = measure.window.bucket(day)
        if amount and bucket is not None:
            buckets = self.sums.setdefault(key, {})
            rest = buckets.get(bucket, 0) + amount
            if rest:
                buckets[bucket] = rest
            else:
                del buckets[bucket]  # as if nothing had ever been there: no turn waits for it

    def count_activation(self, pending: Pending) -> None:
        """Pending points are earned on the day on which they become active."""
        for key, measure in self.tracked.items():
            metric = measure.metric
            if metric.source != "earned" or metric.include_pending:
                continue
            since = self.since_when(key)
            if since is not None and self.at <= since[1]:
                continue
            if metric.counts(pending.kind, pending.name, pending.metadata):
                self.add_total(key, measure, self.today, pending.points)

    def since_when(self, key: str) -> tuple[int, int] | None:
        """What does not count any more towards a total (see `StandingFields.counted_since`)."""
        return self.term_counted_since if FROM_TERM in key else self.counted_since

    def counted(self, key: str, entry: int, activated_at: int | None) -> bool:
        """Whether what an earlier entry brought to a total (`activated_at`: when its points
        became active, where they count from then) is still in it."""
        for since in (self.counted_since, self.since_when(key)):
            if since is None:
                continue
            if entry <= since[0] if activated_at is None else activated_at <= since[1]:
                return False
        return True

    def need_totals_of(self, version: Version) -> None:
        """A version that asks for what this standing never kept, a total or the tiers once held,
        needs the whole history."""
        if self.whole:
            return
        if not version.totals.keys() <= self.tracked.keys():
            raise HistoryNeeded
        if version.remembers and not self.version.remembers:
            raise HistoryNeeded
        self.tracked = version.totals
        self.need_days_of(version)

    def need_days_of(self, version: Version) -> int | None:
        """So does a window that now reaches back to days whose totals are not kept. Answers with
        the first day that is needed; None: any, or windows need none."""
        if not version.counts_days:
            return None
        awaited = self.today if self.waiting is None else self.zone.day(self.waiting[1] - 1)
        floor = version.floor(self.today, self.anchors(), awaited)
        kept = None if self.whole else self.kept_from
        if kept is not None and (floor is None or floor < kept):
            raise HistoryNeeded
        return floor

    # -- overrides and what the world sees ----------------------------------------------------

    def active(self) -> list[Override]:
        return [o for o in self.overrides if o.starts_at <= self.at]

    def overridden(self, held: str | None) -> tuple[str | None, Override | None]:
        """The tier that the world sees when the rules alone grant `held`, and the override that
        decides it, if one does: the last, in order of id, that changed anything."""
        ranks = self.version.rank
        if not self.overrides:
            return (held if held in ranks else None), None
        rank = -1 if held is None else ranks.get(held, -1)
        decided_by = None
        for override in self.active():
            if override.tier is not None and override.tier not in ranks:
                continue  # a later version of the rules took its tier away
            asserted = override.asserts(rank, ranks)
            if asserted != rank or override.kind == "pin":
                rank, decided_by = asserted, override
        return (self.version.policy.tiers[rank].id if rank >= 0 else None), decided_by

    @property
    def seen(self) -> bool:
        """Whether the world sees the held tier, and no override hides it from this instant on."""
        return self.tier == self.held and self.overridden(self.held)[0] == self.held

    def show(self, cause: Cause, *, since: int | None = None) -> bool:
        """Announce the difference between what the world saw and what it sees now. `since`: the
        tier was held from then on, elsewhere. Under a `hold` nothing changes until it ends."""
        if self.frozen:
            return False
        shown, _ = self.overridden(self.held)
        if shown == self.tier:
            return False
        was, self.tier = self.tier, shown
        self.since = None if shown is None else self.at if since is None else since
        self.emit(was, shown, cause)
        return True

    def emit(
        self, was: str | None, now: str | None, cause: Cause, *, renewed: bool = False
    ) -> None:
        kind: EventKind | None = tier_terms.kind_of_move(self, was, now, renewed=renewed)
        if kind is None or self.quiet:
            return
        self.seq += 1
        self.events.append(
            Event(
                seq=self.seq,
                kind=kind,
                tier_from=was if kind != "joined" else None,
                tier_to=now,
                at=self.at,
                cause=cause,
                version=self.version.number,
                entry=self.cause_entry,
                view=self.view(),
            )
        )

    # -- replays, notes -----------------------------------------------------------------------

    def anew(self) -> MemberState:
        """Another walk of the same kind, from the very start of the member's history."""
        return begin(self.program, Standing(), whole=True)

    def adopt_term_totals(self, replay: MemberState) -> None:
        """Count from the start of the term that a replay of history found."""
        self.term_counted_since = replay.term_counted_since
        for key in self.tracked:
            if FROM_TERM in key:
                self.sums[key] = replay.sums.get(key, {})

    def took(self, entry: Entry) -> None:
        """An entry was folded in. Nothing to do, but for a walk that takes notes."""

    # -- time ---------------------------------------------------------------------------------

    def until(self, at: int) -> None:
        """Let time pass, with everything that falls due on the way, `at` included."""
        while True:
            due = self.due_at
            change = self.program.next_change(self.at)
            if change is not None and (due is None or change < due):
                due = change
            if due is None or due > at:
                break
            # A tier that was brought along may have ended before it came: it ends after its entry.
            self.overdue = due <= self.at
            self.at = max(due, self.at)
            self.tick()
            self.due_at = self.next_due()
        self.at = max(at, self.at)

    def tick(self) -> None:
        """What is due at this instant, one kind after another (`dues.ORDER`)."""
        for _, happen in scheduled_changes.ORDER:
            happen(self)

    def turns(self, *, own: bool = False) -> bool:
        """Whether a window turns at this very instant: any measure's, or only the policy's own."""
        if self.overdue:
            return False  # that came before the entry
        measures = (self.version.measures[None],) if own else self.version.turning
        day = self.today
        while self.zone.start(day) == self.at:
            if any(self.turn(measure, day - 1) == day for measure in measures):
                return True
            day -= 1  # a day that the zone skipped starts where the next one does
        return False

    def next_due(self) -> int | None:
        """When time next has work: the earliest of everything that waits for an instant."""
        return timeline.next_due(self)

    def turn(self, measure: Measure | None, after: int | None = None) -> int | None:
        """The civil day after `after` (today) on which a measure's window (None: the policy's
        own) turns next."""
        measure = measure or self.version.measures[None]
        day = self.today if after is None else after
        buckets = _pairs(self.sums.get(measure.key) or {})
        return measure.window.next_turn(buckets, day, self.anchors())

    # -- the end ------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """The working copy frozen again; totals past mattering are dropped."""
        self.kept_from = self.need_days_of(self.version)
        if not self.version.counts_terms:
            self.term_counted_since = None
        if self.reached and not self.version.remembers:
            self.reached = ()
        self.totals = dict(self._kept()) if self.sums else {}
        return Standing(*astuple(self)[:_FIELDS])

    def _kept(self) -> Iterator[tuple[str, Buckets]]:
        since = self.kept_from
        for key in sorted(self.version.totals):
            pairs = tuple(
                (day, amount)
                for day, amount in sorted(self.sums.get(key, {}).items())
                if amount and (day == 0 or since is None or day >= since)
            )
            if pairs:
                yield key, pairs


def begin(program: Program, standing: Standing, *, whole: bool = False) -> MemberState:
    """A walk from a standing. `whole`: it will see every entry of the member from the first on."""
    version = program.version(standing.at)
    tracked = version.totals
    if whole:
        # Nothing was counted yet, so nothing is lacking: keep all that any version asks for.
        tracked = {k: m for v in program.versions for k, m in v.totals.items()}
    return MemberState(
        *astuple(standing),
        program=program,
        zone=program.zone,
        version=version,
        whole=whole,
        tracked=tracked,
        sums={key: dict(buckets) for key, buckets in standing.totals.items()},
        events=[],
    )


def _pairs(buckets: dict[int, int]) -> Buckets:
    return tuple(buckets.items())
