"""What all couriers of a process share: the client, the slots, the journals, and work for the
database that no courier may wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import random
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from tierline.clock import Clock
from tierline.delivery.committer import Committer
from tierline.delivery.metrics import Metrics
from tierline.delivery.pacing import Slots
from tierline.delivery.subscription import Subscription, Topic
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, SignedRequest
from tierline.endpoints.event_content import prepare
from tierline.endpoints.interfaces import Catalog
from tierline.endpoints.operational_events import home, record
from tierline.endpoints.settings import SenderSettings
from tierline.store.event_log import EventLog, LogEvent
from tierline.transport import Client

if TYPE_CHECKING:
    from tierline.delivery.delivery import Delivery
    from tierline.delivery.endpoint_worker import EndpointWorker
    from tierline.delivery.lanes import Lane
    from tierline.transport import Reply

LOAD_LANES_MAX = 100
NEWEST_MAX = 64
AGAIN_S = 0.5
_log = structlog.get_logger("tierline.sender")

Trace = Callable[["CompiledEndpoint", "Delivery[LogEvent]", "SignedRequest", "Reply", str], None]


class Owns(Protocol):
    """Who decides what this process owns."""

    @property
    def may_start(self) -> bool: ...

    def fenced(self, courier: EndpointWorker) -> None: ...

    async def run_ended(self, courier: EndpointWorker, follower: Subscription) -> None: ...


class Depot:
    def __init__(
        self,
        owns: Owns,
        *,
        log: EventLog,
        catalog: Catalog,
        client: Client,
        settings: SenderSettings,
        clock: Clock,
        metrics: Metrics,
        trace: Trace | None = None,
    ) -> None:
        self.log = log
        self.catalog = catalog
        self.client = client
        self.settings = settings
        self.clock = clock
        self.metrics = metrics
        self.trace = trace
        self.slots = Slots(settings.slots)
        self.spread: Callable[[], float] = random  # where in its jitter a retry falls
        self.journals = [
            Committer(shard, log, settings, metrics.flushed) for shard in range(log.shards)
        ]
        self._owns = owns
        self._loop = asyncio.get_running_loop()
        self._round = False  # slots will be handed out as soon as the loop comes round
        self._programs: dict[tuple[int, str], int] = {}  # a program keeps its number
        self._tasks: set[asyncio.Task[None]] = set()
        self._loads: dict[int, list[tuple[Subscription, Lane[LogEvent]]]] = {}

    def run_slots(self) -> None:
        """Hand out free slots, once for all that came in at the same time: answers, events."""
        if not self._round:
            self._round = True
            self._loop.call_soon(self._run_slots)

    def _run_slots(self) -> None:
        self._round = False
        if self._owns.may_start:
            self.slots.run(self.clock())

    def journal(self, follower: Subscription) -> Committer:
        return self.journals[follower.cursor.shard]

    def fenced(self, courier: EndpointWorker) -> None:
        self._owns.fenced(courier)

    def topic(self, live: CompiledEndpoint) -> Topic:
        """The narrowest part of the log that has everything the endpoint hears."""
        project = live.row.project
        programs = live.endpoint.programs
        if len(programs) == 1 and not live.ops_kinds:
            place = (project, programs[0])
            if place not in self._programs:
                rows = self.catalog.programs(project)
                self._programs.update({(project, row.id): row.number for row in rows})
            return project, self._programs.get(place, 0)
        return project, 0

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Work for the database

    def finish_run(self, courier: EndpointWorker, follower: Subscription) -> None:
        self.spawn(self._owns.run_ended(courier, follower))

    def condition(self, courier: EndpointWorker, event: str) -> None:
        """The endpoint's state changed: its row and the event, together."""
        health = courier.health
        _log.warning(event, endpoint=courier.live.endpoint.id, reason=health.reason)
        data: dict[str, Any] = {"failures": health.failures, "state": health.state}
        if health.reason is not None:
            data["reason"] = health.reason
        self.spawn(self._record(courier, event, data, state=True))

    def announce(self, courier: EndpointWorker, event: str, data: dict[str, Any]) -> None:
        """Something that operators should know and that changes no state."""
        self.spawn(self._record(courier, event, data, state=False))

    async def _record(
        self, courier: EndpointWorker, event: str, data: dict[str, Any], *, state: bool
    ) -> None:
        health = courier.health if state else None
        follower = courier.followers.get((0, home(courier.live.endpoint.id, self.log.shards)))
        while follower is not None and not courier.lost:
            try:
                ours = await record(
                    self.log, courier.live, event, data, self.clock(), health,
                    generation=follower.generation,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001  # the database may be away for a while
                _log.warning("event_not_recorded", kind=event, error=repr(error))
                await asyncio.sleep(AGAIN_S)
            else:
                if not ours:
                    self.fenced(courier)
                return

    def load(self, follower: Subscription, lane: Lane[LogEvent]) -> None:
        """Read a lane's next events from the log; several lanes of a shard in one statement."""
        lane.loading = True
        shard = follower.cursor.shard
        waiting = self._loads.get(shard)
        if waiting is None:
            waiting = self._loads[shard] = []
            self.spawn(self._load(shard))
        waiting.append((follower, lane))

    async def _load(self, shard: int) -> None:
        while self._loads[shard]:
            waiting = self._loads[shard]
            batch, self._loads[shard] = waiting[:LOAD_LANES_MAX], waiting[LOAD_LANES_MAX:]
            groups: dict[Subscription, list[Lane[LogEvent]]] = {}
            for follower, lane in batch:
                groups.setdefault(follower, []).append(lane)
            for follower, lanes in groups.items():
                try:
                    await self._load_lanes(follower, lanes)
                except Exception as error:  # noqa: BLE001  # as above
                    _log.warning("lanes_not_read", shard=shard, error=repr(error))
                    await asyncio.sleep(AGAIN_S)
                    self._loads[shard] += [(follower, lane) for lane in lanes]
        del self._loads[shard]

    async def _load_lanes(self, follower: Subscription, lanes: list[Lane[LogEvent]]) -> None:
        courier: Any = follower.owner
        cursor = follower.cursor
        follower.sync()
        uptos = [max(cursor.position, lane.last) for lane in lanes]
        found = await self._read_lanes(follower, lanes, uptos)
        if courier.lost:
            return
        keep = follower.terms.keep
        for lane, upto, (events, full) in zip(lanes, uptos, found, strict=True):
            for event in events:
                await prepare(event, self.catalog)
            heard = [e for e in events if courier.live.matches(e) and (keep is None or keep(e))]
            cursor.loaded(lane, heard, events[-1].offset if full else upto, full=full)
            courier.touch(follower)
            if lane.state == "retrying":
                courier.plan(follower, lane)

    async def _read_lanes(
        self, follower: Subscription, lanes: list[Lane[LogEvent]], uptos: list[int]
    ) -> list[tuple[list[LogEvent], bool]]:
        """Per lane: its next events, and whether there may be more."""
        shard, mode = follower.cursor.shard, follower.cursor.mode
        live = follower.owner.live
        if mode == "unordered":
            events = await self.log.at_offsets(shard, [lane.key for lane in lanes])
            by_offset = {event.offset: [event] for event in events}
            return [(by_offset.get(lane.key, []), False) for lane in lanes]
        limit = lanes[0].remember
        if mode == "fifo":
            events, bound = await self.log.slice_of(
                shard, live.row.project, live.classes, lanes[0].head - 1, uptos[0], limit
            )
            return [(events, bool(events) and bound < uptos[0])]
        wanted = [(lane.key, lane.head, upto) for lane, upto in zip(lanes, uptos, strict=True)]
        found = await self.log.slice_of_customers(shard, wanted, limit)
        return [(found[lane.key], len(found[lane.key]) == limit) for lane in lanes]

    def supersede(self, follower: Subscription, lane: Lane[LogEvent]) -> None:
        self.spawn(self._supersede(follower, lane))

    async def _supersede(self, follower: Subscription, lane: Lane[LogEvent]) -> None:
        """A parked lane jumps to its customer's newest event that the reader has passed."""
        courier: Any = follower.owner

        def waits() -> bool:
            return lane.state == "parked" and not courier.lost

        while waits():
            try:
                newest = await self._newest(follower, lane)
            except Exception as error:  # noqa: BLE001  # as above
                _log.warning("lane_not_superseded", error=repr(error))
                await asyncio.sleep(AGAIN_S)
            else:
                if newest is not None and waits():
                    courier.woken(follower, lane, newest)
                return

    async def _newest(self, follower: Subscription, lane: Lane[LogEvent]) -> LogEvent | None:
        cursor = follower.cursor
        events = await self.log.newest_of_customer(
            cursor.shard, lane.key, max(cursor.position, lane.last), lane.head + 1, NEWEST_MAX
        )
        for event in events:
            await prepare(event, self.catalog)
            if follower.owner.live.matches(event):
                return event
        return None
