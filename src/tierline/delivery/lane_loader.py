"""Reading a lane's next events from the log, when it remembers no more of them."""

from __future__ import annotations

import asyncio

import structlog

from tierline.delivery.background_tasks import BackgroundTasks
from tierline.delivery.lanes import Lane
from tierline.delivery.subscription import Subscription
from tierline.endpoints.event_content import load_content
from tierline.logging import RecurringFaults
from tierline.store.catalog.catalog import Catalog
from tierline.store.event_log import EventLog, LogEvent

LOAD_LANES_MAX = 100
NEWEST_MAX = 64
AGAIN_S = 0.5
_log = structlog.get_logger("tierline.sender")
_again = RecurringFaults(_log)


class LaneLoader:
    """Several lanes of a shard are read in one statement, and again while the database is away."""

    def __init__(self, log: EventLog, catalog: Catalog, tasks: BackgroundTasks) -> None:
        self._log = log
        self._catalog = catalog
        self._tasks = tasks
        self._queues: dict[int, list[tuple[Subscription, Lane[LogEvent]]]] = {}  # by shard

    def load(self, subscription: Subscription, lane: Lane[LogEvent]) -> None:
        """Read the lane's next events; the subscription hears of them."""
        subscription.cursor.loading(lane)
        shard = subscription.cursor.shard
        queue = self._queues.get(shard)
        if queue is None:
            queue = self._queues[shard] = []
            self._tasks.spawn(self._drain(shard))
        queue.append((subscription, lane))

    def supersede(self, subscription: Subscription, lane: Lane[LogEvent]) -> None:
        """Find the newest event of a parked lane's customer that the cursor has passed."""
        self._tasks.spawn(self._supersede(subscription, lane))

    async def _drain(self, shard: int) -> None:
        while queue := self._queues[shard]:
            batch, self._queues[shard] = queue[:LOAD_LANES_MAX], queue[LOAD_LANES_MAX:]
            groups: dict[Subscription, list[Lane[LogEvent]]] = {}
            for subscription, lane in batch:
                groups.setdefault(subscription, []).append(lane)
            for subscription, lanes in groups.items():
                try:
                    await self._load(subscription, lanes)
                except Exception as error:  # noqa: BLE001  # the database may be away for a while
                    _again.warning("lanes_not_read", shard=shard, error=repr(error))
                    await asyncio.sleep(AGAIN_S)
                    self._queues[shard] += [(subscription, lane) for lane in lanes]
        del self._queues[shard]

    async def _load(self, subscription: Subscription, lanes: list[Lane[LogEvent]]) -> None:
        cursor = subscription.cursor
        subscription.sync()
        bounds = [max(cursor.position, lane.last) for lane in lanes]
        slices = await self._read(subscription, lanes, bounds)
        for events, _ in slices:
            for event in events:
                await load_content(event, self._catalog)
        if subscription.lost:
            return
        for lane, bound, (events, full) in zip(lanes, bounds, slices, strict=True):
            subscription.lane_loaded(lane, events, events[-1].offset if full else bound, full=full)

    async def _read(
        self, subscription: Subscription, lanes: list[Lane[LogEvent]], bounds: list[int]
    ) -> list[tuple[list[LogEvent], bool]]:
        """Returns, per lane, its next events and whether there may be more."""
        shard, mode = subscription.cursor.shard, subscription.cursor.mode
        if mode == "unordered":
            events = await self._log.at_offsets(shard, [lane.key for lane in lanes])
            by_offset = {event.offset: [event] for event in events}
            return [(by_offset.get(lane.key, []), False) for lane in lanes]
        limit = lanes[0].remember
        if mode == "fifo":
            compiled = subscription.compiled
            events, bound = await self._log.slice_of(
                shard, compiled.row.project, compiled.classes, lanes[0].head - 1, bounds[0], limit
            )
            return [(events, bool(events) and bound < bounds[0])]
        stretches = [
            (lane.key, lane.head, bound) for lane, bound in zip(lanes, bounds, strict=True)
        ]
        slices = await self._log.slice_of_customers(shard, stretches, limit)
        return [(slices[lane.key], len(slices[lane.key]) == limit) for lane in lanes]

    async def _supersede(self, subscription: Subscription, lane: Lane[LogEvent]) -> None:
        def waits() -> bool:
            return lane.state == "parked" and not subscription.lost

        while waits():
            try:
                newest = await self._newest(subscription, lane)
            except Exception as error:  # noqa: BLE001  # the database may be away for a while
                _again.warning("lane_not_superseded", error=repr(error))
                await asyncio.sleep(AGAIN_S)
            else:
                if newest is not None and waits():
                    subscription.lane_passed(lane, newest)
                return

    async def _newest(self, subscription: Subscription, lane: Lane[LogEvent]) -> LogEvent | None:
        cursor = subscription.cursor
        upto = max(cursor.position, lane.last)
        events = await self._log.newest_of_customer(
            cursor.shard, lane.key, upto, lane.head + 1, NEWEST_MAX
        )
        for event in events:
            await load_content(event, self._catalog)
            if subscription.compiled.matches(event):
                return event
        return None
