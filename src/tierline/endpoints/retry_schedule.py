"""When to try again. Pure: what happened and `now` in, the next instant out.

A schedule is a table, not a formula. `first` schedules count their seconds from the first attempt
(Voucherify documents its twelve that way), `previous` ones from the attempt before.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

Preset = Literal["voucherify", "loyaltylion", "standard"]
Seconds = Annotated[float, Meta(ge=0.05, le=7 * 86_400)]

STEPS_MAX = 64
RETRY_AFTER_S_MAX = 3_600  # beyond twice the step, a receiver may ask for this much and no more
PAUSE_S_MIN = 1
HOUR = 3_600


class Schedule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Seconds to wait before the second attempt, the third, … `jitter` is a share of each step,
    added at random so that a crowd that failed together does not come back together."""

    schedule: Annotated[tuple[Seconds, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    since: Literal["previous", "first"] = "previous"
    jitter: Annotated[float, Meta(ge=0, le=0.5)] = 0.1


PRESETS: dict[Preset, Schedule] = {
    # 1, 2, 4 … minutes since the first attempt; the last of twelve is cut to 24 h.
    "voucherify": Schedule(tuple(min(60 << n, 86_400) for n in range(12)), since="first"),
    # Exponential until 30 attempts were made; base and cap are not published, these are ours.
    "loyaltylion": Schedule(tuple(min(15 << n, 6 * HOUR) for n in range(29))),
    # The table of the Standard Webhooks specification: about 75 hours.
    "standard": Schedule(
        (5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
    ),
}


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
