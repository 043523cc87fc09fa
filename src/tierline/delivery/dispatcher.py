"""The sender of one process: owns endpoints, runs their couriers, and gives them up in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from tierline.clock import Clock, wall
from tierline.delivery.cursor import Cursor
from tierline.delivery.depot import Depot, Trace
from tierline.delivery.endpoint_worker import EndpointWorker
from tierline.delivery.fetcher import ShardFetcher
from tierline.delivery.lag import lag_row
from tierline.delivery.lanes import REMEMBERED
from tierline.delivery.membership import MEMBERS, Membership
from tierline.delivery.metrics import LagRow, Metrics
from tierline.delivery.pacing import Rate
from tierline.delivery.retention import Retention
from tierline.delivery.subscription import Subscription, Terms
from tierline.delivery.takeover import Holding, Taken, still_ours, take_over
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.interfaces import Catalog, Formats
from tierline.endpoints.operational_events import read
from tierline.endpoints.replay_plan import decode_plan
from tierline.endpoints.settings import SenderSettings
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.database import Database
from tierline.store.event_log import EventLog, LogEvent
from tierline.store.event_log_queries import EventLogSql as Sql
from tierline.store.heartbeat import new_process_id
from tierline.store.notifications import Notifications
from tierline.transport import Client
from tierline.transport.address_guard import Guard
from tierline.transport.resolver import Resolver

TICK_S = 0.05
RECONCILE_AGAIN_S = 0.5
WRITE_S_MIN = 5  # for the last write, when the requests before it used their time up
_log = structlog.get_logger("tierline.sender")


class Sender:
    """`start`, then `wake(shard)` after every commit with events, then `stop`."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        formats: Formats,
        settings: SenderSettings | None = None,
        clock: Clock = wall,
        *,
        metrics: Metrics | None = None,
        names: Resolver | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.settings = settings or SenderSettings()
        self.log = EventLog(database)
        self.catalog = catalog
        self.formats = formats
        self.metrics = metrics or Metrics()
        self.membership = Membership(self.log, self.settings, new_process_id())
        self.couriers: dict[int, EndpointWorker] = {}
        self._clock = clock
        self._names = names
        self._trace = trace
        self._readers = [ShardFetcher(s, self.log, catalog) for s in range(self.log.shards)]
        self._signal = Notifications(database, self._heard, self.membership.look)
        self._retention = Retention(self.log, catalog, self._live, self.settings, clock)
        self._changed = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []  # for the next round to end
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False
        self._depot: Depot | None = None
        self._client: Client | None = None

    # Public

    async def start(self) -> None:
        """Read the catalog, take over what is ours, and begin. Database errors come through."""
        self._client = Client(Guard(self.settings.allow), self._names)
        self._depot = Depot(
            self,
            log=self.log,
            catalog=self.catalog,
            client=self._client,
            settings=self.settings,
            clock=self._clock,
            metrics=self.metrics,
            trace=self._trace,
        )
        await self.membership.join()
        await self._signal.start()
        self.catalog.on_change(self._changed.set)
        await self.catalog.refresh()
        for journal in self._depot.journals:
            journal.run()
        await self._reconcile()
        for reader in self._readers:
            reader.run()
        loop = asyncio.get_running_loop()
        own = (self._poll(), self._reconciling(), self._tick())
        rare = (self._write_idle_marks(), self._retention.run(self.membership.owns))
        self._tasks = [loop.create_task(each) for each in (*own, *rare)]
        self.membership.run(self._beaten)
        self._started = True
        self.metrics.lag = self.lag

    def wake(self, shard: int) -> None:
        """Events of this shard were committed: by this process, so no time is lost in polling.
        Other processes, if any, are told by one coalesced notification."""
        self._readers[shard].wake()
        if len(self.membership.alive) > 1:
            self._signal.tell(shard)

    @property
    def depot(self) -> Depot:
        """What its couriers share; there from `start` on."""
        assert self._depot is not None, "the sender was not started"
        return self._depot

    def poke(self) -> None:
        """The catalog changed: look now, not at the next poll."""
        self._changed.set()

    @property
    def working(self) -> bool:
        """Whether its loops run, and others know that it lives."""
        reading = all(reader.working for reader in self._readers)
        writing = all(journal.working for journal in self.depot.journals)
        running = not any(task.done() for task in self._tasks)
        return self.membership.working and reading and writing and running

    async def caught_up(self) -> None:
        """When what the catalog knows now is in force here: no request starts under older rows."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._changed.set()
        await waiting

    async def stop(self) -> None:
        """Let requests in flight end and write what they did (about `stop_ms`), and leave.
        It gives signs of life until then, so that nobody sends again what it has not yet heard."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for courier in self.couriers.values():
            courier.resting = True
        await self._signal.stop()
        for reader in self._readers:
            await reader.stop()
        await self._settle(self.couriers.values(), self.settings.stop_ms)
        for courier in self.couriers.values():
            courier.release()
        if self._depot is not None:
            await self._depot.stop()
            for journal in self._depot.journals:
                await journal.stop()
        if self._client is not None:
            await self._client.close()
        await self.membership.leave()
        await self.log.close()

    def lag(self) -> Iterable[LagRow]:
        """Per owned endpoint, from memory: how far it is behind."""
        now = self._clock()
        for courier in self.couriers.values():
            yield lag_row(courier, now)

    # What couriers and the depot call

    @property
    def may_start(self) -> bool:
        """No request starts while another process may own what we own."""
        return self.membership.certain

    def fenced(self, courier: EndpointWorker) -> None:
        """Somebody raised the generation: it is no longer ours, or must be read again."""
        if not courier.lost:
            _log.info("fenced", endpoint=courier.live.endpoint.id)
            self._drop(courier)
            self.membership.doubt(courier.number)

    async def run_ended(self, courier: EndpointWorker, follower: Subscription) -> None:
        run, shard = follower.cursor.run, follower.cursor.shard
        if courier.followers.get((run, shard)) is not follower:
            return
        courier.remove(follower)
        line = self.log.writer(shard)
        await line.run(lambda c: c.execute(Sql.drop_run, shard, courier.number, run))

    # Ownership

    async def _reconciling(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._reconcile()
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _log.warning("reconcile_failed", error=repr(error))
                await asyncio.sleep(RECONCILE_AGAIN_S)
                self._waiting += waiting
                self._changed.set()
            else:
                for each in waiting:
                    if not each.done():
                        each.set_result(None)

    async def _reconcile(self) -> None:
        """Own what the hash gives us, as the catalog has it now."""
        lapses = self.membership.lapses
        if self.membership.lapsed:
            await self._come_back()
        elif not self.membership.certain:
            return  # nothing starts; the next sign of life brings us here again
        wanted, later = self.membership.share(self.catalog.endpoints(), self.couriers)
        if later:
            asyncio.get_running_loop().call_later(later, self._changed.set)
        await self._give_up([c for n, c in self.couriers.items() if n not in wanted])
        fresh = []
        for number, row in wanted.items():
            courier = self.couriers.get(number)
            if courier is None:
                fresh.append(self._live(row))
            elif courier.live.row.revision != row.revision:
                live = self._live(row)
                if live is not None and await still_ours(self.log, [courier]):
                    await self._update(courier, live)
                else:
                    self._drop(courier)
                    fresh.append(live)
        lives = [live for live in fresh if live is not None]
        if lives:
            taken = await take_over(self.log, lives)
            await self.catalog.refresh()  # what was changed before somebody fenced us is here now
            self._install([each for each in taken if self._current(each.live)])
        self.membership.seen(lapses)
        self.depot.run_slots()

    async def _come_back(self) -> None:
        """After a lapse: what nobody took over is still ours, with its requests under way and all
        that they did, so none of it is sent again. The rest is its new owner's."""
        ours = await still_ours(self.log, self.couriers.values())
        for courier in [c for n, c in self.couriers.items() if n not in ours]:
            self._drop(courier)
        await self.membership.arrive()

    def _current(self, live: CompiledEndpoint) -> bool:
        row = self.catalog.endpoint_numbered(live.number)
        same = row is not None and row.revision == live.row.revision
        if not same:
            self._changed.set()
        return same

    async def _update(self, courier: EndpointWorker, live: CompiledEndpoint) -> None:
        """A new version of an endpoint that we own; perhaps it was resumed by hand."""
        courier.update(live)
        found = (await read(self.log, {live.number: live.endpoint.id}))[live.number]
        if found.state == "healthy" and found.since > courier.health.since:
            courier.resumed(found)

    def _live(self, row: EndpointRow) -> CompiledEndpoint | None:
        try:
            secrets = self.catalog.project_secrets(row.project)
            return CompiledEndpoint(row, self.formats, secrets, self.settings.proxy)
        except Exception as error:  # noqa: BLE001  # logged, and tried again
            # A row that a newer version wrote, a format that is not here: its events wait.
            _log.error("endpoint_unusable", endpoint=row.id, error=repr(error))
            return None

    def _install(self, taken: list[Taken]) -> None:
        assert self._depot is not None
        if not self._started:
            for shard, reader in enumerate(self._readers):
                marks = [h.row.mark for t in taken for h in t.holdings if h.shard == shard]
                reader.start_at(max(marks, default=0))
        for each in taken:
            courier = EndpointWorker(each.live, self._depot, each.health)
            self.couriers[courier.number] = courier
            for holding in each.holdings:
                courier.add(self._follower(courier, holding))
        for each in taken:
            for follower in list(self.couriers[each.live.number].followers.values()):
                follower.pull()
                follower.reader.wake()
            self.couriers[each.live.number].run_soon()

    def _follower(self, courier: EndpointWorker, holding: Holding) -> Subscription:
        assert self._depot is not None
        live, row = courier.live, holding.row
        batch = live.endpoint.batch
        cursor: Cursor[LogEvent] = Cursor(
            holding.shard,
            row.run,
            live.order,
            row.mark,
            row.done,
            lanes=holding.lanes,
            remember=batch.events_max if batch is not None else REMEMBERED,
        )
        return Subscription(
            self._readers[holding.shard],
            courier,
            cursor,
            self._depot.topic(live),
            generation=row.generation,
            lanes_max=self.settings.lanes_max,
            terms=self._terms(row.plan),
        )

    def _terms(self, text: str | None) -> Terms:
        if text is None:
            return Terms(Rate(None, 0))
        plan = decode_plan(text)
        return Terms(Rate(plan.rate_per_s, self._clock()), plan.until, plan.keeps())

    async def _give_up(self, couriers: list[EndpointWorker]) -> None:
        """Another process takes over, or nobody: end in order, so that it need not repeat."""
        for courier in couriers:
            courier.resting = True
        await self._settle(couriers, min(1_000, self.settings.stop_ms))
        for courier in couriers:
            self._drop(courier)

    async def _settle(self, couriers: Iterable[EndpointWorker], bound_ms: int) -> None:
        """Wait for requests in flight and for the write of what they did, both within a bound, but
        leave the write some time: a request that hangs must not cost what others did."""
        couriers = list(couriers)
        if not couriers or self._depot is None:
            return
        loop, bound_s = asyncio.get_running_loop(), bound_ms / 1000
        until = loop.time() + bound_s
        try:
            async with asyncio.timeout_at(until):
                # Many ends, one waiter, rare: not worth an event.
                while any(courier.in_flight for courier in couriers):  # noqa: ASYNC110
                    await asyncio.sleep(TICK_S / 10)
        except TimeoutError:
            _log.warning("stopped_with_requests_in_flight")
        try:
            async with asyncio.timeout_at(max(until, loop.time() + min(WRITE_S_MIN, bound_s))):
                for journal in self._depot.journals:
                    await journal.drain()
        except TimeoutError:
            _log.warning("stopped_before_all_was_written")

    def _drop(self, courier: EndpointWorker) -> None:
        courier.release()
        if self.couriers.get(courier.number) is courier:
            del self.couriers[courier.number]

    # Time

    def _beaten(self, news: bool) -> None:
        if news or self.membership.lapsed or not self.couriers:
            self._changed.set()

    async def _poll(self) -> None:
        """The fallback: nobody's wake-up is needed for an event to leave."""
        while True:
            await asyncio.sleep(self.settings.poll_ms / 1000)
            try:
                for shard, (head, _) in (await self.log.heads()).items():
                    self._readers[shard].wake(head)
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _log.warning("poll_failed", error=repr(error))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self._clock()
            for courier in self.couriers.values():
                if courier.in_flight:
                    courier.tick(now)

    async def _write_idle_marks(self) -> None:
        """A cursor that only skipped is written this often, with the others of its shard."""
        while True:
            await asyncio.sleep(self.settings.idle_write_ms / 1000)
            for courier in self.couriers.values():
                for follower in courier.followers.values():
                    follower.sync()
                    if follower.cursor.needs_write:
                        courier.touch(follower)

    def _heard(self, message: str) -> None:
        """Another process committed events of a shard, or changed the catalog."""
        if message.isdigit() and int(message) < len(self._readers):
            self._readers[int(message)].wake()
        elif message == MEMBERS:
            self.membership.look()
        else:
            self._changed.set()
