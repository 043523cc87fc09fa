"""A retry schedule: how long to wait before each further attempt."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(ge=0.05, le=7 * 86_400)]

STEPS_MAX = 64
HOUR = 3_600


class Schedule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Seconds to wait before the second attempt, the third, … `first` counts them from the first
    attempt, `previous` from the one before. `jitter` is a share of each step, added at random so
    that a crowd that failed together does not come back together."""

    schedule: Annotated[tuple[Seconds, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    since: Literal["previous", "first"] = "previous"
    jitter: Annotated[float, Meta(ge=0, le=0.5)] = 0.1
