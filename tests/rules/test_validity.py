"""When an earning rule gives: instants, days of the week, hours, and again and again."""

from __future__ import annotations

import pytest

from tierline.model.calendar import format_day, parse_day, parse_instant, weekday, zone
from tierline.rules.validity import DailyHours, Recurrence, Validity, length_ms, minute_of

WARSAW = zone("Europe/Warsaw")
MONDAY = "2026-11-30"
DAY_TIMES = Validity(hours=(DailyHours("08:00", "10:00"),))
WEEKDAYS = Validity(weekdays=(1, 2))
NIGHT = Validity(hours=(DailyHours("22:00", "02:00", (1,)),))
HOURLY = Validity(starts_at="2026-11-01T08:00:00Z", recurrence=Recurrence("PT1H", "P2D"))
SPAN = Validity(starts_at="2026-11-02T13:00:00Z", ends_at="2026-12-03T14:30:00Z")


@pytest.mark.parametrize(
    ("validity", "at", "holds"),
    [
        (Validity(), "2026-11-30T00:00:00Z", True),
        (SPAN, "2026-11-02T12:59:59.999Z", False),
        (SPAN, "2026-11-02T13:00:00Z", True),
        (SPAN, "2026-12-03T14:29:59Z", True),
        (SPAN, "2026-12-03T14:30:00Z", False),
        (WEEKDAYS, "2026-11-29T22:59:00Z", False),  # Sunday, in Warsaw still
        (WEEKDAYS, "2026-11-29T23:00:00Z", True),
        (WEEKDAYS, "2026-12-01T23:00:00Z", False),
        (DAY_TIMES, "2026-11-30T06:59:00Z", False),
        (DAY_TIMES, "2026-11-30T07:00:00Z", True),
        (DAY_TIMES, "2026-11-30T09:00:00Z", False),
        (NIGHT, "2026-11-30T21:00:00Z", True),  # Monday night
        (NIGHT, "2026-12-01T00:59:00Z", True),  # which ends on Tuesday
        (NIGHT, "2026-12-01T21:00:00Z", False),
        (NIGHT, "2026-11-30T00:59:00Z", False),  # Sunday's night
        (HOURLY, "2026-11-01T08:59:00Z", True),
        (HOURLY, "2026-11-01T09:00:00Z", False),
        (HOURLY, "2026-11-02T08:30:00Z", False),
        (HOURLY, "2026-11-03T08:30:00Z", True),
        (HOURLY, "2026-10-30T08:30:00Z", False),  # before it began
    ],
)
def test_when_a_rule_gives(validity: Validity, at: str, holds: bool) -> None:
    """In the project's time zone."""
    assert validity.holds(parse_instant(at), WARSAW) is holds


def test_lengths_and_hours() -> None:
    assert (length_ms("PT1H"), length_ms("P1DT12H"), length_ms("PT90M")) == (
        3_600_000,
        129_600_000,
        5_400_000,
    )
    assert minute_of("08:30") == 510


def test_days_of_the_week() -> None:
    monday = parse_day(MONDAY)
    assert [weekday(monday + n) for n in range(7)] == [1, 2, 3, 4, 5, 6, 7]
    assert format_day(monday) == MONDAY
