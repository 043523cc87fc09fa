"""Whether reminders can be told as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from tierline.model import calendar
from tierline.rules.expiry import AfterPeriod, NoExpiry
from tierline.rules.lint.finding import Finding, warning
from tierline.rules.program import Rules
from tierline.rules.term import Duration, Term, WindowEnd
from tierline.rules.window import Calendar, Cycle, Window


def reminders(rules: Rules) -> Iterator[Finding]:
    """Everything to say about a program's reminders."""
    yield from _leads(rules)
    yield from _near(rules)
    yield from _ending(rules)
    yield from _expiring(rules)
    yield from _waiting(rules)


def _leads(rules: Rules) -> Iterator[Finding]:
    for kind in ("tier_ending", "points_expiring", "tier_waiting"):
        reminder = getattr(rules.reminders, kind)
        days = () if reminder is None else reminder.lead_days
        for i, lead in enumerate(days):
            if lead in days[:i]:
                yield Finding(f"reminders.{kind}.lead_days[{i}]", f"names {lead} days twice")


def _near(rules: Rules) -> Iterator[Finding]:
    near = rules.reminders.tier_near
    if near is not None and (near.within is None) == (near.percent is None):
        reason = "needs a distance: give either within or percent"
        yield Finding("reminders.tier_near", reason)


def _ending(rules: Rules) -> Iterator[Finding]:
    """A lead that is longer than the term lies before the term begins: nothing is told then."""
    policy = rules.policy
    terms = {policy.term, *(tier.term for tier in policy.tiers if tier.term is not None)}
    days = [days for term in terms if (days := _days(term, policy.window)) is not None]
    if days:
        yield from _too_long(rules, "tier_ending", min(days), "the term, which may be as short as")


def _days(term: Term, window: Window) -> int | None:
    """How long a whole term is at least; None: that has no length."""
    if isinstance(term, Duration):
        return _shortest(term.length)
    if isinstance(term, WindowEnd) and isinstance(window, Calendar | Cycle):
        extension = 0 if term.extend is None else _shortest(term.extend)
        return window.shortest * max(term.windows, 1) + extension
    return None


def _expiring(rules: Rules) -> Iterator[Finding]:
    if rules.reminders.points_expiring is None:
        return
    points = rules.points
    own = [rule.expiry for rule in points.rules if rule.expiry is not None]
    if points.orders is not None and points.orders.expiry is not None:
        own.append(points.orders.expiry)
    expiries = [points.expiry, *own]
    if all(isinstance(expiry, NoExpiry) for expiry in expiries):
        reason = "points never expire by these rules: only those with an expiry of their own do"
        yield warning("reminders.points_expiring", reason)
    lengths = [_shortest(e.length) for e in expiries if isinstance(e, AfterPeriod)]
    if lengths:
        yield from _too_long(rules, "points_expiring", min(lengths), "points live, which may be")


def _waiting(rules: Rules) -> Iterator[Finding]:
    if rules.reminders.tier_waiting is None:
        return
    start = rules.policy.start
    if start.when == "immediate":
        reason = "no tier ever waits: policy.start.when is immediate"
        yield warning("reminders.tier_waiting", reason)
    elif start.when == "after" and start.after is not None:
        yield from _too_long(rules, "tier_waiting", _shortest(start.after), "the wait of")


def _too_long(rules: Rules, kind: str, days: int, what: str) -> Iterator[Finding]:
    reminder = getattr(rules.reminders, kind)
    for i, lead in enumerate(() if reminder is None else reminder.lead_days):
        if lead > days:
            reason = f"{lead} days are longer than {what} {days} days: then it is not told"
            yield warning(f"reminders.{kind}.lead_days[{i}]", reason)


def _shortest(period: calendar.Period) -> int:
    """How many days a period has at least, by the days from which it is often counted."""
    starts = (calendar.parse_day(day) for day in ("2023-02-01", "2023-01-31", "2023-03-01"))
    return min(calendar.add_period(day, period) - day for day in starts)
