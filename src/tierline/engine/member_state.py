"""A member's state: the engine's working copy of a standing, which holds and answers.

Everything here follows from a few rules:

1. A state is made from a frozen `Standing` (`begin`) and ends in another (`standing`). Between the
   two it stands at one instant, `at`, under one version of the rules.
2. A state never moves itself. `timeline` lets time pass, `entry_handlers` apply ledger entries,
   `assessment` and `tier_terms` change the tier. None of them is imported here.
3. There are two tiers. `held` is what the rules alone grant; `tier` is what the world sees under
   overrides. Only `transitions` changes `tier`, and every change of it is an event.
4. Points (lots, debt, pending) belong to the person and outlive a membership. Totals belong to the
   membership, and what is counted from a term's start belongs to that term.
5. A standing keeps only what its own rules may still ask for. What it lacks is never guessed:
   `HistoryNeeded` asks for the whole ledger, and then the state is `whole`.
6. The same entries and instants give the same bytes, whatever the pieces in which they come. So a
   state keeps nothing that depends on when somebody looked at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import astuple, fields

from tierline.engine.tracer import CheckpointTotals, Contribution, Station, Tracer
from tierline.model.calendar import Zone
from tierline.model.entries import EntryKind, Override
from tierline.model.events import Event
from tierline.model.points_event import PointsEvent
from tierline.model.reminder import Reminder
from tierline.model.standing import EDITION, Pending, Standing, StandingFields, reaches
from tierline.model.view import View
from tierline.rules.ladder import Facts
from tierline.rules.points import Lots, added
from tierline.rules.policy import Measure, admits
from tierline.rules.program import Program, Version
from tierline.rules.window import FROM_TERM, Anchors, Buckets, carried

_FIELDS = len(fields(Standing))


class HistoryNeeded(Exception):
    """A standing cannot answer this: decide again from an empty one, with all the entries."""


class MemberState(StandingFields, kw_only=True, gc=False):
    """The mutable working copy of a standing.

    `sums` are the totals as they change (`totals` is what was stored), `counters` the measures
    whose totals they are. `whole`: every entry of the member passes through this state.
    """

    program: Program
    zone: Zone
    version: Version
    whole: bool
    counters: dict[str, Measure]
    sums: dict[str, dict[int, int]]
    events: list[Event]
    tracer: Tracer | None = None
    cause_entry: int | None = None  # the entry that is being applied; None: time is passing
    quiet: bool = False
    counts_only: bool = False  # entries change points and totals, and nothing is judged
    overdue: bool = False  # what happens was due before: what this instant itself brings is over
    points_events: list[PointsEvent] | None = None  # None: nobody asks for them
    tells_all: bool = False  # also what was imported quietly
    silent: bool = False  # an import brings it: no bonus is given for what it moves
    occasions: tuple[tuple[str, str | None, object], ...] = ()  # what earning rules have to answer
    reminders: tuple[Reminder, ...] = ()  # told on the way
    foresees: bool = False  # a look at what is to come: nobody is reminded of anything
    foreseen: MemberState | None = None  # how far that look came, while only time passes
    waiting_anew: bool = False  # a tier was earned that begins later, where the rules tell of it
    values_before: dict[str | None, int] | None = None  # of the metrics, before a step
    noted: CheckpointTotals | None = None  # where a whole state went on
    day_cache: tuple[int, int] = (-1, 0)  # the last instant and its civil day
    anchor_cache: tuple[tuple[Any, ...], Anchors] | None = None  # the last facts and anchors

    # -- what is known now --------------------------------------------------------------------

    @property
    def today(self) -> int:
        at, day = self.day_cache
        if at != self.at:
            day = self.zone.day(self.at)
            self.day_cache = self.at, day
        return day

    @property
    def rank(self) -> int:
        """Rank of the held tier; -1 for none."""
        return -1 if self.held is None else self.version.rank.get(self.held, -1)

    @property
    def dates(self) -> tuple[str | None, int | None, int | None]:
        """The held tier, and when its term started and ends."""
        return self.held, self.started_at, self.ends_at

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
        if self.anchor_cache is None or self.anchor_cache[0] != facts:
            if tier_start is None and started is not None:
                tier_start = self.zone.day(started)
            join = self.today if joined is None else self.zone.day(joined)
            self.anchor_cache = facts, Anchors(join, tier_start, self.attributes)
        return self.anchor_cache[1]

    def value(self, name: str | None, day: int | None = None) -> int:
        """A metric's total in the window that holds `day` (today, where none is given)."""
        measure = self.version.measures[name]
        if measure.metric.source == "balance":
            pending = self.points_pending if measure.metric.include_pending else 0
            return self.balance + pending
        buckets = self.sums.get(measure.key)
        if not buckets:
            return 0
        window, pairs, anchors = measure.window, _pairs(buckets), self.anchors()
        total = window.total(pairs, day or self.today, anchors)
        if window.carry_over is not None:
            total += carried(window, pairs, day or self.today, anchors)
        return total

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
        _, decider = self.overridden(self.held)
        ends = self.grace_until or self.ends_at if decider is None else decider.until
        return View(
            balance=self.balance,
            pending=self.points_pending,
            spent=self.spent,
            earned=self.earned,
            joined_at=self.joined_at,
            since=self.since,
            expires_at=ends if self.tier is not None else None,
            manual=decider is not None,
        )

    def occur(self, what: str, name: str | None = None, value: object = None) -> None:
        """Notes an occasion that an earning rule may answer."""
        if self.version.bonuses and not self.silent:
            self.occasions = (*self.occasions, (what, name, value))

    # -- points and totals --------------------------------------------------------------------

    def accrue(self, points: int, expires_at: int | None, entry: int | None = None) -> None:
        """Points earned that can be spent from now on. `entry`: as of `add_total`."""
        self.earned += points
        rest = self.credit(points, expires_at)
        if self.tracer is not None and rest:
            owner = self.cause_entry if entry is None else entry
            self.tracer.owners.add(expires_at, owner, rest, self.at)

    def credit(self, points: int, expires_at: int | None) -> int:
        """Debt is paid first, the rest is a lot; a lot that is past already expires at once.
        Returns that rest."""
        paid = min(self.debt, points)
        self.debt -= paid
        if points == paid:
            return 0
        if expires_at is not None and expires_at <= self.at:
            self.expired += points - paid
        else:
            self.lots = added(self.lots, points - paid, expires_at)
        return points - paid

    def take(self, lots: Lots, debt: int, owner: int | None = None) -> None:
        """Points go: `lots` are left, and more debt. `owner`: the entry whose points they are."""
        if self.tracer is not None:
            self.tracer.owners.take(self.lots, lots, self.cause_entry, owner)
        self.lots = lots
        self.debt += debt

    def lot_expiry(self, pending: Pending) -> int | None:
        """When points that become active now expire: as was said, else by the rules, from now."""
        if pending.never_expires or pending.expires_at is not None:
            return pending.expires_at
        return self.expiry_from(self.today, pending.kind)

    def expiry_from(self, day: int, kind: EntryKind) -> int | None:
        last = self.version.rules.points.expiry_of(kind).last_day(day)
        return None if last is None else self.zone.start(last + 1)

    def add_total(
        self,
        key: str,
        measure: Measure,
        day: int,
        amount: int,
        entry: int | None = None,
        rule: str | None = None,
    ) -> None:
        """`entry`: the one that brought the amount, where it is not the one being applied; `rule`:
        the earning rule that gave it as a bonus."""
        bucket = measure.window.bucket(day)
        if amount and bucket is not None:
            buckets = self.sums.setdefault(key, {})
            rest = buckets.get(bucket, 0) + amount
            if rest:
                buckets[bucket] = rest
            else:
                del buckets[bucket]  # as if nothing had ever been there: no turn waits for it
            if self.tracer is not None:
                source = self.cause_entry if entry is None else entry
                note = Contribution(key, buckets, bucket, day, amount, source, rule)
                self.tracer.total_changed(note)

    def count_activation(self, pending: Pending) -> None:
        """Pending points are earned on the day on which they become active."""
        for key, measure in self.counters.items():
            metric = measure.metric
            if metric.source != "earned" or metric.include_pending:
                continue
            if not self.counts(key, pending.entry, self.at, activated=True):
                continue
            if pending.occurred_at is not None and not self.admits(measure, pending.occurred_at):
                continue
            if metric.counts(pending.kind, pending.name, pending.metadata):
                self.add_total(key, measure, self.today, pending.points, pending.entry)

    def count_bonus(self, rule: str, points: int, *, waits: bool) -> None:
        """Points that a rule gave count as earned like any others, under the rule's name."""
        for key, measure in self.counters.items():
            metric = measure.metric
            if metric.source != "earned" or (waits and not metric.include_pending):
                continue
            if metric.counts("earn", rule, None) and self.admits(measure, self.at):
                self.add_total(key, measure, self.today, points, rule=rule)

    def boundary(self, key: str) -> tuple[int, ...] | None:
        """What came up to here does not count towards a total any more (see `StandingFields`)."""
        return self.term_boundary if FROM_TERM in key else self.membership_boundary

    def admits(self, measure: Measure, at: int) -> bool:
        joined_at = self.at if self.joined_at is None else self.joined_at
        return admits(measure, at, self.zone, joined_at, self.left_at)

    def counts(self, key: str, entry: int, at: int, *, activated: bool) -> bool:
        """Whether what an earlier entry brought to a total is still in it. `at`: when it happened,
        or when its points became active, where they count from then."""
        boundaries = (self.membership_boundary, self.boundary(key))
        return not any(b is not None and reaches(b, entry, at, activated) for b in boundaries)

    def need_totals_of(self, version: Version) -> None:
        """Raises `HistoryNeeded` where a version asks for what this standing never kept: a total,
        or the tiers once held."""
        if self.whole:
            return
        if not version.totals.keys() <= self.counters.keys():
            raise HistoryNeeded
        if version.remembers and not self.version.remembers:
            raise HistoryNeeded
        self.counters = version.totals
        self.need_days_of(version)

    def need_days_of(self, version: Version) -> int | None:
        """Returns the first day whose totals a version's windows need; None: any day, or none.
        Raises `HistoryNeeded` where the totals of that day are not kept."""
        if not version.counts_days:
            return None
        awaited = self.today if self.waiting is None else self.zone.day(self.waiting[1] - 1)
        floor = version.floor(self.today, self.anchors(), awaited)
        first = None if self.whole else self.totals_from
        if first is not None and (floor is None or floor < first):
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
        decider = None
        for override in self.active():
            if override.tier is not None and override.tier not in ranks:
                continue  # a later version of the rules took its tier away
            asserted = override.asserts(rank, ranks)
            if asserted != rank or override.kind == "pin":
                rank, decider = asserted, override
        return (self.version.policy.tiers[rank].id if rank >= 0 else None), decider

    @property
    def seen(self) -> bool:
        """Whether the world sees the held tier, and no override hides it from this instant on."""
        return self.tier == self.held and self.overridden(self.held)[0] == self.held

    # -- windows that turn --------------------------------------------------------------------

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

    def turn(self, measure: Measure | None, after: int | None = None) -> int | None:
        """The civil day after `after` (today) on which a measure's window (None: the policy's
        own) turns next."""
        measure = measure or self.version.measures[None]
        day = self.today if after is None else after
        buckets = _pairs(self.sums.get(measure.key) or {})
        return measure.window.next_turn(buckets, day, self.anchors())

    # -- the end ------------------------------------------------------------------------------

    def station(self) -> Station:
        """Where the member stands now, and nothing more."""
        metric = 0 if self.joined_at is None else self.value(None)
        return Station(self.at, self.tier, self.view().expires_at, self.balance, metric)

    def standing(self) -> Standing:
        """Returns the working copy, frozen. Totals that no window asks for any more are dropped."""
        self.totals_from = self.need_days_of(self.version)
        if not self.version.counts_terms:
            self.term_boundary = None
        if self.reached and not self.version.remembers:
            self.reached = ()
        self.totals = dict(self._totals()) if self.sums else {}
        return Standing(*astuple(self)[:_FIELDS])

    def _totals(self) -> Iterator[tuple[str, Buckets]]:
        since = self.totals_from
        for key in sorted(self.version.totals):
            pairs = tuple(
                (day, amount)
                for day, amount in sorted(self.sums.get(key, {}).items())
                if amount and (day == 0 or since is None or day >= since)
            )
            if pairs:
                yield key, pairs


def begin(
    program: Program, standing: Standing, *, whole: bool = False, tracer: Tracer | None = None
) -> MemberState:
    """Returns a state made from a standing. `whole`: every entry of the member will pass through
    it, from the first on. Only such a state can be traced."""
    version = program.version(standing.at)
    counters = version.totals
    if whole:
        # Nothing was counted yet, so nothing is lacking: keep all that any version asks for.
        counters = {k: m for v in program.versions for k, m in v.totals.items()}
    state = MemberState(
        *astuple(standing),
        program=program,
        zone=program.zone,
        version=version,
        whole=whole,
        counters=counters,
        sums={key: dict(buckets) for key, buckets in standing.totals.items()},
        events=[],
        tracer=tracer,
    )
    if not standing.entries:
        state.edition = EDITION
    return state


def _pairs(buckets: dict[int, int]) -> Buckets:
    return tuple(buckets.items())
