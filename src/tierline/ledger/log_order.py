"""What a decision announces, in the order in which the log takes it."""

from __future__ import annotations

from msgspec.structs import replace

from tierline.model.entries import Entry
from tierline.model.events import Decision, Event
from tierline.model.points_event import PointsEvent, activity_facts
from tierline.model.reminder import Reminder


def in_order(decision: Decision, now: int) -> list[Event | PointsEvent | Reminder]:
    """Returns a decision's events as they happened; at one instant points move the tier, and
    reminders follow. A reminder of what is over at `now` is left out: a server that slept tells
    late what can still be acted upon."""
    events: list[Event | PointsEvent | Reminder] = [*decision.points]
    if len(events) == 1 and not decision.events and not decision.reminders:
        return events  # nearly always, where points are heard
    events += [
        event
        for event in decision.announced
        if isinstance(event, Event) or event.when is None or event.when > now
    ]
    return sorted(events, key=lambda event: event.at) if decision.points else events


def with_activity(
    event: Event | PointsEvent | Reminder, key: str, entry: Entry
) -> Event | PointsEvent | Reminder:
    """Returns a points event of an entry with its activity's key, and what that said; any other
    event as it is."""
    if not isinstance(event, PointsEvent) or event.entry != entry.n:
        return event
    return replace(event, key=key, facts=activity_facts(entry))
