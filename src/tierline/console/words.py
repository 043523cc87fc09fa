"""How pages write instants, days and numbers: in the project's time zone, for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from iso4217 import Currency
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from whenever import Instant

from tierline.model.calendar import format_instant, parse_instant

_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MINUTE: Final = 60_000
_SPANS: Final = ((86_400_000, "day"), (3_600_000, "hour"), (_MINUTE, "minute"))


def _local(at: str | int, zone: str) -> Any:
    instant = parse_instant(at) if isinstance(at, str) else at
    return Instant.from_timestamp(instant, unit="millisecond").to_tz(zone)


def day_text(at: str | int, zone: str) -> str:
    """`1 Jan 2027`, the civil day of an instant, or of a day that is written `2027-01-01`."""
    if isinstance(at, str) and len(at) == len("2027-01-01"):
        year, month, day = at.split("-")
        return f"{int(day)} {_MONTHS[int(month) - 1]} {year}"
    local = _local(at, zone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def moment_text(at: str | int, zone: str) -> str:
    """`1 Jan 2027, 14:03:09`."""
    local = _local(at, zone)
    return f"{day_text(at, zone)}, {local.hour:02}:{local.minute:02}:{local.second:02}"


def ago_text(at: str | int, now: int) -> str:
    """`3 hours ago`, `in 2 days`, `just now`."""
    instant = parse_instant(at) if isinstance(at, str) else at
    past = instant <= now
    distance = abs(now - instant)
    for span, name in _SPANS:
        count = distance // span
        if count:
            text = f"{count:,} {name}{'' if count == 1 else 's'}"
            return f"{text} ago" if past else f"in {text}"
    return "just now" if past else "in a moment"


@pass_context
def day(context: Context, at: str | int | None) -> str | Markup:
    if at is None:
        return "–"
    view = context["view"]
    text = day_text(at, view.zone)
    iso = at if isinstance(at, str) else format_instant(at)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso, text)


@pass_context
def last_day(context: Context, end: str | int | None) -> str | Markup:
    """The day in which the last instant before an end lies."""
    if end is None:
        return "–"
    instant = parse_instant(end) if isinstance(end, str) else end
    return day(context, instant - 1)


@pass_context
def moment(context: Context, at: str | int | None) -> str | Markup:
    if at is None:
        return "–"
    text = moment_text(at, context["view"].zone)
    iso = at if isinstance(at, str) else format_instant(at)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso, text)


@pass_context
def ago(context: Context, at: str | int | None, *, wall: bool = False) -> str | Markup:
    """`wall`: of requests and machines, also in a sandbox."""
    if at is None:
        return "–"
    view = context["view"]
    iso = at if isinstance(at, str) else format_instant(at)
    text = ago_text(at, view.call.wall if wall else view.now)
    title = moment_text(at, view.zone)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, title, text)


def number(count: float | None) -> str:
    return "–" if count is None else f"{count:,}".replace("-", "\u2212")


def money(amount: int, currency: str) -> str:
    """Minor units as people write them: `19.99 USD`."""
    exponent = Currency(currency).exponent or 0
    return f"{amount / 10**exponent:,.{exponent}f} {currency}"


def signed(count: int) -> str:
    return f"+{count:,}" if count > 0 else number(count)


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 member`, `2,000 members`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def pretty(text: str) -> str:
    """JSON with indents; any other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def words(name: str) -> str:
    """A code as words: `term_end` → `term end`."""
    return name.replace("_", " ").replace("points.", "points ")


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "day": day,
    "last_day": last_day,
    "moment": moment,
    "ago": ago,
    "number": number,
    "money": money,
    "signed": signed,
    "plural": plural,
    "pretty": pretty,
    "words": words,
}
