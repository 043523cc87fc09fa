"""What members and activities look like from outside: instants are text, tiers have names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tierline.analysis import forecast, tier_progress
from tierline.engine.retention import TierRetention
from tierline.ledger.commands import Answer, RuleGain, Transfer
from tierline.model.calendar import format_instant
from tierline.model.entries import Entry, Override, OverrideKind
from tierline.model.events import Cause, Event, EventKind
from tierline.model.reminder import Reminder, ReminderKind
from tierline.model.standing import Standing
from tierline.model.tenant import Customer
from tierline.rules.ladder import TierName
from tierline.rules.program import Program, Version


class TierChangeAnswer(Struct, frozen=True):
    """A change of tier that an activity brought about; tiers by id."""

    kind: EventKind
    tier_from: str | None
    tier_to: str | None
    cause: Cause


class ActivityAnswer(Struct, frozen=True):
    """The entry, and the member right after it. `repeated`: this key was answered before, and
    nothing was done again. `transfer`, of a transfer only: `to`, `state` (`arrived`, `in_transit`
    or `returned`, with `code` and `reason`)."""

    key: str
    entry: int
    points: int
    amount: int
    balance: int
    pending: int
    tier: str | None
    since: str | None
    expires_at: str | None
    events: tuple[TierChangeAnswer, ...]
    repeated: bool
    transfer: Transfer | UnsetType = UNSET
    counted: bool | UnsetType = UNSET  # false: no metric counts it, for the `reason`
    reason: str | UnsetType = UNSET
    rules: tuple[RuleGain, ...] | UnsetType = UNSET  # which earning rules gave the points
    correction_start: str | UnsetType = (
        UNSET  # a checkpoint: the correction reached no further back
    )


class NextExpiry(Struct, frozen=True):
    """The points that expire next, and when."""

    at: str
    points: int


class PointsAnswer(Struct, frozen=True):
    """`in_transit`: sent to other customers, where they did not arrive yet."""

    balance: int
    pending: int
    in_transit: int
    earned: int
    spent: int
    expired: int
    next_expiry: NextExpiry | None


class OpportunityAnswer(Struct, frozen=True):
    """`needed` more of the metric (null: by other criteria) reaches the tier, true until
    `valid_until`; when it `begins` then. `metric` is a measure's name, null the policy's own."""

    tier: TierName | None
    needed: int | None
    valid_until: str | None
    metric: str | None
    begins: forecast.Begins
    begins_at: str | None


class RetentionAnswer(Struct, frozen=True):
    """`needed` more of the metric, counted from `counts_from` on, keeps the tier past `until`."""

    needed: int | None
    counts_from: str
    until: str
    metric: str | None


class RiskAnswer(Struct, frozen=True):
    """What happens to the tier if nothing else does."""

    kind: str
    at: str
    tier: TierName | None
    cause: Cause


class ProgressAnswer(Struct, frozen=True):
    """`metric` is the policy's own in today's window, true until `valid_until`; `at_expiry` what it
    will be when the tier ends if nothing else happens (null: it has no end). `to_retain` is what is
    still needed to keep the tier, in full in `retention`."""

    metric: int
    valid_until: str | None
    at_expiry: int | None
    to_next: OpportunityAnswer | None
    to_retain: int | None
    retention: RetentionAnswer | None
    forecast_tier: TierName | None


class ReminderAheadAnswer(Struct, frozen=True):
    """A reminder that is told `at` an instant if nothing else happens. What does not go with its
    kind is null."""

    kind: ReminderKind
    at: str
    tier: TierName | None
    tier_then: TierName | None
    when: str | None
    lead_days: int | None
    needed: int | None
    metric: str | None
    expiring: int | None


class DeferredAnswer(Struct, frozen=True):
    """A tier that is earned already, and begins later."""

    tier: TierName | None
    starts_at: str


class OverrideAnswer(Struct, frozen=True):
    """A dated assertion over the computed tier."""

    kind: OverrideKind
    tier: str | None
    starts_at: str | None
    until: str | None
    then: Literal["rejudge", "start_term"]
    source: Literal["manual", "gift", "match", "challenge", "import", "pooled"]
    reason: str | None
    actor: str | None
    id: int


class MemberAnswer(Struct, frozen=True):
    """A membership. `expires_at` is exclusive; `last_valid_day` is its civil reading."""

    customer: str
    customer_id: str
    program: str
    at: str
    member: bool
    joined_at: str | None
    tier: TierName | None
    since: str | None
    expires_at: str | None
    last_valid_day: str | None
    manual: bool
    qualified_tier: TierName | None
    held_tier: TierName | None
    grace_until: str | None
    points: PointsAnswer
    progress: ProgressAnswer
    deferred: tuple[DeferredAnswer, ...]
    risks: tuple[RiskAnswer, ...]
    opportunities: tuple[OpportunityAnswer, ...]
    reminders: tuple[ReminderAheadAnswer, ...]
    overrides: tuple[OverrideAnswer, ...]
    attributes: dict[str, str | int | bool]
    seq: int
    version: int


def activity(answer: Answer) -> ActivityAnswer:
    events: tuple[TierChangeAnswer, ...] = ()
    if answer.events:
        changes = answer.events
        events = tuple(TierChangeAnswer(m.kind, m.tier_from, m.tier_to, m.cause) for m in changes)
    start = answer.correction_start
    return ActivityAnswer(
        answer.key,
        answer.entry,
        answer.points,
        answer.amount,
        answer.balance,
        answer.pending,
        answer.tier,
        instant(answer.since),
        instant(answer.expires_at),
        events,
        answer.repeated,
        UNSET if answer.transfer is None else answer.transfer,
        UNSET if answer.uncounted is None else False,
        UNSET if answer.uncounted is None else answer.uncounted,
        answer.rules or UNSET,
        UNSET if start is None else format_instant(start),
    )


def member(
    program: Program,
    customer: Customer,
    standing: Standing,
    at: int,
    history: Sequence[Entry] | None = None,
    in_transit: int = 0,
) -> MemberAnswer:
    """A member at an instant not before the standing's own. Raises HistoryNeeded where only all
    the entries can tell."""
    standing = forecast.follow(program, standing, (), at, history).standing
    ahead = forecast.progress(program, standing, at, history)
    version, current = program.version(at), ahead.current
    opportunities = tuple(_opportunity(version, o) for o in ahead.opportunities)
    return MemberAnswer(
        customer=customer.source_id or customer.id,
        customer_id=customer.id,
        program=program.id,
        at=format_instant(at),
        member=standing.joined_at is not None,
        joined_at=instant(standing.joined_at),
        tier=tier_name(version, current.tier),
        since=instant(current.since),
        expires_at=instant(current.expires_at),
        last_valid_day=current.last_valid_day,
        manual=current.manual,
        qualified_tier=tier_name(version, current.qualified_tier),
        held_tier=tier_name(version, current.held_tier),
        grace_until=instant(current.grace_until),
        points=_points(standing, ahead, in_transit),
        progress=ProgressAnswer(
            metric=current.metric,
            valid_until=instant(tier_progress.next_turn(program, standing)),
            at_expiry=tier_progress.count_at_expiry(program, standing, current.expires_at, history),
            to_next=opportunities[0] if opportunities else None,
            to_retain=ahead.to_retain,
            retention=_retention(ahead.retention),
            forecast_tier=tier_name(version, ahead.forecast_tier),
        ),
        deferred=tuple(
            DeferredAnswer(tier_name(version, d.tier), format_instant(d.starts_at))
            for d in ahead.deferred
        ),
        risks=tuple(
            RiskAnswer(r.kind, format_instant(r.at), tier_name(version, r.tier), r.cause)
            for r in ahead.risks
        ),
        opportunities=opportunities,
        reminders=tuple(_reminder(version, r) for r in ahead.reminders),
        overrides=tuple(override(o) for o in standing.overrides),
        attributes=standing.attributes,
        seq=standing.seq,
        version=version.number,
    )


def override(override_: Override) -> OverrideAnswer:
    fields: dict[str, Any] = {f: getattr(override_, f) for f in override_.__struct_fields__}
    instants = {"starts_at": instant(override_.starts_at), "until": instant(override_.until)}
    return OverrideAnswer(**{**fields, **instants})


def event(event_: Event) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(event_)
    del fields["view"]
    return {**fields, "at": format_instant(event_.at)}


def instant(at: int | None) -> str | None:
    return None if at is None else format_instant(at)


def _points(standing: Standing, ahead: forecast.MemberProgress, in_transit: int) -> PointsAnswer:
    expiry = ahead.next_expiry
    return PointsAnswer(
        balance=standing.balance,
        pending=standing.points_pending,
        in_transit=in_transit,
        earned=standing.earned,
        spent=standing.spent,
        expired=standing.expired,
        next_expiry=None if expiry is None else NextExpiry(format_instant(expiry[0]), expiry[1]),
    )


def _opportunity(version: Version, opportunity: forecast.Opportunity) -> OpportunityAnswer:
    return OpportunityAnswer(
        tier=tier_name(version, opportunity.tier),
        needed=opportunity.needed,
        valid_until=instant(opportunity.valid_until),
        metric=opportunity.metric,
        begins=opportunity.begins,
        begins_at=instant(opportunity.begins_at),
    )


def _reminder(version: Version, reminder: Reminder) -> ReminderAheadAnswer:
    return ReminderAheadAnswer(
        kind=reminder.kind,
        at=format_instant(reminder.at),
        tier=tier_name(version, reminder.tier),
        tier_then=tier_name(version, reminder.tier_then),
        when=instant(reminder.when),
        lead_days=reminder.lead_days,
        needed=reminder.needed,
        metric=reminder.metric,
        expiring=reminder.points,
    )


def _retention(retention: TierRetention | None) -> RetentionAnswer | None:
    if retention is None:
        return None
    counts_from, until = format_instant(retention.counts_from), format_instant(retention.until)
    return RetentionAnswer(retention.needed, counts_from, until, retention.metric)


def tier_name(version: Version, tier_id: str | None) -> TierName | None:
    if tier_id is None:
        return None
    tier = version.tier(tier_id)
    return TierName(tier_id, tier_id if tier is None else tier.name)
