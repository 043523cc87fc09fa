"""Writes `calendar.json`, or checks it (`--check`): the civil dates are typed here by hand from
the sources that each note names; the instants are added by the standard library (`zoneinfo` with
the `tzdata` package). Nothing here imports Tierline.

    python tests/data/vectors/generate.py [--check]
"""

from __future__ import annotations

import json
import sys
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

zoneinfo.reset_tzpath(to=())
FILE = Path(__file__).with_name("calendar.json")
DAY = timedelta(days=1)
Case = dict[str, Any]


def first_instant(zone: str, day: str) -> datetime:
    """The first instant at which the local date is `day` or later, found minute by minute."""
    info = zoneinfo.ZoneInfo(zone)
    wanted = date.fromisoformat(day)
    at = datetime(wanted.year, wanted.month, wanted.day, tzinfo=UTC) - timedelta(hours=30)
    while at.astimezone(info).date() < wanted:
        at += timedelta(minutes=1)
    # Zones once kept local mean time: offsets of odd seconds.
    at -= timedelta(minutes=1)
    while at.astimezone(info).date() < wanted:
        at += timedelta(seconds=1)
    return at


def iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def after(day: str) -> str:
    return (date.fromisoformat(day) + DAY).isoformat()


# zone, day, note
DAYS = """
UTC                  2024-02-29  leap day
Europe/Berlin        2024-03-10  an ordinary day, east of Greenwich
Europe/Berlin        2024-03-31  23 hours: clocks go forward at 02:00
Europe/Berlin        2024-10-27  25 hours: clocks go back at 03:00
America/New_York     2024-03-10  23 hours, west of Greenwich
America/New_York     2024-11-03  25 hours
America/Los_Angeles  2024-12-31  the year ends eight hours after UTC's
Asia/Kolkata         2024-04-01  half-hour zone, +05:30
Asia/Kathmandu       2024-04-01  three-quarter zone, +05:45
Asia/Kathmandu       1986-01-01  23 h 45 min: the zone moved from +05:30 to +05:45 at midnight
Australia/Lord_Howe  2024-04-07  24.5 hours: summer time there is half an hour
Australia/Lord_Howe  2024-10-06  23.5 hours
Pacific/Chatham      2024-04-07  25 hours in a zone of +12:45/+13:45
America/St_Johns     2024-03-10  23 hours in a zone of -03:30/-02:30
America/St_Johns     2010-11-07  clocks went back at 00:01: the day had begun and goes on
America/Sao_Paulo    2018-11-04  no midnight: clocks went forward at 00:00, the day begins at 01:00
America/Sao_Paulo    2018-02-17  25 hours: clocks went back at the end of the day, 23:00 came twice
Africa/Cairo         2014-05-16  no midnight: clocks went forward at 00:00
Africa/Cairo         2024-04-26  no midnight: clocks go forward at 00:00 on the last Friday of April
Africa/Cairo         2024-10-31  25 hours: clocks go back at 24:00, 23:00 comes twice
Asia/Beirut          2024-03-31  no midnight
America/Havana       2024-03-10  no midnight
America/Havana       2024-11-03  00:00 comes twice: the day begins with the first
America/Asuncion     2024-03-24  clocks went back at 00:00 into the day before
Pacific/Apia         2011-12-29  the last day before the date line moved
Pacific/Apia         2011-12-30  never was: it is empty, and begins when 31 December begins
Pacific/Apia         2011-12-31  the day after the one that never was
Pacific/Kiritimati   2024-01-01  +14:00, the first to see a new year
Pacific/Pago_Pago    2024-01-01  -11:00, among the last
Asia/Tehran          2022-03-22  clocks went forward at 00:00 for the last time
Europe/London        2024-03-31  23 hours, and UTC before
Africa/Casablanca    2024-03-10  clocks go back for Ramadan at 03:00
Antarctica/Troll     2024-03-31  two hours forward at once: 22 hours
"""

# zone, instant, day, note
INSTANTS = """
Europe/Berlin        2024-03-30T23:00:00.000Z  2024-03-31  the first instant of the day
Europe/Berlin        2024-03-30T22:59:59.999Z  2024-03-30  one millisecond before it
Europe/Berlin        2024-03-31T21:59:59.999Z  2024-03-31  the last millisecond of a day of 23 hours
Europe/Berlin        2024-10-27T00:30:00.000Z  2024-10-27  02:30 the first time
Europe/Berlin        2024-10-27T01:30:00.000Z  2024-10-27  02:30 the second time
America/New_York     2024-01-01T04:59:59.999Z  2023-12-31  a year's last millisecond
America/New_York     2024-01-01T05:00:00.000Z  2024-01-01  a year's first
Asia/Kolkata         2024-03-31T18:30:00.000Z  2024-04-01  half-hour zone
Asia/Kathmandu       2024-03-31T18:14:59.999Z  2024-03-31  three-quarter zone
Asia/Kathmandu       2024-03-31T18:15:00.000Z  2024-04-01  three-quarter zone
America/Sao_Paulo    2018-11-04T03:00:00.000Z  2018-11-04  01:00, where midnight is missing
America/Sao_Paulo    2018-11-04T02:59:59.999Z  2018-11-03  the millisecond before
Pacific/Apia         2011-12-30T09:59:59.999Z  2011-12-29  the last millisecond of 29 December
Pacific/Apia         2011-12-30T10:00:00.000Z  2011-12-31  the next one is on 31 December
America/St_Johns     2010-11-07T02:29:59.999Z  2010-11-06  the last millisecond
America/St_Johns     2010-11-07T02:30:00.000Z  2010-11-07  midnight
America/St_Johns     2010-11-07T02:45:00.000Z  2010-11-07  23:15 again: a day once begun goes on
America/St_Johns     2010-11-07T03:30:00.000Z  2010-11-07  midnight again
America/Havana       2024-11-03T04:30:00.000Z  2024-11-03  00:30 the first time
"""

# from, period, times, to, note
ADDED = """
2024-01-31  P1M     1   2024-02-29  month end, leap year
2023-01-31  P1M     1   2023-02-28  Voucherify 4: 31 Jan + 1 M = 28 Feb
2024-01-30  P1M     1   2024-02-29  clamped
2024-02-29  P1M     1   2024-03-29  the day is kept, not the month's end
2024-02-29  P1Y     1   2025-02-28  leap day
2024-02-29  P4Y     1   2028-02-29  leap day to leap day
2024-02-29  P12M    1   2025-02-28  twelve months are a year
2023-02-28  P1Y     1   2024-02-28  not the leap day
2024-08-31  P6M     1   2025-02-28  clamped over a year's end
2024-03-31  P1M     1   2024-04-30  30-day month
2024-12-31  P2M     1   2025-02-28  clamped
2022-11-10  P3M     1   2023-02-10  Voucherify 3.4, before rounding
2024-07-20  P30D    1   2024-08-19  Voucherify v2's 30 days
2024-07-20  P1M     1   2024-08-20  Voucherify v2's month
2024-02-28  P1D     1   2024-02-29  days
2024-02-29  P365D   1   2025-02-28  a year of days
2024-01-31  P1M1D   1   2024-03-01  months first, clamped, then days
2023-12-31  P1Y2M3D 1   2025-03-03  28 Feb 2025 + 3 days
2024-01-31  P1M     2   2024-03-31  twice, counted from the start: no drift to the 29th
2024-02-29  P1Y     3   2027-02-28  third anniversary
2024-02-29  P1Y     4   2028-02-29  fourth anniversary
2024-03-31  P1M     -1  2024-02-29  back
2025-02-28  P1Y     -1  2024-02-28  back
2024-05-01  P1W     1   2024-05-08  weeks
2023-01-31  P0M     1   2023-01-31  nothing
"""

# day, unit, offset months, offset days, first, last, note
SPANS = """
2024-03-10  month      0  0   2024-03-01  2024-03-31  Voucherify 3.2
2024-02-29  month      0  0   2024-02-01  2024-02-29  leap month
2023-02-28  month      0  0   2023-02-01  2023-02-28
2024-12-31  month      0  0   2024-12-01  2024-12-31  last day belongs to it
2024-01-01  month      0  0   2024-01-01  2024-01-31  first day too
2024-03-31  quarter    0  0   2024-01-01  2024-03-31  Jan-Mar
2024-04-01  quarter    0  0   2024-04-01  2024-06-30  Apr-Jun
2024-08-15  quarter    0  0   2024-07-01  2024-09-30  Jul-Sep
2024-12-31  quarter    0  0   2024-10-01  2024-12-31  Oct-Dec
2024-06-30  half_year  0  0   2024-01-01  2024-06-30  Jan-Jun
2024-07-01  half_year  0  0   2024-07-01  2024-12-31  Jul-Dec
2024-02-29  year       0  0   2024-01-01  2024-12-31
2024-05-01  week       0  0   2024-04-29  2024-05-05  weeks start on Monday
2024-04-29  week       0  0   2024-04-29  2024-05-05  Monday
2024-05-05  week       0  0   2024-04-29  2024-05-05  Sunday
2025-01-01  week       0  0   2024-12-30  2025-01-05  over a year's end
2024-05-05  day        0  0   2024-05-05  2024-05-05
2024-03-31  year       3  0   2023-04-01  2024-03-31  fiscal year from 1 April
2024-04-01  year       3  0   2024-04-01  2025-03-31  fiscal year from 1 April
2024-04-05  year       3  5   2023-04-06  2024-04-05  British tax year, from 6 April
2024-04-06  year       3  5   2024-04-06  2025-04-05  British tax year
2024-02-10  quarter    1  0   2024-02-01  2024-04-30  quarters from February
2024-01-31  quarter    1  0   2023-11-01  2024-01-31  quarters from February
2024-03-14  month      0  14  2024-02-15  2024-03-14  months from the 15th
2024-03-15  month      0  14  2024-03-15  2024-04-14  months from the 15th
2024-02-01  year       1  0   2024-02-01  2025-01-31  retail year from February
"""

# anchor, length, day, first, last, note
CYCLES = """
2020-02-29  P1Y   2021-02-27  2020-02-29  2021-02-27  the day before the anniversary
2020-02-29  P1Y   2021-02-28  2021-02-28  2022-02-27  settled: Feb 29 turns on Feb 28 in other years
2020-02-29  P1Y   2024-02-28  2023-02-28  2024-02-28  and on Feb 29 in leap years
2020-02-29  P1Y   2024-02-29  2024-02-29  2025-02-27
2022-03-15  P1Y   2024-03-14  2023-03-15  2024-03-14  enrolment anniversary
2022-03-15  P1Y   2024-03-15  2024-03-15  2025-03-14  turns on the anniversary
2024-01-31  P1M   2024-02-28  2024-01-31  2024-02-28  a 31st in a leap February
2024-01-31  P1M   2024-02-29  2024-02-29  2024-03-30
2024-01-31  P1M   2024-03-31  2024-03-31  2024-04-29  no drift: March has its 31st
2024-01-31  P1M   2024-04-30  2024-04-30  2024-05-30
2024-01-01  P60D  2024-02-29  2024-01-01  2024-02-29  days
2024-01-01  P60D  2024-03-01  2024-03-01  2024-04-29
2024-06-15  P1Y   2023-06-15  2023-06-15  2024-06-14  before the anchor
2024-06-15  P1Y   2023-06-14  2022-06-15  2023-06-14  before the anchor
2023-10-01  P6M   2024-04-01  2024-04-01  2024-09-30  half years from October
2021-01-01  P3Y   2024-02-29  2024-01-01  2026-12-31  three years
"""

MONTHLY = {"type": "calendar", "unit": "month"}
QUARTERLY = {"type": "calendar", "unit": "quarter"}
HALF = {"type": "calendar", "unit": "half_year"}
YEARLY = {"type": "calendar", "unit": "year"}
ANNIVERSARY = {"type": "cycle", "length": "P1Y", "anchor": "join"}
THIS, NEXT = {"type": "window_end"}, {"type": "window_end", "windows": 1}


def duration(length: str, rounding: Case | None = None, **more: Any) -> Case:
    made: Case = {"type": "duration", "length": length, **more}
    return made | ({"rounding": rounding} if rounding else {})


def to_end(unit: str) -> Case:
    return {"unit": unit, "edge": "end"}


def dates(*days: str) -> Case:
    return {"type": "dates", "days": list(days)}


# zone, day of the start, window, term, join day, last valid day, note
TERMS: list[tuple[str, str, Case | None, Case, str, str, str]] = [
    # Voucherify
    (
        "UTC",
        "2022-11-10",
        None,
        duration("P3M", to_end("month")),
        "",
        "2023-02-28",
        "V 3.4 CUSTOM, the published example: P3M, rounding MONTH/END",
    ),
    ("UTC", "2024-03-10", MONTHLY, THIS, "", "2024-03-31", "V 3.4 END_OF_PERIOD"),
    (
        "UTC",
        "2024-03-10",
        MONTHLY,
        THIS | {"extend": "P7D"},
        "",
        "2024-04-07",
        "V 3.4 END_OF_PERIOD with P7D",
    ),
    ("UTC", "2024-03-10", MONTHLY, NEXT, "", "2024-04-30", "V 3.4 END_OF_NEXT_PERIOD"),
    (
        "UTC",
        "2024-04-01",
        MONTHLY,
        THIS,
        "",
        "2024-04-30",
        "V 3.3 NEXT_PERIOD: reached 10 March, starts 1 April",
    ),
    (
        "UTC",
        "2024-03-10",
        MONTHLY,
        NEXT | {"extend": "P1M"},
        "",
        "2024-05-30",
        "30 April + P1M keeps the day",
    ),
    ("UTC", "2025-12-10", YEARLY, THIS, "", "2025-12-31", "V 3.2: ends 2026-01-01 00:00"),
    ("UTC", "2024-01-15", MONTHLY, NEXT, "", "2024-02-29", "into a leap February"),
    ("UTC", "2023-12-31", MONTHLY, NEXT, "", "2024-01-31", "over a year's end"),
    ("UTC", "2024-05-20", QUARTERLY, THIS, "", "2024-06-30", "quarter"),
    ("UTC", "2024-05-20", QUARTERLY, NEXT, "", "2024-09-30", "next quarter"),
    ("UTC", "2024-05-20", HALF, NEXT, "", "2024-12-31", "next half year"),
    ("UTC", "2024-05-20", YEARLY, NEXT, "", "2025-12-31", "next year"),
    (
        "UTC",
        "2024-05-20",
        MONTHLY,
        {"type": "window_end", "windows": 2},
        "",
        "2024-07-31",
        "two windows later",
    ),
    ("UTC", "2024-01-31", None, duration("P1M"), "", "2024-02-29", "clamped, leap year"),
    ("UTC", "2023-01-31", None, duration("P1M"), "", "2023-02-28", "clamped"),
    ("UTC", "2024-02-29", None, duration("P1Y"), "", "2025-02-28", "from a leap day"),
    (
        "UTC",
        "2024-02-10",
        None,
        duration("P3M", to_end("quarter")),
        "",
        "2024-06-30",
        "6.3: BALANCE + CUSTOM P3M, rounded to the quarter's end",
    ),
    (
        "UTC",
        "2024-02-10",
        None,
        duration("P3M", to_end("half_year")),
        "",
        "2024-06-30",
        "half year",
    ),
    ("UTC", "2024-02-10", None, duration("P3M", to_end("year")), "", "2024-12-31", "year"),
    (
        "UTC",
        "2024-02-10",
        None,
        duration("P3M", {"unit": "month", "edge": "start"}),
        "",
        "2024-05-01",
        "V 3.4 START (our choice): the unit's first day",
    ),
    (
        "UTC",
        "2024-02-10",
        None,
        duration("P10D", {"unit": "year", "edge": "start"}),
        "",
        "2024-02-10",
        "START never before the start itself",
    ),
    (
        "UTC",
        "2024-02-10",
        None,
        duration("P3M", {"month": 1}),
        "",
        "2025-01-31",
        "V 3.4 CUSTOM rounding, value 0 (January): the next January's end",
    ),
    (
        "UTC",
        "2024-02-10",
        None,
        duration("P3M", {"month": 5}),
        "",
        "2024-05-31",
        "the month itself counts",
    ),
    (
        "UTC",
        "2023-11-10",
        None,
        duration("P3M", {"month": 2}),
        "",
        "2024-02-29",
        "the end of a leap February",
    ),
    # Voucherify v2
    (
        "UTC",
        "2024-07-20",
        None,
        duration("P30D"),
        "",
        "2024-08-19",
        "v2: 30 days from 20 July end 20 Aug 00:00 (counted inclusively)",
    ),
    (
        "UTC",
        "2024-07-20",
        None,
        duration("P30D", inclusive=False),
        "",
        "2024-08-18",
        "our exact 30 days end 19 Aug 00:00",
    ),
    (
        "UTC",
        "2024-07-20",
        None,
        duration("P1M", inclusive=False),
        "",
        "2024-08-19",
        "v2: a month from 20 July ends 19 Aug 23:59:59, that is 20 Aug 00:00",
    ),
    ("UTC", "2024-07-20", None, dates("12-31"), "", "2024-12-31", "v2 CALENDAR_EXPIRATION"),
    (
        "UTC",
        "2024-12-31",
        None,
        dates("12-31"),
        "",
        "2024-12-31",
        "settled: earned on that day, it ends with it",
    ),
    ("UTC", "2024-07-20", None, dates("01-31", "06-30", "12-31"), "", "2024-12-31", "the next one"),
    ("UTC", "2024-12-31", None, dates("01-31", "06-30"), "", "2025-01-31", "over a year's end"),
    ("UTC", "2023-01-10", None, dates("02-29"), "", "2023-02-28", "Feb 29 is Feb 28 elsewhere"),
    ("UTC", "2024-01-10", None, dates("02-29"), "", "2024-02-29", "and itself in leap years"),
    # LoyaltyLion
    (
        "Europe/London",
        "2017-03-03",
        None,
        duration("P12M", inclusive=False),
        "",
        "2018-03-02",
        "LL 3.2 rolling: local midnight of the start day + N months",
    ),
    (
        "Europe/London",
        "2024-02-29",
        None,
        duration("P12M", inclusive=False),
        "",
        "2025-02-27",
        "rolling, clamped to 28 Feb 2025 00:00",
    ),
    (
        "Europe/London",
        "2024-08-31",
        None,
        duration("P6M", inclusive=False),
        "",
        "2025-02-27",
        "rolling, clamped",
    ),
    (
        "America/New_York",
        "2024-05-20",
        YEARLY,
        NEXT,
        "",
        "2025-12-31",
        "LL 3.2 calendar: $500 in 2024 is Gold for the rest of 2024 and all 2025",
    ),
    ("America/New_York", "2024-05-20", YEARLY, THIS, "", "2024-12-31", "LL windows 0"),
    (
        "America/New_York",
        "2024-05-20",
        {**YEARLY, "offset_months": 3},
        NEXT,
        "",
        "2026-03-31",
        "LL evaluation period from 1 April, windows 1",
    ),
    (
        "UTC",
        "2023-06-01",
        ANNIVERSARY,
        THIS,
        "2020-02-29",
        "2024-02-28",
        "LL enrolment anniversary of a Feb 29",
    ),
    (
        "UTC",
        "2023-06-01",
        ANNIVERSARY,
        NEXT,
        "2020-02-29",
        "2025-02-27",
        "LL enrolment anniversary, windows 1",
    ),
    (
        "UTC",
        "2024-03-15",
        ANNIVERSARY,
        THIS,
        "2022-03-15",
        "2025-03-14",
        "on the anniversary the new window counts",
    ),
    # Zones: the same civil term, other instants
    (
        "Europe/Berlin",
        "2024-03-01",
        MONTHLY,
        THIS,
        "",
        "2024-03-31",
        "ends at the midnight after a day of 23 hours",
    ),
    ("Europe/Berlin", "2024-10-01", MONTHLY, THIS, "", "2024-10-31", "back in winter time"),
    ("Asia/Kolkata", "2024-03-10", MONTHLY, THIS, "", "2024-03-31", "half-hour zone"),
    ("Asia/Kathmandu", "2024-03-10", MONTHLY, THIS, "", "2024-03-31", "three-quarter zone"),
    ("Pacific/Kiritimati", "2024-12-10", YEARLY, THIS, "", "2024-12-31", "far east"),
    ("Pacific/Pago_Pago", "2024-12-10", YEARLY, THIS, "", "2024-12-31", "far west"),
    (
        "America/Sao_Paulo",
        "2018-10-04",
        None,
        duration("P1M", inclusive=False),
        "",
        "2018-11-03",
        "ends on a day without midnight, at 01:00",
    ),
    (
        "Africa/Cairo",
        "2024-03-26",
        None,
        duration("P1M", inclusive=False),
        "",
        "2024-04-25",
        "ends on a day without midnight",
    ),
    (
        "Pacific/Apia",
        "2011-11-29",
        None,
        duration("P1M"),
        "",
        "2011-12-29",
        "ends where a day was skipped",
    ),
    (
        "Pacific/Apia",
        "2011-11-30",
        None,
        duration("P1M"),
        "",
        "2011-12-30",
        "last valid on a day that never was: the same instant",
    ),
    ("Pacific/Apia", "2011-12-10", MONTHLY, THIS, "", "2011-12-31", "a December of 30 days"),
    (
        "America/Havana",
        "2024-10-03",
        None,
        duration("P1M", inclusive=False),
        "",
        "2024-11-02",
        "the first of two midnights",
    ),
    ("Australia/Lord_Howe", "2024-10-01", MONTHLY, THIS, "", "2024-10-31", "half an hour forward"),
]


def expiring(length: str, **more: Any) -> Case:
    return {"type": "after", "length": length, **more}


# zone, day of the points, rule, last day on which they can be spent (None: for ever), note
POINTS: list[tuple[str, str, Case, str | None, str]] = [
    ("UTC", "2023-01-31", expiring("P1M"), "2023-02-28", "V 4: 31 Jan + 1 M = 28 Feb"),
    ("UTC", "2024-01-31", expiring("P1M"), "2024-02-29", "in a leap year"),
    ("UTC", "2024-05-10", expiring("P0M"), "2024-05-10", "V 4: 0 months = end of the same day"),
    ("UTC", "2024-05-10", expiring("P3M", round_to="month"), "2024-08-31", "END_OF_MONTH"),
    ("UTC", "2024-05-10", expiring("P3M", round_to="quarter"), "2024-09-30", "END_OF_QUARTER"),
    ("UTC", "2024-05-10", expiring("P3M", round_to="half_year"), "2024-12-31", "END_OF_HALF_YEAR"),
    ("UTC", "2024-05-10", expiring("P3M", round_to="year"), "2024-12-31", "END_OF_YEAR"),
    (
        "UTC",
        "2025-05-10",
        expiring("P6M", month=1),
        "2026-01-31",
        "V 4 PARTICULAR_MONTH, value 1 is January: the sample's 2026-01-31",
    ),
    ("UTC", "2025-07-10", expiring("P6M", month=1), "2026-01-31", "the month reached counts"),
    ("UTC", "2023-05-10", expiring("P0M", month=2), "2024-02-29", "the end of a leap February"),
    (
        "UTC",
        "2024-05-10",
        {"type": "day_of_year", "day": "12-31"},
        "2024-12-31",
        "FIXED_DAY_OF_YEAR: the next one",
    ),
    (
        "UTC",
        "2024-12-31",
        {"type": "day_of_year", "day": "12-31"},
        "2024-12-31",
        "settled: earned on that day, it expires at its end",
    ),
    ("UTC", "2024-07-01", {"type": "day_of_year", "day": "06-30"}, "2025-06-30", "next year's"),
    ("UTC", "2023-03-01", {"type": "day_of_year", "day": "02-29"}, "2024-02-29", "a leap day"),
    ("UTC", "2024-03-01", {"type": "day_of_year", "day": "02-29"}, "2025-02-28", "or the 28th"),
    ("UTC", "2024-05-10", {"type": "never"}, None, "NON_EXPIRING"),
    ("Europe/Berlin", "2024-02-29", expiring("P1M"), "2024-03-29", "winter time"),
    (
        "Europe/Berlin",
        "2024-02-29",
        expiring("P1M", round_to="month"),
        "2024-03-31",
        "the midnight after a day of 23 hours",
    ),
    ("Asia/Kathmandu", "2024-05-10", expiring("P1M"), "2024-06-10", "three-quarter zone"),
    ("America/New_York", "2024-10-03", expiring("P1M"), "2024-11-03", "a day of 25 hours"),
    ("America/Sao_Paulo", "2018-10-03", expiring("P1M"), "2018-11-03", "until a missing midnight"),
    ("Pacific/Apia", "2011-11-29", expiring("P1M"), "2011-12-29", "until a missing day"),
]

# zone, day of the amount, length, first day on which it no longer counts, note
ROLLING = """
UTC               2024-02-29  P12M  2025-02-28  settled: clamped to the month's end
UTC               2023-03-10  P12M  2024-03-10  LL rolling twelve months
UTC               2024-01-31  P1M   2024-02-29  clamped
UTC               2023-03-10  P365D 2024-03-09  365 days over a leap day
Europe/Berlin     2023-10-31  P5M   2024-03-31  leaves at the start of a day of 23 hours
Asia/Kathmandu    2024-01-15  P30D  2024-02-14  three-quarter zone
America/New_York  2024-05-31  P1M   2024-06-30  clamped
"""


# last valid day of the term, grace, rounding, last valid day of the grace, note
GRACE: list[tuple[str, str, Case | None, str, str]] = [
    ("2024-06-30", "P1M", None, "2024-07-30", "a month after the last valid day"),
    ("2024-06-30", "P1M", to_end("month"), "2024-07-31", "round_up"),
    ("2024-01-31", "P1M", None, "2024-02-29", "clamped"),
    ("2024-06-30", "P7D", None, "2024-07-07", "days"),
    ("2024-02-29", "P1Y", None, "2025-02-28", "a year after a leap day"),
    ("2024-06-30", "P7D", to_end("quarter"), "2024-09-30", "rounded to the quarter's end"),
]


def rows(text: str, columns: int) -> list[list[str]]:
    made = []
    for line in text.strip().splitlines():
        parts = line.split(None, columns)
        made.append(parts + [""] * (columns + 1 - len(parts)))
    return made


def day_cases() -> list[Case]:
    made = []
    for zone, day, note in rows(DAYS, 2):
        start, end = first_instant(zone, day), first_instant(zone, after(day))
        made.append(
            {"zone": zone, "day": day, "starts_at": iso(start), "ends_at": iso(end),
             "minutes": int((end - start) / timedelta(minutes=1)), "note": note}
        )  # fmt: skip
    return made


def term_cases() -> list[Case]:
    return [
        {"zone": zone, "start": start, "starts_at": iso(first_instant(zone, start)),
         "window": window, "term": term, "joined": joined or None, "last_valid_day": last,
         "ends_at": iso(first_instant(zone, after(last))), "note": note}
        for zone, start, window, term, joined, last, note in TERMS
    ]  # fmt: skip


def point_cases() -> list[Case]:
    return [
        {"zone": zone, "day": day, "rule": rule, "last_valid_day": last,
         "expires_at": None if last is None else iso(first_instant(zone, after(last))),
         "note": note}
        for zone, day, rule, last, note in POINTS
    ]  # fmt: skip


def vectors() -> dict[str, list[Case]]:
    return {
        "days": day_cases(),
        "instants": [
            {"zone": z, "instant": i, "day": d, "note": n} for z, i, d, n in rows(INSTANTS, 3)
        ],
        "added": [
            {"from": f, "period": p, "times": int(t), "to": to, "note": n}
            for f, p, t, to, n in rows(ADDED, 4)
        ],
        "calendar_windows": [
            {"day": d, "unit": u, "offset_months": int(m), "offset_days": int(x), "first_day": f,
             "last_day": e, "note": n}
            for d, u, m, x, f, e, n in rows(SPANS, 6)
        ],
        "cycles": [
            {"anchor": a, "length": p, "day": d, "first_day": f, "last_day": e, "note": n}
            for a, p, d, f, e, n in rows(CYCLES, 5)
        ],
        "rolling": [
            {"zone": z, "day": d, "length": p, "leaves_on": o,
             "leaves_at": iso(first_instant(z, o)), "note": n}
            for z, d, p, o, n in rows(ROLLING, 4)
        ],
        "terms": term_cases(),
        "grace": [
            {"term_last_valid_day": d, "grace": g, "rounding": r, "last_valid_day": e, "note": n}
            for d, g, r, e, n in GRACE
        ],
        "points": point_cases(),
    }  # fmt: skip


def text() -> str:
    """One case per line."""
    parts = []
    for name, cases in vectors().items():
        lines = ",\n    ".join(json.dumps(case, ensure_ascii=False) for case in cases)
        parts.append(f'  "{name}": [\n    {lines}\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if FILE.read_text(encoding="utf-8") == text() else "calendar.json is stale")
    FILE.write_text(text(), encoding="utf-8")
