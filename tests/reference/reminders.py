"""Reminders, worked out slowly: what was to come is found by letting the evaluator go on.

Between two entries nothing happens but time, so a member's future is the same from everywhere in
between: it is evaluated once for each entry, and each reminder is looked up in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from tests.reference.account import (
    ACTIVATION,
    AGE,
    ARRIVAL,
    BONUS,
    EXPIRY,
    FOREVER,
    RULES,
    Position,
)
from tests.reference.evaluator import LATEST, Evaluator
from tests.reference.expected_event import ExpectedEvent
from tierline.model.entries import Entry
from tierline.rules import ladder
from tierline.rules.program import Program, Version
from tierline.rules.reminders import Reminders, TierNearReminder

DAY = 24 * 60 * 60 * 1000
LOSSES, RISES = ("downgraded", "left"), ("joined", "upgraded")


@dataclass(frozen=True, order=True)
class ExpectedReminder:
    """A reminder as the evaluator tells it; what keeps a tier is not among what it works out."""

    at: int
    kind: str
    tier_then: str = ""
    when: int = 0
    lead_days: int = 0
    needed: int = 0
    points: int = 0
    amounts: tuple[tuple[int, int], ...] = ()
    unique_until: int = 0
    entry: int = 0


@dataclass
class Step:
    """What the evaluator held at the end of an instant, or after an entry."""

    at: int
    entry: int
    waiting: tuple[str, int] | None
    anew: bool = False  # what waits was not waiting before
    quiet: bool = False


class Watched(Evaluator):
    """An evaluator that notes what reminders are made of."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.steps: list[Step] = []
        self.skips: list[ExpectedReminder] = []
        self.near: list[ExpectedReminder] = []
        self.near_at: int | None = None
        self.peak: str | None = None
        self.before: dict[str | None, int] | None = None  # values, before points become active

    def copied(self) -> Watched:
        """Another one at the same place of the same history."""
        other = copy(self)
        other.ledger = copy(self.ledger)
        for one in (other, other.ledger):
            for name, value in vars(one).items():
                if isinstance(value, list | dict | set):
                    setattr(one, name, copy(value))
        return other

    # -- steps ---------------------------------------------------------------------------------

    def bring(self, place: int) -> None:
        at, waiting = self.position[0], self.waiting
        step = self.steps[-1] if self.steps else None
        if step is None or (step.at, step.entry) != (at, 0):
            self.come_near(0)
            step = Step(at, 0, waiting)
            self.steps.append(step)
        if place == ACTIVATION:
            self.before = self.values((at, RULES, LATEST))
        super().bring(place)
        step.anew |= place != RULES and self.waiting not in (None, waiting)
        step.waiting = self.waiting

    def pass_time(self, upto: Position) -> None:
        super().pass_time(upto)
        self.come_near(0)

    def arrive(self, entry: Entry) -> None:
        waiting = self.waiting
        self.before = self.values((entry.recorded_at, ARRIVAL, entry.n - 1))
        super().arrive(entry)
        anew = self.waiting not in (None, waiting)
        self.steps.append(Step(self.now, entry.n, self.waiting, anew, self.quiet))
        if entry.detail and entry.detail.exchange:
            self.before = None  # an order that is told anew
        self.come_near(entry.n)

    def values(self, position: Position) -> dict[str | None, int] | None:
        """A member's metrics at a position of this instant."""
        if self.joined is None:
            return None
        here, self.position = self.position, position
        sight, self.position = self.sight(), here
        return {name: sight.value(name) for name in (None, *self.policy.measures)}

    # -- near ----------------------------------------------------------------------------------

    def come_near(self, entry: int) -> None:
        """Tells whom the step that is over brought near; it is looked at from its own instant."""
        if self.steps:
            here, at = self.position, self.steps[-1].at
            self.position = (at, ARRIVAL, entry) if entry else (at, BONUS, 2**62)
            self.tell_near(entry)
            self.position = here

    def tell_near(self, entry: int) -> None:
        before, self.before = self.before, None
        reminder = self.version.rules.reminders.tier_near
        if before is None or reminder is None or self.joined is None or self.on_hold:
            return
        target = self.target()
        if target is None:
            return
        tier, bounds = target
        assert bounds.from_ is not None
        value = self.sight().value(bounds.metric)
        former = before[bounds.metric]
        if not near(reminder, bounds.from_, value) or near(reminder, bounds.from_, former):
            return
        cool = reminder.cool_down_days * DAY
        if self.near_at is not None and self.now < self.near_at + cool:
            return
        self.near_at = self.now
        if not self.quiet:
            again = self.now + cool if cool else 0
            made = ExpectedReminder(
                self.now,
                "tier_near",
                tier,
                needed=bounds.from_ - value,
                unique_until=again,
                entry=entry,
            )
            self.near.append(made)

    def target(self) -> tuple[str, ladder.Range] | None:
        """The next tier that more of one metric reaches."""
        sight = self.sight()
        for tier in self.tiers[self.rank(self.visible) + 1 :]:
            if tier.hidden or tier.invitation:
                continue
            criterion: object = tier.entry or ladder.Range(tier.from_, tier.to)
            if tier.reentry is not None and tier.id in self.reached:
                criterion = tier.reentry
            if not isinstance(criterion, ladder.Range):
                return None
            if criterion.from_ is not None and sight.value(criterion.metric) < criterion.from_:
                return tier.id, criterion
        return None

    # -- skipped -------------------------------------------------------------------------------

    def show(self, cause: str, entry: int | None = None) -> None:
        was = self.visible
        below = -1.0 if was is None else self.place(was)
        super().show(cause, entry)
        now = self.visible
        reminder = self.version.rules.reminders.tier_skipped
        if now == was or now is None or self.rank(now) < below or reminder is None:
            return
        peak = self.rank(self.peak) if reminder == "first" else -1
        if reminder == "first" and self.rank(now) > peak:
            self.peak = now
        for rank, tier in enumerate(self.tiers[: self.rank(now)]):
            closed = tier.hidden or tier.invitation
            if rank > max(below, peak) and not (closed or self.quiet or self.ghost):
                self.skips.append(
                    ExpectedReminder(self.now, "tier_skipped", tier.id, entry=entry or 0)
                )

    def change_rules(self) -> None:
        former, peak = self.version, self.peak
        new = self.program.version(self.position[0])
        self.peak = None
        if new.rules.reminders.tier_near is None:
            self.near_at = None
        if peak is not None and new.rules.reminders.tier_skipped == "first":
            names = {tier.id: tier.name for tier in former.rules.policy.tiers}
            self.peak = self._identity(new, peak, names.get(peak, "")) if peak in names else None
        super().change_rules()


def near(reminder: TierNearReminder, threshold: int, value: int) -> bool:
    """Whether a value is within the distance of a threshold that was asked for."""
    if reminder.within is not None:
        return threshold - value <= reminder.within
    assert reminder.percent is not None
    return (threshold - value) * 100 <= reminder.percent * threshold


def reminders(program: Program, entries: Sequence[Entry], until: int) -> list[ExpectedReminder]:
    """Returns what a member is told up to and at `until`, in order."""
    made: list[ExpectedReminder] = []
    present = Watched(program)
    for place, entry in enumerate(entries, 1):
        present.run((entry,), entry.recorded_at)
        end = entries[place].recorded_at if place < len(entries) else until
        made += between(present.copied(), entry, end)
    present.run((), until)
    return sorted(made + present.skips + present.near)


def between(future: Watched, last: Entry, end: int) -> Iterator[ExpectedReminder]:
    """What the last entry brings at once, and time after it until `end`, that instant included.
    `future`: an evaluator right after that entry, which is taken further."""
    zone = future.zone
    since = last.recorded_at
    reach = max(lead_days(future.program), default=0)
    far = zone.start(zone.day(max(end, since)) + timedelta(days=reach + 2))
    future.run((), far)
    begins = [step.waiting[1] for step in future.steps if step.waiting is not None]
    if begins and max(begins) > future.now:
        future.pass_time((max(begins), AGE, 2**62))
    inside = [s for s in future.steps if since < s.at <= end or s.entry == last.n]
    yield from at_once(future, [s for s in inside if s.anew and not s.quiet])
    if end > since:
        yield from before_losses(future, since, end)
        yield from before_beginnings(future, since, end)
        yield from before_expiries(future, since, end, reach)


def all_leads(version: Version) -> tuple[int, ...]:
    reminder = version.rules.reminders
    given = (reminder.tier_ending, reminder.points_expiring, reminder.tier_waiting)
    return tuple(lead for reminder in given if reminder for lead in reminder.lead_days)


def lead_days(program: Program) -> list[int]:
    """How many days before anything some version reminds."""
    return sorted({days for version in program.versions for days in all_leads(version)})


def asked_at(future: Watched, at: int) -> Reminders:
    return version_at(future, at).rules.reminders


def version_at(future: Watched, at: int) -> Version:
    versions = future.program.versions
    return [v for v in versions if v.effective_at <= at or v is versions[0]][-1]


def lead(future: Watched, when: int, days: int) -> int:
    zone = future.zone
    return zone.start(zone.day(when) - timedelta(days=days))


# -- of tiers that are lost ------------------------------------------------------------------------


def before_losses(future: Watched, since: int, end: int) -> Iterator[ExpectedReminder]:
    moves = [event for event in future.events if event.kind != "prolonged" and event.at > since]
    for days in lead_days(future.program):
        seen: set[int] = set()
        for move in moves:
            at = lead(future, move.at, days)
            if not since < at <= end or at in seen:
                continue
            reminder = asked_at(future, at).tier_ending
            if reminder is None or days not in reminder.lead_days:
                continue
            # Where a day did not exist (Apia, 30 December 2011), its start is the next day's.
            following = next((m for m in moves if m.at > at), None)
            if following is move and is_told(future, move, at):
                seen.add(at)
                yield ExpectedReminder(at, "tier_ending", move.tier_to or "", move.at, days)


def is_told(future: Watched, move: ExpectedEvent, at: int) -> bool:
    """A loss that no change of rules brings, and none is before it that counts otherwise."""
    if move.kind not in LOSSES or move.cause == "rules":
        return False
    changes = [v for v in future.program.versions[1:] if at < v.effective_at <= move.at]
    versions = [version_at(future, at), *changes]
    return all(counting(one) == counting(other) for one, other in pairwise(versions))


def counting(version: Version) -> tuple[object, ...]:
    """What is counted, over which windows, and for which terms."""
    policy = version.rules.policy
    terms = {repr(t.term) for t in policy.tiers} | {repr(policy.term), repr(None)}
    again = any(tier.reentry is not None for tier in policy.tiers)
    return policy.metric, policy.window, policy.measures, policy.start, terms, again


# -- of tiers that wait ----------------------------------------------------------------------------


def at_once(future: Watched, steps: list[Step]) -> Iterator[ExpectedReminder]:
    for step in steps:
        reminder = asked_at(future, step.at).tier_waiting
        if reminder is not None and step.waiting is not None and begins(future, step, step.at):
            tier, when = step.waiting
            yield ExpectedReminder(step.at, "tier_waiting", tier, when, entry=step.entry)


def begins(future: Watched, step: Step, at: int) -> bool:
    """Whether the member rises at the instant for which the tier waits."""
    assert step.waiting is not None
    when = step.waiting[1]
    return when > at and any(e.at == when and e.kind in RISES for e in future.events)


def before_beginnings(future: Watched, since: int, end: int) -> Iterator[ExpectedReminder]:
    for tier, when in {step.waiting for step in future.steps if step.waiting is not None}:
        for days in lead_days(future.program):
            at = lead(future, when, days)
            reminder = asked_at(future, at).tier_waiting
            if not since < at <= end or reminder is None or days not in reminder.lead_days:
                continue
            step = [step for step in future.steps if step.at <= at][-1]
            if step.waiting == (tier, when) and begins(future, step, at):
                yield ExpectedReminder(at, "tier_waiting", tier, when, days)


# -- of points that expire -------------------------------------------------------------------------


def before_expiries(
    future: Watched, since: int, end: int, reach: int
) -> Iterator[ExpectedReminder]:
    ledger, zone = future.ledger, future.zone
    last = zone.start(zone.day(end) + timedelta(days=reach + 2))
    changes = ledger.changes((since, ARRIVAL, LATEST * 2), (last, AGE, 0))
    ends = {at for at, place in changes if place == EXPIRY}
    seen: set[tuple[int, int]] = set()
    for when in sorted(ends):
        for days in lead_days(future.program):
            at = lead(future, when, days)
            reminder = asked_at(future, at).points_expiring
            if not since < at <= end or reminder is None or days not in reminder.lead_days:
                continue
            account = ledger.account((at, BONUS, 2**62))
            lots: dict[int, int] = {}
            for expires, points in account.lots:
                lots[expires] = lots.get(expires, 0) + points
            due = {x: p for x, p in lots.items() if x < FOREVER and lead(future, x, days) == at}
            if due and (at, days) not in seen:
                seen.add((at, days))
                until = [(x, p) for x, p in sorted(lots.items()) if x <= max(due)]
                made = sum(due.values()), tuple(until)
                yield ExpectedReminder(
                    at, "points_expiring", "", min(due), days, points=made[0], amounts=made[1]
                )
