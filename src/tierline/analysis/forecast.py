"""What lies ahead: what is needed for the next tier, what keeps this one, and what time will do.

The future without new activities is the same decision with a later instant: risks are not a
second rule, they are the events that `decide` would emit. What is `needed` is read off the state at
the very instant at which it will be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from tierline.engine import qualification
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.member_state import MemberState, begin
from tierline.engine.retention import (
    Loss,
    TierRetention,
    counts_today,
    entry_range,
    retention,
    valid_until,
    window_days,
)
from tierline.model import calendar
from tierline.model.entries import Entry
from tierline.model.events import Cause, Decision, Event
from tierline.model.reminder import Reminder
from tierline.model.standing import Standing
from tierline.rules.program import Program

HORIZON_DAYS = 2 * 366  # how far ahead risks and reminders are looked for
REMINDERS_AHEAD_MAX = 20  # reminders of one member, the soonest first


class Current(Struct, frozen=True, kw_only=True):
    """The membership as it is. `expires_at` is exclusive; `last_valid_day` its civil reading."""

    tier: str | None
    since: int | None
    expires_at: int | None
    last_valid_day: str | None
    qualified_tier: str | None  # by today's totals alone
    held_tier: str | None  # by the rules, without overrides
    grace_until: int | None
    manual: bool
    balance: int
    pending: int
    metric: int  # the policy's own metric, in today's window


class Deferred(Struct, frozen=True):
    """A tier that is earned and begins later."""

    tier: str
    starts_at: int


class Risk(Struct, frozen=True):
    """What happens to the tier if nothing else does."""

    kind: str  # downgraded | left
    at: int
    tier: str | None  # the tier then
    cause: Cause


Begins = Literal["at_once", "deferred", "window_end", "term_end", "override_end", "not_counted"]


class Opportunity(Struct, frozen=True):
    """`needed` more of the metric reaches `tier`; true until `valid_until` (then the window turns,
    or an amount leaves it). None needed: by other criteria. `begins` says when the tier would be
    given (`not_counted`: the window has not begun, so nothing counts today), `begins_at` the
    instant, where it is not at once and known."""

    tier: str
    needed: int | None
    valid_until: int | None
    metric: str | None = None  # the measure's name; None: the policy's own
    begins: Begins = "at_once"
    begins_at: int | None = None


class MemberProgress(Struct, frozen=True):
    current: Current
    deferred: tuple[Deferred, ...]
    to_next: Opportunity | None
    retention: TierRetention | None  # None: nothing to lose, or an override decides
    risks: tuple[Risk, ...]
    opportunities: tuple[Opportunity, ...]
    forecast_tier: str | None  # right after the present tier expires, if nothing happens
    next_expiry: tuple[int, int] | None  # points that expire next: (instant, points)
    reminders: tuple[Reminder, ...] = ()  # told if nothing happens, up to REMINDERS_AHEAD_MAX

    @property
    def to_retain(self) -> int | None:
        """How much more keeps the tier; see `retention`."""
        return None if self.retention is None else self.retention.needed


def is_due(program: Program, standing: Standing, at: int) -> bool:
    """Whether time alone changes something of a member until an instant: something falls due, or
    other rules are in force by then, which the standing does not know of."""
    if standing.due_at is not None and standing.due_at <= at:
        return True
    versions = program.versions
    return len(versions) > 1 and program.version(at) is not program.version(standing.at)


def follow(
    program: Program,
    standing: Standing,
    entries: Sequence[Entry],
    at: int,
    history: Sequence[Entry] | None = None,
    *,
    points: bool = False,
) -> Decision:
    """As `decide`; where the standing cannot answer, from `history`: every entry before these.
    Raises HistoryNeeded where that was not given."""
    try:
        return decide(program, standing, entries, at, points=points)
    except HistoryNeeded:
        if history is None:
            raise
    whole = decide(program, Standing(), (*history, *entries), at, points=points)
    later = tuple(event for event in whole.events if event.seq > standing.seq)
    since, n = standing.at, standing.entries
    moves = tuple(p for p in whole.points if p.at > since or (p.entry or 0) > n)
    reminders = tuple(r for r in whole.reminders if r.at > since or (r.entry or 0) > n)
    return Decision(whole.standing, later, moves, reminders)


def progress(
    program: Program, standing: Standing, at: int, history: Sequence[Entry] | None = None
) -> MemberProgress:
    """The whole read model of a member at an instant not before the standing's own. Raises
    HistoryNeeded where rules that are scheduled count something new: give all entries then."""
    now = follow(program, standing, (), at, history).standing
    state = begin(program, now)
    ahead = follow(program, now, (), at + HORIZON_DAYS * calendar.DAY_MS, history)
    risks = tuple(_risks(ahead.events))
    opportunities = tuple(_opportunities(state))
    current = _current(state, now)
    then = current.expires_at
    lot = next((lot for lot in now.lots if lot[0] is not None), None)
    return MemberProgress(
        current=current,
        deferred=(Deferred(*now.waiting),) if now.waiting else (),
        to_next=opportunities[0] if opportunities else None,
        retention=_retention(program, state, now, risks, history),
        risks=risks,
        opportunities=opportunities,
        forecast_tier=now.tier
        if then is None
        else follow(program, now, (), then, history).standing.tier,
        next_expiry=(lot[0], lot[1]) if lot is not None and lot[0] is not None else None,
        reminders=ahead.reminders[:REMINDERS_AHEAD_MAX],
    )


def _current(state: MemberState, now: Standing) -> Current:
    view = state.view()
    best = qualification.qualified(state) if now.joined_at is not None else -1
    return Current(
        tier=now.tier,
        since=now.since,
        expires_at=view.expires_at,
        last_valid_day=last_valid_day(state.program, view.expires_at),
        qualified_tier=state.version.policy.tiers[best].id if best >= 0 else None,
        held_tier=now.held,
        grace_until=now.grace_until,
        manual=view.manual,
        balance=view.balance,
        pending=view.pending,
        metric=state.value(None),
    )


def last_valid_day(program: Program, expires_at: int | None) -> str | None:
    """The civil day in which the last valid instant lies."""
    return None if expires_at is None else calendar.format_day(program.zone.day(expires_at - 1))


def _risks(ahead: tuple[Event, ...]) -> Iterator[Risk]:
    for event in ahead:
        if event.kind in ("downgraded", "left"):
            yield Risk(event.kind, event.at, event.tier_to, event.cause)


# -- what can be won ---------------------------------------------------------------------------


def _opportunities(state: MemberState) -> Iterator[Opportunity]:
    """Every higher tier that more of a metric can reach, nearest first."""
    if state.joined_at is None:
        return
    begins, begins_at = _begins(state)
    facts, change = state.facts(), state.program.next_change(state.at)
    # What begins later is judged by the rules that are in force then.
    version = state.version if begins_at is None else state.program.version(begins_at)
    rank = -1 if state.tier is None else version.rank.get(state.tier, -1)
    for tier in version.policy.tiers[rank + 1 :]:
        if tier.hidden or tier.invitation:
            continue
        bounds = entry_range(tier, before=tier.id in state.reached)
        if bounds is None:
            yield Opportunity(tier.id, None, change, None, begins, begins_at)
            continue
        if bounds.metric not in state.version.measures:
            continue  # counted only once those rules are in force
        value = facts.values(bounds.metric)
        if bounds.to is None or value <= bounds.to:
            needed = max(bounds.low - value, 0)
            until = _earliest(valid_until(state, bounds.metric), change)
            when = _not_counted(state, bounds.metric) or (begins, begins_at)
            yield Opportunity(tier.id, needed, until, bounds.metric, *when)


def _begins(state: MemberState) -> tuple[Begins, int | None]:
    """When a tier that is earned today would be given."""
    policy = state.version.policy
    for override in state.active():
        if override.kind != "floor":
            return "override_end", override.until
    span = policy.window.span(state.today, state.anchors())
    turn = None if span is None else state.zone.start(span[1])
    if policy.assessment.up == "at_window_end":
        return "window_end", turn
    if policy.assessment.up == "at_term_end" and state.held is not None:
        return "term_end", state.grace_until or state.ends_at
    if policy.start.when == "next_window" and turn is not None:
        return "deferred", turn
    if policy.start.when == "after":
        day = calendar.add_period(state.today, policy.start.after or "P0D")
        return "deferred", state.zone.start(day)
    return "at_once", None


def _not_counted(state: MemberState, metric: str | None) -> tuple[Begins, int | None] | None:
    """From when something counts, where nothing that happens today does."""
    if counts_today(state, metric):
        return None
    start, _ = window_days(state, state.version.measures[metric], state.today)
    return "not_counted", None if start is None else state.zone.start(start)


def _earliest(*instants: int | None) -> int | None:
    return min((instant for instant in instants if instant is not None), default=None)


# -- what can be lost --------------------------------------------------------------------------


def _retention(
    program: Program,
    state: MemberState,
    now: Standing,
    risks: tuple[Risk, ...],
    history: Sequence[Entry] | None,
) -> TierRetention | None:
    """What keeps the held tier beyond the first instant at which it would be lost."""
    if state.version.tier(state.held) is None or state.tier != state.held:
        return None
    end = state.grace_until or state.ends_at
    if not risks:
        return None if end is None else TierRetention(0, now.at, end)
    loss = Loss(risks[0].at, risks[0].cause)
    if loss.cause in ("rules", "override"):
        return TierRetention(None, now.at, loss.at)
    then = begin(program, follow(program, now, (), loss.at - 1, history).standing)
    return retention(state, then, loss)
