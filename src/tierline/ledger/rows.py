"""What was decided, as rows: entries, members, and events in the order of the log."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.tier_changes import count_rows, move_rows
from tierline.model import ids
from tierline.model.events import Event
from tierline.model.points_event import PointsEvent
from tierline.model.reminder import Reminder
from tierline.store.ledger_transaction import LedgerTx

_event_text = msgspec.json.Encoder().encode


def write(tx: LedgerTx, shard: int, aggregates: Iterable[MemberAggregate], wall: int) -> int:
    """What was decided, to be written: entries, members, and with the commit the events in the
    order in which they happened. Answers how many events there are."""
    changed = sorted((s for s in aggregates if s.changed), key=lambda s: (s.customer, s.number))
    if not changed:
        return 0
    entries = [row for aggregate in changed for row in aggregate.rows]
    if entries:
        tx.add_entries(shard, entries)
    tx.add_audit(shard, wall, [row for aggregate in changed for row in aggregate.changes])
    updates = [aggregate.member() for aggregate in changed if not aggregate.fresh]
    if updates:
        tx.update_members(shard, updates)
    inserts = [(*aggregate.member(), aggregate.clock) for aggregate in changed if aggregate.fresh]
    if inserts:
        tx.add_members(shard, inserts)
    events = [
        (order, aggregate, event) for aggregate in changed for order, event in aggregate.events
    ]
    if events:
        events.sort(key=lambda t: (t[0], t[1].customer, t[1].number))  # a member's own in order
        tx.add_events(shard, wall, [event_row(aggregate, event) for _, aggregate, event in events])
    tx.add_counts(shard, count_rows(changed), move_rows(changed))
    tx.note_changes(shard, [aggregate.customer for aggregate in changed])
    return len(events)


def event_row(
    aggregate: MemberAggregate, event: Event | PointsEvent | Reminder
) -> tuple[int, int, str, str, str, int]:
    program = aggregate.program
    nth: int | str
    if isinstance(event, Event):
        class_, nth = "tier", event.seq
    elif isinstance(event, PointsEvent):
        class_, nth = "points", f"{event.entry or 0}.{event.at}.{event.rule or ''}.{event.points}"
    else:
        about = event.tier_then or "", event.when or 0, event.lead_days or 0
        class_, nth = "reminder", ".".join(str(part) for part in (event.at, *about))
    fact = ids.event_fact(program.project, program.id, aggregate.customer, nth, event.kind)
    text = _event_text(event).decode()
    return aggregate.number, aggregate.customer, class_, fact, text, aggregate.now
