"""When to try again. Pure: what happened and `now` in, the next instant out.

A schedule is a table, not a formula. Every vendor's is a preset under the vendor's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from tierline.model.schedule import Schedule
from tierline.vendors.registry import VENDORS

RETRY_AFTER_S_MAX = 3_600  # beyond twice the step, a receiver may ask for this much and no more
PAUSE_S_MIN = 1
PRESETS = {vendor.name: vendor.retry for vendor in VENDORS}

if TYPE_CHECKING:
    Preset: TypeAlias = str
else:
    Preset = Literal[tuple(PRESETS)]  # msgspec refuses any other, and /openapi.json lists them


def resolve(retry: Schedule | Preset) -> Schedule:
    return retry if isinstance(retry, Schedule) else PRESETS[retry]


def next_attempt(
    schedule: Schedule,
    *,
    attempt: int,
    first_at: int,
    now: int,
    retry_after_s: int | None,
    spread: float,
) -> int | None:
    """The instant of the attempt after number `attempt` (1, 2, …); None when the schedule is
    used up. `spread` in [0, 1) says where in the jitter this one falls."""
    if attempt > len(schedule.schedule):
        return None
    step = schedule.schedule[attempt - 1]
    planned = (first_at if schedule.since == "first" else now) + step * 1000
    # A step of a `first` schedule may lie in the past by now; that is no reason to hammer.
    wait = (
        max(planned - now, min(step, PAUSE_S_MIN) * 1000) + step * 1000 * schedule.jitter * spread
    )
    if retry_after_s is not None:
        wait = max(wait, min(retry_after_s, max(2 * step, RETRY_AFTER_S_MAX)) * 1000)
    return now + int(wait)


def retry_after(headers: Mapping[str, str], now: int) -> int | None:
    """Seconds that the receiver asks for, from a number or an HTTP date; None if it does not."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        at = parsedate_to_datetime(text)
        return max(0, round(at.timestamp() - now / 1000)) if at.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError):
        return None
