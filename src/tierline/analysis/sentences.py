"""Why a member is where they are, in sentences for people: what happened last and why, and what
keeps the tier. The words come from templates, the program's own first, then those that ship.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from iso4217 import Currency
from msgspec import Struct

from tierline.analysis.phrasebook import FALLBACK, PHRASES, day_text, decimal_mark
from tierline.engine import qualification, tier_terms
from tierline.engine.member_state import MemberState
from tierline.engine.tracer import Tracer
from tierline.model.calendar import format_day
from tierline.model.entries import Entry, Override
from tierline.rules.ladder import Range
from tierline.rules.metric import Metric
from tierline.rules.program import Program
from tierline.rules.sentence_template import fill
from tierline.rules.term import WhileQualified


class Sentence(Struct, frozen=True):
    """`name` is the template's, `language` the one it was found in."""

    name: str
    language: str
    text: str


class _Day(Struct, frozen=True):
    """A civil day, as days since 1970."""

    day: int


class _Amount(Struct, frozen=True):
    """So much of a metric."""

    metric: Metric
    count: int


_Fact = str | _Day | _Amount | None
_Statement = tuple[str, dict[str, _Fact]]  # a sentence's name, and its facts


def sentences(
    state: MemberState,
    tracer: Tracer,
    entries: Sequence[Entry],
    keys: Mapping[int, str],
    language: str,
) -> tuple[Sentence, ...]:
    """Returns what to tell the member at the state's instant. `keys`: the callers' keys of
    entries, where they are known."""
    statements = (*_last_change(state, tracer, entries, keys), _keeping(state))
    return tuple(_speak(state.program, state, name, facts, language) for name, facts in statements)


# -- what happened last ------------------------------------------------------------------------


def _last_change(
    state: MemberState, tracer: Tracer, entries: Sequence[Entry], keys: Mapping[int, str]
) -> Iterator[_Statement]:
    if not tracer.moves:
        return
    event = tracer.moves[-1].event
    facts: dict[str, _Fact] = {
        "tier": _tier(state, event.tier_to, event.version),
        "tier_from": _tier(state, event.tier_from, event.version),
        "day": _Day(state.zone.day(event.at)),
        "until": _last_day(state, event.view.expires_at),
        "key": None if event.entry is None else keys.get(event.entry),
        "reason": _reason(entries, event.entry),
    }
    yield event.kind, facts
    yield event.cause, facts


def _reason(entries: Sequence[Entry], number: int | None) -> str | None:
    entry = next((entry for entry in entries if entry.n == number), None)
    if entry is None or entry.detail is None:
        return None
    override = entry.detail.override
    return entry.detail.reason if override is None else override.reason


# -- what keeps the tier -----------------------------------------------------------------------


def _keeping(state: MemberState) -> _Statement:
    if state.joined_at is None:
        return "not_member", {}
    tier, decider = state.overridden(state.held)
    if decider is not None:
        return _by_hand(state, tier, decider)
    best = qualification.qualified(state)
    if state.frozen and best != state.rank:
        hold = next((override for override in state.overrides if override.kind == "hold"), None)
        return "frozen_by_hand", {"tier": _tier(state, tier)} | _limits(state, hold)
    if best > state.rank:
        return _higher(state, best)
    if best < 0 and state.rank < 0:
        return "no_tier", {"value": _amount(state, None)}
    facts = {"tier": _tier(state, tier), **_demand(state)}
    if best == state.rank:
        return "earned", {**facts, "until": _last_day(state, state.ends_at)}
    return _unearned(state, facts)


def _by_hand(state: MemberState, tier: str | None, decider: Override) -> _Statement:
    facts = _limits(state, decider)
    if tier is None:
        return "no_tier_by_hand", facts
    return "set_by_hand", {"tier": _tier(state, tier), **facts}


def _limits(state: MemberState, override: Override | None) -> dict[str, _Fact]:
    """Until when a person's decision holds, and why they made it."""
    if override is None:
        return {}
    return {"until": _last_day(state, override.until), "reason": override.reason}


def _higher(state: MemberState, best: int) -> _Statement:
    facts: dict[str, _Fact] = {"tier": _tier(state, state.tier)}
    if state.waiting is not None:
        tier, starts_at = state.waiting
        facts |= {"next_tier": _tier(state, tier), "day": _Day(state.zone.day(starts_at))}
        return "waits", facts
    facts["next_tier"] = state.version.policy.tiers[best].name
    match state.version.policy.assessment.up:
        case "at_term_end":
            return "higher_at_term_end", {**facts, "until": _last_day(state, state.ends_at)}
        case "at_window_end":
            return "higher_at_window_end", facts
        case "on_activity":
            return "higher_soon", facts


def _unearned(state: MemberState, facts: dict[str, _Fact]) -> _Statement:
    if state.grace_until is not None:
        return "grace_keeps", {**facts, "until": _last_day(state, state.grace_until)}
    if state.ends_at is not None:
        return "term_keeps", {**facts, "until": _last_day(state, state.ends_at)}
    if isinstance(tier_terms.term_of(state), WhileQualified):
        return "kept_for_now", facts
    return "kept_without_end", facts


def _demand(state: MemberState) -> dict[str, _Fact]:
    """What the held tier asks for, where that is so much of one metric."""
    if state.rank < 0:
        return {}
    tier = state.version.policy.tiers[state.rank]
    criterion = tier.criterion if tier.retain is None else tier.retain
    if not isinstance(criterion, Range) or not criterion.from_:
        return {}
    amount = _amount(state, criterion.metric)
    lacking = criterion.from_ - amount.count
    return {
        "value": amount,
        "needed": _Amount(amount.metric, criterion.from_),
        "missing": _Amount(amount.metric, lacking) if lacking > 0 else None,
    }


def _amount(state: MemberState, name: str | None) -> _Amount:
    return _Amount(state.version.measures[name].metric, state.value(name))


# -- words -------------------------------------------------------------------------------------


def _tier(state: MemberState, tier: str | None, version: int | None = None) -> str | None:
    """A tier's name by the newest rules up to a version (today's) that have it."""
    if tier is None:
        return None
    newest = state.version.number if version is None else version
    for rules in reversed(state.program.versions[:newest]):
        if tier in rules.rank:
            return rules.policy.tiers[rules.rank[tier]].name
    return tier


def _last_day(state: MemberState, end: int | None) -> _Day | None:
    """The last day before an end, which is exclusive."""
    return None if end is None else _Day(state.zone.day(end - 1))


def _speak(
    program: Program, state: MemberState, name: str, facts: Mapping[str, _Fact], language: str
) -> Sentence:
    spoken, template = _template(state, name, language)
    words = {field: _words(program, state, fact, spoken) for field, fact in facts.items()}
    return Sentence(name, spoken, fill(template, words))


def _template(state: MemberState, name: str, language: str) -> tuple[str, str]:
    """The language, and the template in it: asked for (`de-AT`), its base (`de`), or English."""
    own = state.version.rules.sentences
    for tag in (language, language.partition("-")[0], FALLBACK):
        template = own.get(tag, {}).get(name) or PHRASES.get(tag, {}).get(name)
        if template is not None:
            return tag, template
    raise AssertionError(name)  # English has them all: a test says so


def _words(program: Program, state: MemberState, fact: _Fact, language: str) -> str | None:
    match fact:
        case _Day(day=day):
            return day_text(format_day(day), language)
        case _Amount(metric=metric, count=count):
            name, facts = _unit(program, metric, count, language)
            return fill(_template(state, name, language)[1], facts)
        case text:
            return text


def _unit(
    program: Program, metric: Metric, count: int, language: str
) -> tuple[str, dict[str, str | None]]:
    match metric.source:
        case "spend":
            number = _money(count, program.currency, language)
            return "money", {"number": number, "currency": program.currency}
        case "count":
            return "one_activity" if count == 1 else "activities", {"number": str(count)}
        case "sum":
            return "sum", {"number": str(count), "of": metric.of}
        case "balance" | "earned":
            return "one_point" if count == 1 else "points", {"number": str(count)}


def _money(minor: int, currency: str, language: str) -> str:
    digits = Currency(currency).exponent or 0
    sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(digits + 1, "0")
    if not digits:
        return sign + text
    return f"{sign}{text[:-digits]}{decimal_mark(language)}{text[-digits:]}"
