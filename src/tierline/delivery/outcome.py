"""What an answer means for the message and for its endpoint. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tierline.endpoints.retry_schedule import retry_after
from tierline.transport import Reply

Outcome = Literal["delivered", "retry", "stopped", "gone", "pause", "refused", "given_up"]

# A receiver's word about this delivery, in any answer that is not 2xx.
STOP_HEADER = "webhook-delivery"
_STOP = frozenset({"stop", "abort-message"})
_PAUSE = frozenset({"pause"})
_THROTTLE = frozenset({408, 425, 429, 502, 503, 504})


class Verdict(Struct, frozen=True):
    """`trouble`: the endpoint is overloaded or away, so ask less of it and count it for the
    breaker; a plain 4xx is about the message and says that somebody is at home."""

    outcome: Outcome
    trouble: bool = False
    retry_after_s: int | None = None


DELIVERED = Verdict("delivered")


def judge(reply: Reply, now: int) -> Verdict:
    status = reply.status
    if status is None:
        outcome: Outcome = "refused" if reply.fault == "refused" else "retry"
        return Verdict(outcome, trouble=True)
    if 200 <= status < 300:
        return DELIVERED
    word = reply.headers.get(STOP_HEADER, "").strip().lower()
    if word in _STOP:
        return Verdict("stopped")
    if word in _PAUSE:
        return Verdict("pause")
    if status == 410:
        return Verdict("gone")
    trouble = status >= 500 or status in _THROTTLE
    return Verdict("retry", trouble, retry_after(reply.headers, now))
