"""A member on the way through time: the engine's working copy of a standing.

A walk starts from a frozen `Standing`, is moved through instants and ledger entries, and ends in
another. It knows what is due when, and in which order things happen at one instant (`tick`). What
an entry does to points and totals is in `fold.py`; what follows for the tier is in `judge.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import astuple, fields

from tierline.engine import calendar, dues, hold
from tierline.engine.calendar import Zone
from tierline.engine.ladder import Facts
from tierline.engine.model import (
    Cause,
    Event,
    EventKind,
    Known,
    Override,
    Pending,
    Standing,
    View,
)
from tierline.engine.points import added
from tierline.engine.policy import Measure, Program, Version, total_key
from tierline.engine.term import WindowEnd
from tierline.engine.window import Anchors, Buckets

_FIELDS = len(fields(Standing))


class HistoryNeeded(Exception):
    """A standing cannot answer this: decide again from an empty one, with all the entries."""


class Walk(Known, kw_only=True):
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
    former: Version | None = None  # the version before, while a change of rules is carried out

    # -- what is known now --------------------------------------------------------------------

    @property
    def today(self) -> int:
        return self.zone.day(self.at)

    @property
    def rank(self) -> int:
        """Rank of the held tier; -1 for none."""
        return -1 if self.held is None else self.version.rank.get(self.held, -1)

    @property
    def frozen(self) -> bool:
        """A `hold` stops the clock and every judgment."""
        return self.hold_since is not None

    def anchors(self, tier_start: int | None = None) -> Anchors:
        if tier_start is None and self.started_at is not None:
            tier_start = self.zone.day(self.started_at)
        join = self.zone.day(self.joined_at) if self.joined_at is not None else self.today
        return Anchors(join, tier_start, self.attributes)

    def value(self, name: str | None, day: int | None = None) -> int:
        """A metric's total in the window that holds `day` (today unless told)."""
        measure = self.version.measures[name]
        if measure.metric.source == "balance":
            pending = self.points_pending if measure.metric.include_pending else 0
            return self.balance + pending
        buckets = self.sums.get(total_key(measure))
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
        return self.expiry_from(self.today)

    def expiry_from(self, day: int) -> int | None:
        last = self.version.rules.points.expiry.last_day(day)
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
            if metric.counts(pending.kind, pending.name, pending.metadata):
                self.add_total(key, measure, self.today, pending.points)

    def need_totals_of(self, version: Version) -> None:
        """A version that counts what this standing never kept needs the whole history."""
        if self.whole:
            return
        floor = kept_floor(version, self.today, self.anchors())
        if version.totals.keys() <= self.tracked.keys() and (
            self.kept_from is None
            or not any(m.metric.source != "balance" for _, m in version.turning)
            or (floor is not None and floor >= self.kept_from)
        ):
            self.tracked = version.totals
            return
        raise HistoryNeeded

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
        kind: EventKind | None = hold.kind_of_move(self, was, now, renewed=renewed)
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
            self.at = max(due, self.at)
            self.tick()
            self.due_at = self.next_due()
        self.at = max(at, self.at)

    def tick(self) -> None:
        """What is due at this instant, one kind after another (`dues.ORDER`)."""
        for _, happen in dues.ORDER:
            happen(self)

    def turns(self, *, own: bool = False) -> bool:
        """Whether a window turns at this very instant: any measure's, or only the policy's own."""
        measures = [self.version.measures[None]] if own else [m for _, m in self.version.turning]
        day = self.today
        while self.zone.start(day) == self.at:
            if any(self.turn(measure, day - 1) == day for measure in measures):
                return True
            day -= 1  # a day that the zone skipped starts where the next one does
        return False

    def next_due(self) -> int | None:
        """When time next has work: the earliest of everything that waits for an instant."""
        ahead = [p.available_at for p in self.pending if p.available_at is not None]
        if self.lots and self.lots[0][0] is not None:
            ahead.append(self.lots[0][0])
        for override in self.overrides:
            if override.starts_at > self.at:
                ahead.append(override.starts_at)
            elif override.until is not None:
                ahead.append(override.until)
        change = self.program.next_change(self.at)
        if change is not None:
            ahead.append(change)
        self.turn_at = None
        if self.joined_at is not None and self.hold_since is None:
            ahead.extend(self._judgments_ahead())
        return min(ahead) if ahead else None

    def _judgments_ahead(self) -> Iterator[int]:
        if self.waiting is not None:
            yield self.waiting[1]
        end = self.grace_until or self.ends_at
        if end is not None:
            yield end
        if self.version.turning:
            self.turn_at = self._next_turn()
            if self.turn_at is not None:
                yield self.turn_at
        if self.version.ages:
            yield from self._ages()

    def _next_turn(self) -> int | None:
        """The first turn after now."""
        if not hold.turn_matters(self):
            return None
        turns = (self.turn(measure) for _, measure in self.version.turning)
        first = min((turn for turn in turns if turn is not None), default=None)
        return None if first is None else self.zone.start(first)

    def turn(self, measure: Measure | None, after: int | None = None) -> int | None:
        """The civil day after `after` (today) on which a measure's window (None: the policy's
        own) turns next."""
        measure = measure or self.version.measures[None]
        day = self.today if after is None else after
        buckets = _pairs(self.sums.get(total_key(measure)) or {})
        return measure.window.next_turn(buckets, day, self.anchors())

    def _ages(self) -> list[int]:
        join = self.anchors().join
        starts = (self.zone.start(calendar.add_period(join, age)) for age in self.version.ages)
        return [start for start in starts if start > self.at]

    # -- the end ------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """The working copy frozen again; totals past mattering are dropped."""
        self.kept_from = self._floor()
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

    def _floor(self) -> int | None:
        """The first civil day whose totals must be kept; it never moves back."""
        if not self.version.turning:
            return self.kept_from
        floor = kept_floor(self.version, self.today, self.anchors())
        if floor is None:
            return self.kept_from
        return floor if self.kept_from is None else max(floor, self.kept_from)


def begin(program: Program, standing: Standing, *, whole: bool = False) -> Walk:
    """A walk from a standing. `whole`: it will see every entry of the member from the first on."""
    version = program.version(standing.at)
    tracked = version.totals
    if whole:
        # Nothing was counted yet, so nothing is lacking: keep all that any version asks for.
        tracked = {k: m for v in program.versions for k, m in v.totals.items()}
    return Walk(
        *astuple(standing),
        program=program,
        zone=program.zone,
        version=version,
        whole=whole,
        tracked=tracked,
        sums={key: dict(buckets) for key, buckets in standing.totals.items()},
        events=[],
    )


def kept_floor(version: Version, day: int, anchors: Anchors) -> int | None:
    """The earliest day that any of a version's windows may still ask for; None: any day."""
    floors = [
        measure.window.floor(day, anchors, windows_kept(version))
        for _, measure in version.turning
        if measure.metric.source != "balance"
    ]
    known = [floor for floor in floors if floor is not None]
    return min(known) if known and len(known) == len(floors) else None


def windows_kept(version: Version) -> int:
    """How many windows back a term end may still ask for."""
    term = version.policy.term
    if not isinstance(term, WindowEnd):
        return 2
    months, days = calendar.parse_period(term.extend) if term.extend else (0, 0)
    return term.windows + 2 + months + days // 28


def _pairs(buckets: dict[int, int]) -> Buckets:
    return tuple(buckets.items())
