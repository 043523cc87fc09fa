"""Reminders as scenarios write them, and as the slow evaluator tells them."""

from __future__ import annotations

from tests.engine.driver import Driver
from tests.reference import civil
from tests.reference.reminders import ExpectedReminder
from tierline.model.reminder import Reminder


def reminder_wording(zone: civil.Zone, reminder: Reminder) -> str:
    """`tier_ending gold, 30 days before 2025-01-01 00:00, then silver, needs 40 from …`"""
    words = f"{reminder.kind} {_subject(reminder)}"
    show = zone.show
    if reminder.lead_days is not None:
        words += f", {reminder.lead_days} days before {show(reminder.when)}"
    elif reminder.kind == "tier_waiting":
        words += f", from {show(reminder.when)}"
    elif reminder.when is not None:
        words += f", until {show(reminder.when)}"
    if reminder.kind == "tier_ending":
        words += f", then {reminder.tier_then or 'none'}"
    if reminder.needed is not None:
        words += f", needs {reminder.needed}"
    if reminder.metric is not None:
        words += f" of {reminder.metric}"
    if reminder.counts_from is not None and reminder.counts_from > reminder.at:
        words += f" from {show(reminder.counts_from)}"
    if len(reminder.amounts) > 1:
        words += ": " + " and ".join(f"{points} on {show(at)}" for at, points in reminder.amounts)
    if reminder.unique_until is not None:
        words += f", not again before {show(reminder.unique_until)}"
    return words


def _subject(reminder: Reminder) -> str:
    if reminder.kind == "points_expiring":
        return str(reminder.points)
    return str(reminder.tier if reminder.kind == "tier_ending" else reminder.tier_then)


def reminders_of(driver: Driver) -> list[ExpectedReminder]:
    return sorted(expected_reminder(r) for r in driver.announced if isinstance(r, Reminder))


def expected_reminder(made: Reminder) -> ExpectedReminder:
    near = made.kind == "tier_near"
    return ExpectedReminder(
        at=made.at,
        kind=made.kind,
        tier_then=made.tier_then or "",
        when=0 if near else made.when or 0,
        lead_days=made.lead_days or 0,
        needed=made.needed or 0 if near else 0,
        points=made.points or 0,
        amounts=made.amounts,
        unique_until=made.unique_until or 0,
        entry=made.entry or 0,
    )


def unequal(expected: list[ExpectedReminder], actual: list[ExpectedReminder]) -> list[str]:
    problems = [f"only the engine tells {r}" for r in actual if r not in expected]
    problems += [f"the engine does not tell {r}" for r in expected if r not in actual]
    if not problems and expected != actual:
        problems.append("something is told twice")
    return problems[:3]
