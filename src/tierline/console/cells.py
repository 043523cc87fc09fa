"""What people type into fields, as the API takes it: days and minutes of the project's zone, and
JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from whenever import PlainDateTime

from tierline.errors import Invalid
from tierline.model import calendar
from tierline.model.calendar import format_instant


def day_start(text: str, name: str, zone: str) -> str:
    """The beginning of a civil day. Raises Invalid."""
    try:
        return format_instant(calendar.zone(zone).start(calendar.parse_day(text)))
    except ValueError:
        raise Invalid(path=name, reason=f"{name}: expected a day like 2027-01-31.") from None


def day_end(text: str, name: str, zone: str) -> str:
    """The end of a civil day, which is the beginning of the next one. Raises Invalid."""
    try:
        return format_instant(calendar.zone(zone).start(calendar.parse_day(text) + 1))
    except ValueError:
        raise Invalid(path=name, reason=f"{name}: expected a day like 2027-01-31.") from None


def local_instant(text: str, name: str, zone: str) -> str:
    """`2027-01-31T12:30` in the project's zone, or an instant with an offset, which stays as it
    is. Raises Invalid."""
    if text.endswith("Z") or "+" in text:
        return text
    try:
        local = PlainDateTime.parse_iso(text).assume_tz(zone)
    except ValueError:
        reason = f"{name}: expected a day and a time like 2027-01-31T12:30."
        raise Invalid(path=name, reason=reason) from None
    return format_instant(local.to_instant().timestamp(unit="millisecond"))


def json_of(text: str | None, name: str) -> Any:
    """None for nothing. Raises Invalid, which says where the text is no JSON."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(path=name, reason=f"{name}: it is no JSON ({error}).") from None
