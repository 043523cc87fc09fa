"""The request of one attempt: what of its events still matches, in the form they once had. Pure."""

from __future__ import annotations

from tierline.delivery.delivery import Delivery
from tierline.endpoints.attempts import attempt_headers
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, SignedRequest
from tierline.store.event_log import LogEvent


def attempt_request(
    compiled: CompiledEndpoint, delivery: Delivery[LogEvent], run: int, now: int, *, changed: bool
) -> SignedRequest | None:
    """`changed`: the endpoint changed since the events were matched. Returns None when nothing is
    to be sent: nothing matches any more, or the format has no such event."""
    lane, events = delivery.lane, delivery.events
    if changed or lane is not None:
        events = [event for event in events if compiled.matches(event)]
        if not events:
            return None
    form = lane.form if lane is not None else ""
    return compiled.request(events, form, now, attempt_headers(delivery.attempt, run))
