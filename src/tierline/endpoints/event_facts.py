"""Whose event it is, and what kind of event: what people know lanes and attempts by."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from tierline.model import ids
from tierline.store.event_log import EventLog, LogEvent


class EventFacts(Struct, frozen=True):
    """`customer` is the id that the caller's own systems know them by; None after an erasure, and
    for events that are about no customer."""

    event: str
    kind: str
    customer: str | None
    customer_id: str | None


class _Kind(Struct):
    kind: str


class _Person(Struct):
    id: str
    source_id: str | None = None


class EventFilter(Struct, frozen=True):
    """Which lanes or attempts: of a customer (by number), of an event, of a kind, or all."""

    customer: int | None = None
    event: str | None = None
    kind: str | None = None

    def keeps(self, facts: EventFacts | None, events: Iterable[str] = ()) -> bool:
        """`events`: the others in the same request, of a batch."""
        if self == EVERYTHING:
            return True
        if facts is None:
            return self.event is not None and self.event in events
        if self.event is not None and self.event != facts.event and self.event not in events:
            return False
        if self.kind is not None and self.kind != facts.kind:
            return False
        customer = None if self.customer is None else ids.customer_id(self.customer)
        return customer is None or customer == facts.customer_id


EVERYTHING = EventFilter()


async def facts_at(log: EventLog, shard: int, offsets: Iterable[int]) -> dict[int, EventFacts]:
    """By offset; what is not in the log any more is left out."""
    events = await log.at_offsets(shard, sorted(set(offsets)))
    return {event.offset: _facts(event) for event in events}


def kind_of(event: LogEvent) -> str:
    return _read_kind(event.body).kind


def _facts(event: LogEvent) -> EventFacts:
    kind = kind_of(event)
    if not event.customer:
        return EventFacts(event.id, kind, None, None)
    customer_id = ids.customer_id(event.customer)
    if event.profile is None:
        return EventFacts(event.id, kind, None, customer_id)
    person = _read_person(event.profile)
    return EventFacts(event.id, kind, person.source_id or person.id, customer_id)


_read_kind = msgspec.json.Decoder(_Kind).decode
_read_person = msgspec.json.Decoder(_Person).decode
