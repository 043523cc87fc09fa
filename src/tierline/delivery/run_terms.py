"""What a replay has of its own, beside the endpoint's settings: a rate, an end, a filter."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from tierline.delivery.rate_limit import RateLimit
from tierline.endpoints.replay_plan import decode_plan
from tierline.store.event_log import LogEvent


class RunTerms(Struct, frozen=True):
    """A live run has an unbounded rate, no end and no filter."""

    rate: RateLimit
    until: int | None = None
    keep: Callable[[LogEvent], bool] | None = None


def terms_of(plan_text: str | None, now: int) -> RunTerms:
    """`plan_text`: as the cursor's row has it; None: the live run."""
    if plan_text is None:
        return RunTerms(RateLimit(None, 0))
    plan = decode_plan(plan_text)
    return RunTerms(RateLimit(plan.rate_per_s, now), plan.until, plan.keeps())
