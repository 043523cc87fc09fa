"""Whose turn it is at an endpoint: subscriptions with events ready, lanes that are due, replays."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count

from tierline.delivery.lanes import Lane
from tierline.delivery.subscription import Subscription
from tierline.store.event_log import LogEvent

REPLAY_TURN = 4  # every fourth start may be a replay's

Pick = tuple[Subscription, "Lane[LogEvent] | None"]
DueLane = tuple[int, int, Subscription, "Lane[LogEvent]"]


class RunQueue:
    """`wake_at` rings later; `load` reads a lane's next events from the log. Lanes hold at most
    half of an endpoint's slots while live events wait, replays at most a quarter."""

    def __init__(
        self,
        wake_at: Callable[[int], None],
        load: Callable[[Subscription, Lane[LogEvent]], None],
    ) -> None:
        self._live: deque[Subscription] = deque()  # live subscriptions with something ready
        self._replays: deque[Subscription] = deque()
        self._joined: set[Subscription] = set()  # those in one of the two
        self._due: list[DueLane] = []  # lanes of the live run, by when they are due
        self._replays_due: list[DueLane] = []
        self._ticket = count()
        self._wake_at = wake_at
        self._load = load
        self._starts = 0
        self._lanes_flying = 0
        self._replays_flying = 0

    def join(self, subscription: Subscription) -> None:
        if subscription not in self._joined:
            self._joined.add(subscription)
            (self._replays if subscription.cursor.run else self._live).append(subscription)

    def plan(self, subscription: Subscription, lane: Lane[LogEvent]) -> None:
        due = self._replays_due if subscription.cursor.run else self._due
        heapq.heappush(due, (lane.due_at, next(self._ticket), subscription, lane))

    def put_back(self, pick: Pick) -> None:
        subscription, lane = pick
        if lane is not None:
            self.plan(subscription, lane)
        else:
            self.join(subscription)

    def remove(self, subscription: Subscription) -> None:
        self._joined.discard(subscription)
        for queue in (self._live, self._replays):
            if subscription in queue:
                queue.remove(subscription)
        for due in (self._due, self._replays_due):
            due[:] = [entry for entry in due if entry[2] is not subscription]
            heapq.heapify(due)

    def started(self, *, lane: bool, replay: bool) -> None:
        self._starts += 1
        self._lanes_flying += lane
        self._replays_flying += replay

    def ended(self, *, lane: bool, replay: bool) -> None:
        self._lanes_flying -= lane
        self._replays_flying -= replay

    @property
    def plain(self) -> bool:
        """Neither lanes nor replays: nothing to choose from but live events."""
        return not (self._due or self._replays or self._replays_due)

    @property
    def empty(self) -> bool:
        return not self._live and self.plain

    def has(self, now: int) -> bool:
        """Whether a live event or a lane could go now."""
        return bool(self._live) or (bool(self._due) and self._due[0][0] <= now)

    def pick(self, now: int, limit: int, in_flight: int, *, single: bool) -> Pick | None:
        """Returns what goes next: lanes that are due, live events, replays, each within its share
        of `limit` slots. `single`: one request in flight at a time, and one more of replays."""
        if self.plain and not single:
            return self._next_ready(self._live)
        replays = self._replays_flying < (1 if single else max(1, limit // 4))
        if replays and self._starts % REPLAY_TURN == 0:
            pick = self._next_replay(now)
            if pick is not None:
                return pick
        if not single or in_flight - self._replays_flying < 1:
            pick = self._next_live(now, limit)
            if pick is not None:
                return pick
        return self._next_replay(now) if replays else None

    def _next_live(self, now: int, limit: int) -> Pick | None:
        if not self._live or self._lanes_flying < max(1, limit // 2):
            pick = self._next_due(self._due, now)
            if pick is not None:
                return pick
        return self._next_ready(self._live)

    def _next_replay(self, now: int) -> Pick | None:
        """The next of a replay, within its own rate."""
        for _ in range(len(self._replays)):
            subscription = self._replays[0]
            rate = subscription.terms.rate
            if rate.take(now):
                return self._next_due(self._replays_due, now) or self._next_ready(self._replays)
            self._replays.rotate(-1)
            self._wake_at(now + rate.wait_ms())
        return self._next_due(self._replays_due, now)

    def _next_due(self, due: list[DueLane], now: int) -> Pick | None:
        while due:
            at, _, subscription, lane = due[0]
            current = subscription.cursor.lanes.get(lane.key) is lane
            if not current or lane.busy or lane.state != "retrying" or lane.due_at != at:
                heapq.heappop(due)  # overtaken by events
                continue
            if at > now:
                self._wake_at(at)
                return None
            heapq.heappop(due)
            if not lane.needs_log:
                return subscription, lane
            if not lane.loading:
                self._load(subscription, lane)
        return None

    def _next_ready(self, queue: deque[Subscription]) -> Pick | None:
        while queue:
            subscription = queue.popleft()
            ready = len(subscription.cursor.ready)
            if ready > 1:
                queue.append(subscription)
            else:
                self._joined.discard(subscription)
            if ready:
                return subscription, None
        return None
