"""Whose turn it is at an endpoint: followers with events ready, lanes that are due, replays."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count

from tierline.delivery.lanes import Lane
from tierline.delivery.subscription import Subscription
from tierline.store.event_log import LogEvent

Pick = tuple[Subscription, "Lane[LogEvent] | None"]
Due = tuple[int, int, Subscription, "Lane[LogEvent]"]


class RunQueue:
    """`wake_at` rings later; `load` reads a lane's next events from the log."""

    def __init__(
        self,
        wake_at: Callable[[int], None],
        load: Callable[[Subscription, Lane[LogEvent]], None],
    ) -> None:
        self.events: deque[Subscription] = deque()  # live followers with something ready
        self._replays: deque[Subscription] = deque()
        self._due: list[Due] = []  # lanes of the live run, by when they are due
        self._replays_due: list[Due] = []
        self._ticket = count()
        self._wake_at = wake_at
        self._load = load

    def join(self, follower: Subscription) -> None:
        if not follower.queued:
            follower.queued = True
            (self._replays if follower.cursor.run else self.events).append(follower)

    def plan(self, follower: Subscription, lane: Lane[LogEvent]) -> None:
        due = self._replays_due if follower.cursor.run else self._due
        heapq.heappush(due, (lane.due_at, next(self._ticket), follower, lane))

    def put_back(self, picked: Pick) -> None:
        follower, lane = picked
        if lane is not None:
            self.plan(follower, lane)
        else:
            self.join(follower)

    def remove(self, follower: Subscription) -> None:
        for queue in (self.events, self._replays):
            if follower in queue:
                queue.remove(follower)
        for due in (self._due, self._replays_due):
            due[:] = [entry for entry in due if entry[2] is not follower]
            heapq.heapify(due)

    @property
    def plain(self) -> bool:
        """Neither lanes nor replays: nothing to choose from but live events."""
        return not (self._due or self._replays or self._replays_due)

    def has(self, now: int) -> bool:
        """Whether a live event or a lane could go now."""
        return bool(self.events) or (bool(self._due) and self._due[0][0] <= now)

    def event(self) -> Pick | None:
        """The next live event, follower after follower."""
        return _next_ready(self.events)

    def due_lane(self, now: int) -> Pick | None:
        return self._next_due(self._due, now)

    def replay(self, now: int) -> Pick | None:
        """The next of a replay, within its own rate."""
        for _ in range(len(self._replays)):
            follower = self._replays[0]
            if follower.terms.rate.take(now):
                return self._next_due(self._replays_due, now) or _next_ready(self._replays)
            self._replays.rotate(-1)
            self._wake_at(now + follower.terms.rate.wait_ms())
        return self._next_due(self._replays_due, now)

    def _next_due(self, due: list[Due], now: int) -> Pick | None:
        while due:
            at, _, follower, lane = due[0]
            current = follower.cursor.lanes.get(lane.key) is lane
            if not current or lane.busy or lane.state != "retrying" or lane.due_at != at:
                heapq.heappop(due)  # overtaken by events
                continue
            if at > now:
                self._wake_at(at)
                return None
            heapq.heappop(due)
            if not lane.needs_log:
                return follower, lane
            if not lane.loading:
                self._load(follower, lane)
        return None


def _next_ready(queue: deque[Subscription]) -> Pick | None:
    while queue:
        follower = queue.popleft()
        count = len(follower.cursor.ready)
        if count > 1:
            queue.append(follower)
        else:
            follower.queued = False
        if count:
            return follower, None
    return None
