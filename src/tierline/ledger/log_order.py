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
    events += [
        event
        for event in decision.announced
        if isinstance(event, Event) or event.when is None or event.when > now
    ]
    return sorted(events, key=lambda event: event.at) if decision.points else events


def of_activity(
    decision: Decision, now: int, key: str, entry: Entry
) -> list[Event | PointsEvent | Reminder]:
    """As `in_order`; a points event of the entry has its activity's key, and what that said."""
    points = decision.points
    if len(points) == 1 and not decision.events and not decision.reminders:
        return [_with_activity(points[0], key, entry)]  # nearly always, where points are heard
    return [
        _with_activity(event, key, entry) if isinstance(event, PointsEvent) else event
        for event in in_order(decision, now)
    ]


def _with_activity(event: PointsEvent, key: str, entry: Entry) -> PointsEvent:
    if event.entry != entry.n:
        return event
    return replace(event, key=key, facts=activity_facts(entry))
