"""Writes `calendar.json`, or checks it (`--check`): the civil dates come from `cases.txt`, typed by
hand from the sources that each note names; the instants are added by the standard library
(`zoneinfo` with the `tzdata` package). Nothing here imports Tierline.

    python tests/data/vectors/generate.py [--check]
"""

from __future__ import annotations

import json
import sys
import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

zoneinfo.reset_tzpath(to=())
FILE = Path(__file__).with_name("calendar.json")
CASES = Path(__file__).with_name("cases.txt")
DAY = timedelta(days=1)
Case = dict[str, Any]


def first_instant(zone: str, day: str) -> datetime:
    """The first instant at which the local date is `day` or later, found minute by minute."""
    info = zoneinfo.ZoneInfo(zone)
    target = date.fromisoformat(day)
    at = datetime(target.year, target.month, target.day, tzinfo=UTC) - timedelta(hours=30)
    while at.astimezone(info).date() < target:
        at += timedelta(minutes=1)
    # Zones once kept local mean time: offsets of odd seconds.
    at -= timedelta(minutes=1)
    while at.astimezone(info).date() < target:
        at += timedelta(seconds=1)
    return at


def iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def after(day: str) -> str:
    return (date.fromisoformat(day) + DAY).isoformat()


def ends(zone: str, last_day: str | None) -> str | None:
    """The instant after a last valid day."""
    return None if last_day is None else iso(first_instant(zone, after(last_day)))


def rows() -> dict[str, list[list[str]]]:
    """The lines of `cases.txt` by list."""
    made: dict[str, list[list[str]]] = {}
    name = ""
    for line in CASES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line[1:].partition("]")[0]
            made[name] = []
        elif line and not line.startswith("#"):
            columns = [column.strip() for column in line.split("|")]
            made[name].append(columns)
    return made


def value(text: str) -> Any:
    """JSON, or null for a dash."""
    return None if text == "-" else json.loads(text)


def word(text: str) -> str | None:
    return None if text == "-" else text


def day(zone: str, day: str, note: str) -> Case:
    start, end = first_instant(zone, day), first_instant(zone, after(day))
    minutes = int((end - start) / timedelta(minutes=1))
    return {
        "zone": zone,
        "day": day,
        "starts_at": iso(start),
        "ends_at": iso(end),
        "minutes": minutes,
        "note": note,
    }


def instant(zone: str, instant: str, day: str, note: str) -> Case:
    return {"zone": zone, "instant": instant, "day": day, "note": note}


def added(start: str, period: str, times: str, to: str, note: str) -> Case:
    return {"from": start, "period": period, "times": int(times), "to": to, "note": note}


def window(day: str, unit: str, months: str, days: str, first: str, last: str, note: str) -> Case:
    return {
        "day": day,
        "unit": unit,
        "offset_months": int(months),
        "offset_days": int(days),
        "first_day": first,
        "last_day": last,
        "note": note,
    }


def cycle(anchor: str, length: str, day: str, first: str, last: str, note: str) -> Case:
    return {
        "anchor": anchor,
        "length": length,
        "day": day,
        "first_day": first,
        "last_day": last,
        "note": note,
    }


def rolling(zone: str, day: str, length: str, leaves: str, note: str) -> Case:
    return {
        "zone": zone,
        "day": day,
        "length": length,
        "leaves_on": leaves,
        "leaves_at": iso(first_instant(zone, leaves)),
        "note": note,
    }


def term(zone: str, start: str, *rest: str) -> Case:
    window, term, joined, last, note = rest
    return {
        "zone": zone,
        "start": start,
        "starts_at": iso(first_instant(zone, start)),
        "window": value(window),
        "term": value(term),
        "joined": word(joined),
        "last_valid_day": last,
        "ends_at": ends(zone, last),
        "note": note,
    }


def grace(term_last: str, grace: str, rounding: str, last: str, note: str) -> Case:
    return {
        "term_last_valid_day": term_last,
        "grace": grace,
        "rounding": value(rounding),
        "last_valid_day": last,
        "note": note,
    }


def points(zone: str, day: str, rule: str, last: str, note: str) -> Case:
    return {
        "zone": zone,
        "day": day,
        "rule": value(rule),
        "last_valid_day": word(last),
        "expires_at": ends(zone, word(last)),
        "note": note,
    }


LISTS: dict[str, tuple[Callable[..., Case], int]] = {
    "days": (day, 3),
    "instants": (instant, 4),
    "added": (added, 5),
    "calendar_windows": (window, 7),
    "cycles": (cycle, 6),
    "rolling": (rolling, 5),
    "terms": (term, 7),
    "grace": (grace, 5),
    "points": (points, 5),
}


def text() -> str:
    """One case per line."""
    parts = []
    for name, typed in rows().items():
        make, columns = LISTS[name]
        cases = [make(*(row + [""] * (columns - len(row)))) for row in typed]
        lines = ",\n    ".join(json.dumps(case, ensure_ascii=False) for case in cases)
        parts.append(f'  "{name}": [\n    {lines}\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if FILE.read_text(encoding="utf-8") == text() else "calendar.json is stale")
    FILE.write_text(text(), encoding="utf-8")
