"""How far behind a cursor and an endpoint are, from memory: cheap enough for every scrape. The
exact count of events costs a query and is `endpoints/inspection.py`'s."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from tierline.delivery.cursor import Cursor
from tierline.delivery.metrics import LagRow
from tierline.store.event_log import LogEvent


class CursorLag(Struct, frozen=True):
    """`unread_at` and `oldest_at` are instants: when the next event that was not taken yet was
    recorded, and the oldest one that is owed. `behind` counts offsets, other projects' included."""

    behind: int
    unread_at: int
    oldest_at: int
    retrying: int
    parked: int


def cursor_lag(cursor: Cursor[LogEvent], head: int, unread: LogEvent | None, now: int) -> CursorLag:
    """`head` is the log's, `unread` the next event that was not taken yet, if it is at hand."""
    unread_at = now if unread is None else min(now, unread.recorded_at)
    instants = [now, unread_at]
    instants += [event.recorded_at for event in cursor.owed()]
    instants += [lane.first_at for lane in cursor.lanes.values() if lane.state != "closing"]
    behind = max(0, head - cursor.mark)
    return CursorLag(behind, unread_at, min(instants), cursor.retrying, cursor.parked)


def endpoint_lag(endpoint: str, lags: Iterable[CursorLag], now: int) -> LagRow:
    """Of an endpoint's live run, over all shards."""
    behind = retrying = parked = 0
    unread_at = oldest_at = now
    for lag in lags:
        behind += lag.behind
        unread_at = min(unread_at, lag.unread_at)
        oldest_at = min(oldest_at, lag.oldest_at)
        retrying += lag.retrying
        parked += lag.parked
    return endpoint, behind, (now - unread_at) / 1000, (now - oldest_at) / 1000, retrying, parked
