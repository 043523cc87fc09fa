"""One attempt: the request of its events, and what is known of it while it is under way."""

from __future__ import annotations

from msgspec import Struct

from tierline.delivery.delivery import Delivery
from tierline.delivery.outcome import Attempt
from tierline.delivery.subscription import Subscription
from tierline.endpoints.attempts import attempt_headers, attempt_row
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, SignedRequest
from tierline.store.event_log import AttemptRow, LogEvent
from tierline.transport import HttpReply


class Flight(Struct, frozen=True):
    """A request under way. `slow`: its slot is one of the slow class."""

    subscription: Subscription
    delivery: Delivery[LogEvent]
    request: SignedRequest
    slow: bool


def attempt_request(
    compiled: CompiledEndpoint, delivery: Delivery[LogEvent], run: int, now: int, *, changed: bool
) -> SignedRequest | None:
    """`changed`: the endpoint changed since the events were matched. Returns None when nothing is
    to be sent: nothing matches any more, as of a customer who was erased since, or the format has
    no such event."""
    lane, events = delivery.lane, delivery.events
    form = lane.form if lane is not None else ""
    if changed or lane is not None or compiled.tells_of_erased(events):
        events = [event for event in events if compiled.matches(event, form)]
        if not events:
            return None
    delivery.form = form or compiled.form_text
    return compiled.request(events, form, now, attempt_headers(delivery.attempt, run))


def attempt_of(flight: Flight) -> Attempt:
    """Which attempt this is, for the decision of what follows from its answer."""
    delivery = flight.delivery
    newer = flight.subscription.cursor.newer(delivery)
    return Attempt(delivery.attempt, delivery.first_at, delivery.probe, newer, delivery.planned_at)


def row_of(
    compiled: CompiledEndpoint, flight: Flight, reply: HttpReply, outcome: str
) -> AttemptRow:
    """Its line of the attempt log."""
    delivery, run = flight.delivery, flight.subscription.cursor.run
    return attempt_row(
        compiled, delivery.events, flight.request, reply, outcome,
        at=delivery.started_at, run=run, number=delivery.attempt,
    )  # fmt: skip
