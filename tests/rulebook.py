"""Prints the tables of docs/rules.md from the code: `python -m tests.rulebook` writes them."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tierline.engine.timeline import ORDER
from tierline.engine.transitions import TRANSITIONS
from tierline.model import entries
from tierline.rules import (
    earning_rule,
    expiry,
    ladder,
    metric,
    points,
    policy,
    program,
    reminders,
    term,
    validity,
    window,
)

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"


def transitions() -> Iterator[str]:
    yield "| was in | is now in | the term began anew, or is held unearned | event |"
    yield "|---|---|---|---|"
    for (was, now, renewed), kind in TRANSITIONS.items():
        before = "a tier" if was else "no tier"
        after = {"none": "no tier", "same": "the same", "higher": "a higher tier"}.get(
            now, "a lower tier"
        )
        yield f"| {before} | {after} | {'yes' if renewed else 'no'} | {kind or '–'} |"


def order() -> Iterator[str]:
    for i, (words, _) in enumerate(ORDER, 1):
        yield f"{i}. {words}"


def parts() -> Iterator[str]:
    yield "| part | value | meaning |"
    yield "|---|---|---|"
    unions = (
        ("window", window.Window),
        ("criterion", ladder.Criterion),
        ("term", term.Term),
        ("points expiry", expiry.Expiry),
        ("trigger of an earning rule", earning_rule.Trigger),
        ("points of an earning rule", earning_rule.HowMany),
    )
    yield from _choices("metric source", metric.Source)
    for part, union in unions:
        for value in typing.get_args(union):
            meaning = _first_sentence(value.__doc__)
            yield f"| {part} | `{value.__struct_config__.tag}` | {meaning} |"
    yield from _choices("assessment (up, down)", policy.Occasion)
    yield from _choices("start", _hint(policy.Start, "when"))
    yield from _choices("renewal basis", _hint(policy.Renewal, "basis"))
    yield from _choices("renewal restart", _hint(policy.Renewal, "restart"))
    yield from _choices("lapse", ladder.LapseRule)
    yield from _choices("override", entries.OverrideKind)
    yield from _choices("after an override", _hint(entries.Override, "then"))
    yield from _choices(
        "source of an override (told, decides nothing)", _hint(entries.Override, "source")
    )
    yield from _choices("corrections", _hint(policy.Policy, "corrections"))
    yield from _choices("members at a change of rules", program.OnChange)
    yield from _choices("points at a crossing", _hint(points.Points, "crossing"))
    yield from _choices("several rules for one activity", earning_rule.Stacking)
    yield from _choices("tiers that a move skips", reminders.SkippedTiers)


MEANINGS = {
    "balance": "points that can be spent now",
    "earned": "points collected; spending and expiry do not lower it",
    "spend": "money, net of refunds",
    "count": "how many activities match the filter (orders, unless it says otherwise)",
    "sum": "a number in the metadata of matching activities: nights, miles",
    "on_activity": "at every change of what is counted",
    "at_term_end": "only when a term ends",
    "at_window_end": "only when the window turns",
    "immediate": "the moment the threshold is reached",
    "next_window": "with the next window, by the final sum of the one that closed",
    "after": "a stated while later, if still earned",
    "term_end": "from the end of the old term; a row of durations keeps the day of its first start",
    "now": "from the day of the renewal",
    "upgrade": "only a higher tier starts a new term early",
    "requalified": "qualifying again moves the end later, never earlier",
    "keep": "the tier stays, in a new term",
    "one_step": "one tier down, or to what is earned if that is higher",
    "to_qualifying": "to the tier that is earned",
    "to_base": "to the lowest tier that anybody can be in",
    "leave": "out of every tier",
    "pin": "exactly this tier",
    "floor": "at least this tier",
    "cap": "at most this tier",
    "hold": "tier and clock stand still; the term goes on afterwards",
    "rejudge": "judged as at an expiry",
    "start_term": "the asserted tier goes on in a fresh term",
    "forward": "the metric changes at once; a granted term stays",
    "retroactive": "history is re-played; differences are announced now as corrections",
    "protect": "nothing granted or waiting is ever taken by a correction",
    "next_assessment": "nobody moves until they are judged next",
    "up_only": "who qualifies for a higher tier rises at once; who still qualifies for theirs gets "
    "the end that new rules for terms give, earlier or later; nobody falls",
    "manual": "somebody decided it",
    "gift": "given",
    "match": "the tier that another program gave",
    "challenge": "on trial: to be earned until the end",
    "import": "brought from another system",
    "pooled": "by what a household earns together",
    "before": "the tier held before the order decides the multiplier",
    "split": "points below the threshold at the old tier's rate, above it at the new one's",
}
SPECIAL = {
    ("several rules for one activity", "all"): "each gives its points",
    ("several rules for one activity", "best"): "the one that gives most; of equals the first",
    ("several rules for one activity", "first"): "the first that gives anything",
    ("tiers that a move skips", "first"): "those that the member never passed before",
    ("tiers that a move skips", "every"): "each time that a move skips them",
    ("points at a crossing", "after"): "the tier reached by the order decides the multiplier",
    (
        "members at a change of rules",
        "rejudge",
    ): "everybody is judged at once, up and down, in fresh terms",
}


def _choices(part: str, literal: object) -> Iterator[str]:
    for value in typing.get_args(literal):
        yield f"| {part} | `{value}` | {SPECIAL.get((part, value)) or MEANINGS[value]} |"


def _hint(struct: type, field: str) -> object:
    return typing.get_type_hints(struct)[field]


def _first_sentence(doc: str | None) -> str:
    text = " ".join((doc or "").split())
    return re.split(r"(?<=\.)\s", text)[0].rstrip(".").replace("|", "\\|")


WHERE: dict[type, str] = {
    policy.Policy: "",
    metric.Metric: "metric",
    metric.Filter: "metric.filter",
    policy.Measure: "measures.NAME",
    window.Since: "window (since)",
    window.Rolling: "window (rolling)",
    window.Calendar: "window (calendar)",
    window.Cycle: "window (cycle)",
    window.CarryOver: "window.carry_over",
    ladder.Tier: "tiers[]",
    ladder.Earning: "tiers[].earning",
    ladder.Range: "criterion (range)",
    ladder.Attribute: "criterion (attribute)",
    ladder.MemberFor: "criterion (member_for)",
    ladder.All: "criterion (all)",
    ladder.Any: "criterion (any)",
    ladder.AtLeast: "criterion (at_least)",
    policy.Assessment: "assessment",
    policy.Start: "start",
    term.WindowEnd: "term (window_end)",
    term.Duration: "term (duration)",
    term.Dates: "term (dates)",
    term.AttributeDate: "term (attribute)",
    term.Rounding: "rounding",
    policy.Renewal: "renewal",
    policy.Lapse: "lapse",
    entries.Override: "override",
    points.Points: "points",
    points.PerAmount: "points.orders",
    expiry.AfterPeriod: "points.expiry (after)",
    expiry.DayOfYear: "points.expiry (day_of_year)",
    earning_rule.EarningRule: "points.rules[]",
    earning_rule.Limit: "points.rules[].limit",
    validity.Validity: "points.rules[].validity",
    validity.DailyHours: "points.rules[].validity.hours[]",
    validity.Recurrence: "points.rules[].validity.recurrence",
    reminders.Reminders: "reminders",
    reminders.TierEndingReminder: "reminders.tier_ending",
    reminders.TierNearReminder: "reminders.tier_near",
    reminders.PointsExpiringReminder: "reminders.points_expiring",
    reminders.TierWaitingReminder: "reminders.tier_waiting",
}
CARRY_OVER = "what a window that has closed brings into the next"
LEADS = "up to five numbers of civil days before, from 1 to 366"
PERIOD = "a period such as `P12M`, `P1Y6M`, `P2W`, `P30D`"
ANCHOR = "`join`, `tier_start`, a date, or `attribute:NAME` (an attribute that holds a date)"
FIELDS: dict[str, str] = {
    "tiers": "the ladder, lowest first, up to 100",
    "metric": "what is counted, and what `from` and `to` of the tiers bound",
    "window": "over which time",
    "measures": "further metrics, each with a window of its own, for criteria to ask for",
    "assessment": "when members may rise (`up`) and fall (`down`)",
    "start": "when an earned tier begins; until then it is a waiting one",
    "term": "how long a tier is held",
    "renewal": "where a renewed term starts, what moves an end that is ahead",
    "lapse": "what follows when a term ends unmet",
    "corrections": "what reversals and late activities may do to a tier already granted",
    "tell_grace": "whether `prolonged` tells once per term that a tier is kept unearned; "
    "not given: unless a window rolls",
    "metric.source": "one of the sources below",
    "metric.filter": "which activities qualify; every part that is given must match",
    "metric.include_pending": "`balance`, `earned`: whether pending points count at once",
    "metric.of": "`sum`: the metadata number to add up",
    "metric.filter.kinds": "`earn`, `order`, `custom`, `adjust`, `transfer_in`, `opening`",
    "metric.filter.names": "names of activities, such as that of a custom event",
    "metric.filter.metadata": "what their metadata must say",
    "metric.filter.not_metadata": "what it must not say: gifts, bonus points",
    "measures.NAME.metric": "as the policy's",
    "measures.NAME.window": "as the policy's; a balance has none",
    "window (since).anchor": ANCHOR,
    "window (rolling).length": PERIOD,
    "window (calendar).unit": "`day`, `week` (Monday), `month`, `quarter`, `half_year`, `year`",
    "window (calendar).offset_months": "moves the first month: 3 with `year` starts on 1 April",
    "window (calendar).offset_days": "moves the first day: 5 more is 6 April",
    "window (calendar).carry_over": CARRY_OVER,
    "window (cycle).length": PERIOD,
    "window (cycle).anchor": ANCHOR,
    "window (cycle).carry_over": CARRY_OVER,
    "window.carry_over.above": "a surplus is what is over the highest of these that is reached",
    "window.carry_over.most": "at most so much of it; not given: all",
    "tiers[].id": "keeps a tier the same tier from version to version",
    "tiers[].name": "as people read it; without a known id, the unchanged name is the identity",
    "tiers[].from": "from so much of the metric on, inclusive; the lowest tier may have none",
    "tiers[].to": "up to so much, inclusive",
    "tiers[].entry": "a criterion instead of `from` and `to`",
    "tiers[].retain": "what keeps the tier once it is held",
    "tiers[].reentry": "what brings somebody back who held it before",
    "tiers[].hidden": "reached by an override alone, and shown to nobody else; bounds nobody",
    "tiers[].invitation": "reached by an override alone",
    "tiers[].term": "instead of the policy's",
    "tiers[].lapse": "the rule instead of the policy's: a protected tier has `keep`",
    "tiers[].earning": "what holding the tier does to the points of orders",
    "tiers[].earning.multiplier": "in percent: 150 is 1.5 times; rounded half up",
    "tiers[].earning.fixed": "so many points whatever the order",
    "criterion (range).from": "at least; null: no lower bound, a debt holds as well",
    "criterion (range).to": "at most",
    "criterion (range).metric": "a measure's name; without one the policy's metric",
    "criterion (attribute).name": "which attribute",
    "criterion (attribute).is": "its value, exactly: text, number, true or false",
    "criterion (member_for).length": PERIOD,
    "criterion (all).of": "criteria, nested up to eight deep",
    "criterion (any).of": "criteria",
    "criterion (at_least).k": "how many of them",
    "criterion (at_least).of": "criteria",
    "assessment.up": "see the values below",
    "assessment.down": "see the values below; a running term is always waited for",
    "start.when": "see the values below",
    "start.after": "with `after`: how long",
    "term (window_end).windows": "how many windows after the one that earned it, up to 12",
    "term (window_end).extend": "so much further",
    "term (window_end).rounding": "then to an edge of the calendar",
    "term (duration).length": PERIOD,
    "term (duration).rounding": "then to an edge of the calendar",
    "term (duration).inclusive": "whether the day reached is still valid, or the first without",
    "term (duration).clock": "`grant`: from the start; `drop`: from when it is no longer earned",
    "term (dates).days": "days of the year",
    "term (attribute).name": "an attribute that holds a date",
    "rounding.unit": "as a calendar window's",
    "rounding.edge": "`end` rounds up; `start` rounds back, not before the term's start",
    "rounding.month": "instead of a unit: to the end of the next month so numbered, from 1",
    "renewal.basis": "see the values below",
    "renewal.restart": "see the values below",
    "lapse.then": "see the values below",
    "lapse.grace": "kept so long after the last valid day; earned again within it, it is renewed",
    "lapse.grace_rounding": "then to an edge of the calendar: `end` rounds up",
    "lapse.min_stay": "a tier newly reached is kept at least so long",
    "override.kind": "see the values below",
    "override.tier": "which tier; with `pin` none means: in no tier; a `hold` names none",
    "override.starts_at": "from when; not given: at once",
    "override.until": "exclusive; not given: until it is released",
    "override.then": "see the values below",
    "override.source": "on what ground",
    "override.reason": "why, in words",
    "override.actor": "who",
    "points.expiry": "see the values below",
    "points.pending_days": "points of `earn`, `order`, `custom` are active so many days later",
    "points.orders": "what an order earns, where its sender does not say",
    "points.crossing": "whose rate an order gets that itself reaches a tier",
    "points.rules": "earning rules, up to 100",
    "points.stacking": "see the values below",
    "points.rules[].id": "names the rule in answers, explanations and filters",
    "points.rules[].trigger": "what gives the points: see the values below",
    "points.rules[].points": "how many: see the values below",
    "points.rules[].name": "as people read it",
    "points.rules[].tiers": "by tier id: `multiplier` or `fixed`, instead of the tier's `earning`",
    "points.rules[].starts_on": "the first day, in the project's time zone",
    "points.rules[].ends_on": "the last day",
    "points.rules[].limit": "how much of it one member may get; a date gives once a year anyway",
    "points.rules[].pending_days": "instead of the program's",
    "points.rules[].expiry": "instead of the program's",
    "points.rules[].active": "`false`: the rule gives nothing",
    "points.rules[].validity": "when it gives, more exactly; all parts that are given must hold",
    "points.rules[].validity.starts_at": "from this instant on",
    "points.rules[].validity.ends_at": "until before this instant",
    "points.rules[].validity.weekdays": "on these days of the week, 1 = Monday to 7 = Sunday",
    "points.rules[].validity.hours": "at these hours, in the project's time zone",
    "points.rules[].validity.recurrence": "for a while again and again, counted from `starts_at`",
    "points.rules[].validity.hours[].from": "an hour like `08:30`",
    "points.rules[].validity.hours[].to": "exclusive; not later than `from`: on the next day",
    "points.rules[].validity.hours[].weekdays": "on which it begins; not given: all",
    "points.rules[].validity.recurrence.duration": "for so long: `PT1H`, `P1DT12H`",
    "points.rules[].validity.recurrence.interval": "once in so long: `P1D`",
    "points.rules[].limit.times": "so often at most",
    "points.rules[].limit.points": "so many points at most; the last time gives what is left",
    "points.rules[].limit.per": "in each calendar period; not given: ever",
    "points.orders.every": "for every whole so many minor units",
    "points.orders.points": "so many points",
    "points.orders.expiry": "instead of the program's, for points of orders",
    "points.expiry (after).length": PERIOD + "; `P0M`: to the end of the day",
    "points.expiry (after).round_to": "then to the end of such a unit, as a calendar window's",
    "points.expiry (after).month": "or of the next month so numbered, from 1",
    "points.expiry (day_of_year).day": "`MM-DD`",
    "reminders.tier_ending": "of the end of a tier that would be lost",
    "reminders.tier_near": "of the next tier",
    "reminders.points_expiring": "of points that expire",
    "reminders.tier_waiting": "of a tier that was earned and begins later",
    "reminders.tier_skipped": "see the values below",
    "reminders.tier_ending.lead_days": LEADS,
    "reminders.points_expiring.lead_days": LEADS,
    "reminders.tier_waiting.lead_days": LEADS + ", beside the moment at which it is earned",
    "reminders.tier_near.within": "so much of the tier's metric is missing, or less",
    "reminders.tier_near.percent": "or so much of the tier's threshold, in percent",
    "reminders.tier_near.cool_down_days": "nobody hears it twice within so many times 24 hours",
}


def fields() -> Iterator[str]:
    """Every field that there is; one without a meaning fails here."""
    yield "| field | if not given | meaning |"
    yield "|---|---|---|"
    for struct, where in WHERE.items():
        for field in msgspec.structs.fields(struct):
            path = f"{where}.{field.encode_name}".removeprefix(".")
            if path == "override.id":
                continue  # given by us
            yield f"| `{path}` | {_default(field)} | {FIELDS[path]} |"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    value = msgspec.to_builtins(field.default) if field.default is not msgspec.NODEFAULT else {}
    if isinstance(value, dict) and "type" in value:
        return f"`{value['type']}`"
    if value in (None, {}, ()) or field.name == "starts_at" or isinstance(value, dict | list):
        return "–"
    return f"`{str(value).lower()}`"


def occasions() -> Iterator[str]:
    yield "| kind | when |"
    yield "|---|---|"
    for field in msgspec.structs.fields(reminders.Reminders):
        value = next(t for t in typing.get_args(field.type) if isinstance(t, type))
        words = " ".join((value.__doc__ or "").split())
        if field.name == "tier_skipped":
            words = "Told of each tier that a move upward skips, right after the move."
        yield f"| `{field.name}` | {words} |"


SECTIONS = {
    "transitions": transitions,
    "order": order,
    "fields": fields,
    "parts": parts,
    "reminders": occasions,
}


def printed(page: str) -> str:
    """The page with every generated section as the code says it now."""
    for name, lines in SECTIONS.items():
        start = f"<!-- {name}: printed from the code -->\n"
        before, _, rest = page.partition(start)
        after = rest.partition("<!-- end -->")[2]
        page = "".join((before, start, *(f"{line}\n" for line in lines()), "<!-- end -->", after))
    return page


if __name__ == "__main__":
    PAGE.write_text(printed(PAGE.read_text()))
