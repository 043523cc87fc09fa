"""A line of the attempt log: what was sent, where, and what came back. Secrets never."""

from __future__ import annotations

from typing import Any

import msgspec

from tierline.sender.cursor import Delivery
from tierline.sender.live import Live, Parcel
from tierline.sender.transport import Reply
from tierline.store.log import AttemptRow, LogEvent

KEPT_HEADERS = ("content-type", "retry-after", "webhook-delivery", "location", "server")

_encode = msgspec.json.Encoder().encode


def attempt_row(
    live: Live, delivery: Delivery[LogEvent], parcel: Parcel, reply: Reply, outcome: str
) -> AttemptRow:
    """As the write wants it."""
    event = delivery.events[0]
    return (
        live.number,
        delivery.cursor.run,
        delivery.started_at,
        parcel.id,
        delivery.attempt,
        event.offset,
        event.id,
        reply.status,
        outcome,
        int(reply.timings.total),
        _encode(detail(live.endpoint.url, parcel, reply, delivery.events)).decode(),
    )


def detail(
    url: str, parcel: Parcel, reply: Reply, events: list[LogEvent] | None = None
) -> dict[str, Any]:
    """The rest, as JSON: the address that was really dialled, each phase, the answer's start."""
    found: dict[str, Any] = {
        "url": url,
        "headers": parcel.headers,
        "address": reply.address,
        "reused": reply.reused,
        "timings": reply.timings,
    }
    if events is not None and len(events) > 1:
        found["events"] = [event.id for event in events]
    if reply.fault is not None:
        found["fault"] = reply.fault
        found["reason"] = reply.reason
    else:
        headers = reply.headers
        kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
        found["answer"] = {"headers": kept, "body": reply.body.decode("utf-8", "replace")}
    return found
