"""How far behind an endpoint is, from memory: cheap enough for every scrape."""

from __future__ import annotations

from tierline.delivery.endpoint_worker import EndpointWorker
from tierline.delivery.metrics import LagRow


def lag_row(courier: EndpointWorker, now: int) -> LagRow:
    """Of the live run, over all shards. Events behind are counted in offsets of the log, others'
    included; the exact count costs a query and is `control.lag`."""
    behind, oldest, unread = 0, now, now
    retrying = parked = 0
    for follower in courier.followers.values():
        cursor = follower.cursor
        if cursor.run:
            continue
        follower.sync()
        behind += max(0, follower.reader.head - cursor.mark)
        retrying += cursor.retrying
        parked += cursor.parked
        for event in cursor.owed():
            oldest = min(oldest, event.recorded_at)
        for lane in cursor.lanes.values():
            if lane.state != "closing":
                oldest = min(oldest, lane.first_at)
        following = follower.next_unread()
        if following is not None:
            unread = min(unread, following.recorded_at)
    oldest = min(oldest, unread)
    name = courier.live.endpoint.id
    return name, behind, (now - unread) / 1000, (now - oldest) / 1000, retrying, parked
