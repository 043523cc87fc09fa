"""Why a member is where they are: the arithmetic of the decision, entry by entry.

Works from the ledger alone, so it answers for now, for any past instant, and for what was known
at a past instant. Everything it says is read off the
state that decides, and off the notes that were taken on the way (`tracer`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tierline.analysis import reasons
from tierline.analysis.phrasebook import FALLBACK
from tierline.analysis.sentences import Sentence, sentences
from tierline.engine import qualification, tier_terms
from tierline.engine.checkpoints import last_checkpoint
from tierline.engine.corrections import as_it_happened
from tierline.engine.decide import trace
from tierline.engine.member_state import MemberState
from tierline.engine.retention import window_days
from tierline.engine.tracer import Tracer
from tierline.model import calendar
from tierline.model.calendar import format_day, format_instant
from tierline.model.entries import Entry, Override
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.rules.ladder import All, AtLeast, Attribute, Criterion, Facts, MemberFor, Range, Tier
from tierline.rules.ladder import Any as AnyOf
from tierline.rules.policy import Measure
from tierline.rules.program import Program
from tierline.rules.window import carried

NO_KEYS: Final[Mapping[int, str]] = {}


class Counted(Struct, frozen=True, omit_defaults=True):
    """One entry's part in a total, on the civil day where it counts. `entry` None: time did it
    (points expired). `kind` is the entry's; `activation`: its points became active on that day;
    `bonus`: an earning rule gave points without an activity; `carry_over`: the window before
    brought it over. `rules`: the earning rules that gave the points. `key`: the entry's, as its
    caller sent it."""

    entry: int | None
    kind: str
    day: str
    counts: int
    rules: tuple[str, ...] = ()
    key: str | None = None


class Total(Struct, frozen=True):
    """A metric in its window. `start` and `end` are civil days, `end` exclusive; None: unbounded.
    `counted` adds up to `total`."""

    metric: dict[str, Any]
    window: dict[str, Any]
    start: str | None
    end: str | None
    total: int
    counted: tuple[Counted, ...]


class TierCheck(Struct, frozen=True):
    """One tier of the ladder, and whether its criterion holds now. Each part of the criterion
    says so too (`holds`), with the `value` that it was held against."""

    tier: str
    criterion: dict[str, Any]
    rule: str  # entry | retain | reentry | invitation
    holds: bool


class HeldTerm(Struct, frozen=True):
    """Where the dates of the held tier come from. `counted_from` is the day from which `rule`
    gives this end; None where something else set it, which `formula` then says."""

    rule: dict[str, Any]
    started: str | None
    counted_from: str | None
    formula: str | None
    last_valid_day: str | None
    ends_at: str | None
    grace_until: str | None
    set_at: str | None  # when the end was last set or moved
    set_by: int | None  # by which entry; None: time
    set_by_key: str | None


class Explanation(Struct, frozen=True):
    """`tier` is what the world sees, `held` what the rules grant, `qualified` what the totals
    earn now; `because` says in words how they hang together. `rules` are the parts of the policy
    that decide when a tier comes and goes. `checkpoint` is when the standing was last noted as a
    fact: what lies before it is read as the rules are read today."""

    at: str
    known_at: str
    version: int
    tier: str | None
    qualified: str | None
    held: str | None
    because: str
    totals: dict[str, Total]
    ladder: tuple[TierCheck, ...]
    term: HeldTerm | None
    rules: dict[str, Any]
    waiting: tuple[str, str] | None
    overrides: tuple[Override, ...]
    last_event: Event | None
    last_event_key: str | None
    sentences: tuple[Sentence, ...]
    checkpoint: str | None


def known_entries(entries: Sequence[Entry], at: int, known_at: int | None = None) -> list[Entry]:
    """What counts for an instant, by what was known at another.

    Known at the same instant (the default) or before: what was recorded by then, as it came, so
    the answer is what was true then. Known later: had everything been known in time, each entry
    taken when it really happened, and what was taken back as if it had never been; but what a
    checkpoint holds stays as it was noted.
    """
    known_at = at if known_at is None else known_at
    recorded = [entry for entry in entries if entry.recorded_at <= known_at]
    return recorded if known_at <= at or not recorded else as_it_happened(recorded, at)


def standing_at(
    program: Program, entries: Sequence[Entry], at: int, known_at: int | None = None
) -> tuple[Standing, tuple[Event, ...], list[Entry]]:
    """A member at an instant, from the ledger; see `known_entries` for the two times. Of the
    future, an instant tells what time alone will bring."""
    entries = known_entries(entries, at, known_at)
    state, _ = trace(program, entries, at)
    return state.standing(), tuple(state.events), entries


def explain(
    program: Program,
    entries: Sequence[Entry],
    at: int,
    known_at: int | None = None,
    *,
    keys: Mapping[int, str] = NO_KEYS,
    language: str = FALLBACK,
    traced: tuple[MemberState, Tracer] | None = None,
) -> Explanation:
    """The arithmetic behind the tier at an instant; see `known_entries` for the two times. `keys`:
    those of the entries, by number, where their callers sent any. `traced`: what `trace` made of
    the entries known, where somebody asked already."""
    place = last_checkpoint(entries)
    checkpoint = None if place is None else format_instant(entries[place].recorded_at)
    entries = known_entries(entries, at, known_at)
    state, tracer = trace(program, entries, at) if traced is None else traced
    facts = state.facts()
    best = qualification.qualified(state) if state.joined_at is not None else -1
    tiers = state.version.policy.tiers
    sources = {entry.n: entry for entry in entries}
    waiting = state.waiting
    last = state.events[-1] if state.events else None
    return Explanation(
        at=format_instant(at),
        known_at=format_instant(at if known_at is None else known_at),
        version=state.version.number,
        tier=state.tier,
        qualified=tiers[best].id if best >= 0 else None,
        held=state.held,
        because=reasons.because(state),
        totals={
            name or "metric": _with_keys(_total(state, tracer, name, measure, sources), keys)
            for name, measure in state.version.measures.items()
        },
        ladder=tuple(_check(state, facts, rank, tier) for rank, tier in enumerate(tiers)),
        term=_term(state, tracer, keys) if state.held is not None else None,
        rules=_rules(state),
        waiting=(waiting[0], format_instant(waiting[1])) if waiting else None,
        overrides=state.overrides,
        last_event=last,
        last_event_key=None if last is None else keys.get(last.entry or 0),
        sentences=sentences(state, tracer, entries, keys, language),
        checkpoint=checkpoint,
    )


def _with_keys(total: Total, keys: Mapping[int, str]) -> Total:
    lines = (replace(line, key=keys.get(line.entry or 0)) for line in total.counted)
    return replace(total, counted=tuple(lines))


# -- totals ------------------------------------------------------------------------------------


def _total(
    state: MemberState,
    tracer: Tracer,
    name: str | None,
    measure: Measure,
    sources: Mapping[int, Entry],
) -> Total:
    start, end = window_days(state, measure, state.today)
    if measure.metric.source == "balance":
        counted = _balance(tracer, measure, sources)
    else:
        counted = _contributions(state, tracer, measure, sources)
    return Total(
        metric=written(measure.metric),
        window=written(measure.window),
        start=None if start is None else format_day(start),
        end=None if end is None else format_day(end),
        total=state.value(name),
        counted=counted,
    )


def _contributions(
    state: MemberState, tracer: Tracer, measure: Measure, sources: Mapping[int, Entry]
) -> tuple[Counted, ...]:
    """The notes of a total that still counts, each through today's window; first what the window
    before brought over."""
    key, today, anchors = measure.key, state.today, state.anchors()
    buckets = state.sums.get(key)
    counted: list[Counted] = []
    span = measure.window.span(today, anchors)
    over = carried(measure.window, tuple((buckets or {}).items()), today, anchors)
    if span is not None and over:
        counted.append(Counted(None, "carry_over", format_day(span[0]), over))
    for note in tracer.contributions:
        if note.key != key or note.buckets is not buckets:
            continue
        inside = measure.window.total(((note.bucket, note.amount),), today, anchors)
        if inside:
            source = sources.get(note.entry or 0)
            own = "" if source is None else source.kind
            kind = own if note.rule is None else "bonus"
            rules = _givers(source, note.rule)
            counted.append(Counted(note.entry, kind, format_day(note.day), inside, rules))
    return tuple(counted)


def _givers(source: Entry | None, rule: str | None) -> tuple[str, ...]:
    """The earning rules behind points: of a bonus, or of an entry's own."""
    if rule is not None:
        return (rule,)
    detail = None if source is None else source.detail
    return () if detail is None else tuple(part.rule for part in detail.parts)


def _balance(tracer: Tracer, measure: Measure, sources: Mapping[int, Entry]) -> tuple[Counted, ...]:
    pending = measure.metric.include_pending
    counts = ((m, m.balance + (m.pending if pending else 0)) for m in tracer.balance_changes)
    return tuple(
        Counted(m.entry, m.kind, format_day(m.day), c, _givers(sources.get(m.entry or 0), m.rule))
        for m, c in counts
        if c
    )


# -- thresholds, dates, rules ------------------------------------------------------------------


def _check(state: MemberState, facts: Facts, rank: int, tier: Tier) -> TierCheck:
    held = rank == state.rank
    again = rank > state.rank and tier.id in state.reached
    rule, criterion = "entry", tier.criterion
    if held and tier.retain is not None:
        rule, criterion = "retain", tier.retain
    elif tier.hidden or tier.invitation:
        rule = "invitation"
    elif again and tier.reentry is not None:
        rule, criterion = "reentry", tier.reentry
    holds = tier.retained(facts) if held else tier.entered(facts, before=again)
    return TierCheck(tier.id, _judged(criterion, facts), rule, holds)


def _judged(criterion: Criterion, facts: Facts) -> dict[str, Any]:
    """A criterion as it was written, each part with what it was held against."""
    text: dict[str, Any] = written(criterion)
    match criterion:
        case Range(metric=metric):
            text["value"] = facts.values(metric)
        case Attribute(name=name):
            text["value"] = facts.attributes.get(name)
        case MemberFor(length=length):
            text["from_day"] = format_day(calendar.add_period(facts.joined, length))
        case All(of=parts) | AnyOf(of=parts) | AtLeast(of=parts):
            text["of"] = [_judged(part, facts) for part in parts]
    text["holds"] = criterion.holds(facts)
    return text


def _term(state: MemberState, tracer: Tracer, keys: Mapping[int, str]) -> HeldTerm:
    start, end, change = state.started_at, state.ends_at, tracer.term
    day = reasons.counted_from(state, change)
    return HeldTerm(
        rule=written(tier_terms.term_of(state)),
        started=None if start is None else format_day(state.zone.day(start)),
        counted_from=None if day is None else format_day(day),
        formula=reasons.formula(state, change),
        last_valid_day=None if end is None else format_day(state.zone.day(end - 1)),
        ends_at=None if end is None else format_instant(end),
        grace_until=None if state.grace_until is None else format_instant(state.grace_until),
        set_at=None if change is None else format_instant(change.at),
        set_by=None if change is None else change.entry,
        set_by_key=None if change is None else keys.get(change.entry or 0),
    )


def _rules(state: MemberState) -> dict[str, Any]:
    policy = state.version.policy
    parts = ("assessment", "start", "renewal", "lapse", "corrections")
    return {part: written(getattr(policy, part)) for part in parts}


def written(part: Any) -> Any:
    """A part of the rules as it would be written in full, its defaults too."""
    if isinstance(part, Struct):
        tag = part.__struct_config__.tag
        names = zip(part.__struct_fields__, part.__struct_encode_fields__, strict=True)
        facts = {label: written(getattr(part, name)) for name, label in names}
        head = {} if tag is None else {"type": tag}
        return head | {name: value for name, value in facts.items() if value is not None}
    if isinstance(part, tuple):
        return [written(item) for item in part]
    return part
