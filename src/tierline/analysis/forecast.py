"""What lies ahead: what is needed for the next tier, what keeps this one, and what time will do.

The future without new activities is the same decision with a later instant: risks are not a
second rule, they are the events that `decide` would emit. What is `needed` is read off the state at
the very instant at which it will be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from tierline.analysis.explain import window_days
from tierline.engine import qualification, scheduled_changes, tier_terms
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.member_state import MemberState, begin
from tierline.model import calendar
from tierline.model.entries import Entry
from tierline.model.events import Cause, Decision, Event
from tierline.model.standing import Standing
from tierline.rules.ladder import Range, Tier
from tierline.rules.program import Program, successors
from tierline.rules.term import WhileQualified, WindowEnd
from tierline.rules.window import Window

HORIZON_DAYS = 2 * 366  # how far ahead risks are looked for
_AHEAD = 16  # windows: terms reach over at most twelve of them, and an extension


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


class TierRetention(Struct, frozen=True):
    """`needed` more of the metric, counted from `counts_from` on, keeps the held tier beyond
    `until`, when it is judged next. None needed: no amount does, or by other criteria."""

    needed: int | None
    counts_from: int
    until: int
    metric: str | None = None


class MemberProgress(Struct, frozen=True):
    current: Current
    deferred: tuple[Deferred, ...]
    to_next: Opportunity | None
    retention: TierRetention | None  # None: nothing to lose, or an override decides
    risks: tuple[Risk, ...]
    opportunities: tuple[Opportunity, ...]
    forecast_tier: str | None  # right after the present tier expires, if nothing happens
    next_expiry: tuple[int, int] | None  # points that expire next: (instant, points)

    @property
    def to_retain(self) -> int | None:
        """How much more keeps the tier; see `retention`."""
        return None if self.retention is None else self.retention.needed


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
    return Decision(whole.standing, later, moves)


def progress(
    program: Program, standing: Standing, at: int, history: Sequence[Entry] | None = None
) -> MemberProgress:
    """The whole read model of a member at an instant not before the standing's own. Raises
    HistoryNeeded where rules that are scheduled count something new: give all entries then."""
    now = follow(program, standing, (), at, history).standing
    state = begin(program, now)
    ahead = follow(program, now, (), at + HORIZON_DAYS * calendar.DAY_MS, history).events
    risks = tuple(_risks(ahead))
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
        bounds = _bounds(tier, before=tier.id in state.reached)
        if bounds is None:
            yield Opportunity(tier.id, None, change, None, begins, begins_at)
            continue
        if bounds.metric not in state.version.measures:
            continue  # counted only once those rules are in force
        value = facts.values(bounds.metric)
        if bounds.to is None or value <= bounds.to:
            needed = max(bounds.low - value, 0)
            until = _earliest(_valid_until(state, bounds.metric), change)
            when = _not_counted(state, bounds.metric) or (begins, begins_at)
            yield Opportunity(tier.id, needed, until, bounds.metric, *when)


def _bounds(tier: Tier, *, before: bool) -> Range | None:
    """The single range that decides about entering a tier, if it is that simple."""
    criterion = tier.reentry if before and tier.reentry is not None else tier.criterion
    return criterion if isinstance(criterion, Range) else None


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
    """Where nothing that happens today counts: a window that begins at a later date, or is laid
    out from something not known yet."""
    measure, today = state.version.measures[metric], state.today
    bucket = measure.window.bucket(today)
    anchors = state.anchors()
    if measure.metric.source == "balance" or (
        bucket is not None and measure.window.total(((bucket, 1),), today, anchors)
    ):
        return None
    start, _ = window_days(state, measure, today)
    return "not_counted", None if start is None else state.zone.start(start)


def _valid_until(state: MemberState, metric: str | None) -> int | None:
    """From when today's value of a metric is wrong, because time took something away."""
    measure = state.version.measures[metric]
    if measure.metric.source == "balance":
        return state.lots[0][0] if state.lots else None
    if measure.window.moves:
        turn = state.turn(measure)
        return None if turn is None else state.zone.start(turn)
    return None


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
    tier = state.version.tier(state.held)
    if tier is None or state.tier != state.held or state.joined_at is None:
        return None
    end = state.grace_until or state.ends_at
    if not risks:
        return None if end is None else TierRetention(0, now.at, end)
    loss = risks[0]
    lost = TierRetention(None, now.at, loss.at)
    if loss.cause in ("rules", "override"):
        return lost
    then = begin(program, follow(program, now, (), loss.at - 1, history).standing)
    # By then other rules may be in force, under which the tier asks for more or less.
    try:
        _come_to_rules(then, loss.at)
    except HistoryNeeded:
        return lost  # they count what is not kept yet
    tier = then.version.tier(then.held)
    if tier is None or then.held != _successor(program, state, then):
        return lost
    keep = tier.retain if tier.retain is not None else tier.criterion
    invited = not tier.open and tier.retain is None
    if invited or not isinstance(keep, Range):
        return lost
    _come_to_judgment(then, loss)
    term, window = tier_terms.term_of(then), then.version.policy.window
    if isinstance(term, WindowEnd) and window.closes:
        return _by_windows(state, then, keep, window, loss) or lost
    return _by_value(state, then, keep, loss)


def _come_to_rules(then: MemberState, at: int) -> None:
    """Put the rules that are in force at an instant in place; they move nobody here."""
    new = then.program.version(at)
    if new is not then.version:
        then.at = at
        then.need_totals_of(new)
        then.held = successors(then.version, new).get(then.held or "", then.held)
        then.version = new


def _successor(program: Program, state: MemberState, then: MemberState) -> str | None:
    """What the held tier is called under the rules that are in force later."""
    held = state.held
    for former, new in pairwise(program.versions[state.version.number - 1 : then.version.number]):
        held = successors(former, new).get(held or "", held)
    return held


def _come_to_judgment(then: MemberState, loss: Risk) -> None:
    """Move a state to the moment of its loss, with what happens before the judgment, and no
    judgment."""
    then.at, then.counts_only = loss.at, True
    scheduled_changes.activate_pending(then)
    if loss.cause == "expiry":
        scheduled_changes.expire_lots(then)


def _by_value(state: MemberState, then: MemberState, keep: Range, loss: Risk) -> TierRetention:
    """The tier is judged by the metric as it will be."""
    measure, day = then.version.measures[keep.metric], then.today
    closed = then.version.policy.assessment.down == "at_window_end"
    if closed and isinstance(tier_terms.term_of(then), WhileQualified):
        day -= then.version.policy.window.closes
    start, _ = window_days(then, measure, day)
    begins = state.at if start is None else max(state.at, then.zone.start(start))
    # A window that has not begun by then, or is laid out from nothing known, counts nothing.
    counted = _not_counted(then, keep.metric) is None
    needed = _needed(keep, then.value(keep.metric, day)) if counted else None
    return TierRetention(needed, begins, loss.at, keep.metric)


def _by_windows(
    state: MemberState, then: MemberState, keep: Range, window: Window, loss: Risk
) -> TierRetention | None:
    """The tier is judged by every window whose own term reaches beyond the loss: the one that
    needs least, and of those the first."""
    waits = then.version.policy.start.when == "next_window"
    options: list[TierRetention] = []
    span = window.span(state.today, then.anchors())
    for _ in range(_AHEAD):
        # Under `next_window` the window that runs at the loss speaks as well.
        if span is None or then.zone.start(span[0]) > loss.at:
            break
        end = tier_terms.end_for(then, then.rank, span[1] if waits else span[0])
        if end is None or end > loss.at:
            needed = _needed(keep, then.value(keep.metric, span[1] - 1))
            begins = max(state.at, then.zone.start(span[0]))
            options.append(TierRetention(needed, begins, loss.at, keep.metric))
        span = window.span(span[1], then.anchors())
    possible = [option for option in options if option.needed is not None]
    return min(possible, key=lambda option: option.needed or 0, default=None)


def _needed(keep: Range, value: int) -> int | None:
    """What is missing at the judgment; None where more of it would not help."""
    return keep.low - value if value < keep.low else None
