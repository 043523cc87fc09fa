"""The sender of one process: owns endpoints, runs their workers, and gives them up in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import random

import structlog

from tierline.clock import Clock, wall
from tierline.delivery.background_tasks import BackgroundTasks
from tierline.delivery.collaborators import Collaborators
from tierline.delivery.committer import Committer
from tierline.delivery.concurrency import Slots
from tierline.delivery.endpoint_worker import EndpointWorker
from tierline.delivery.fetcher import ShardFetcher
from tierline.delivery.lane_loader import LaneLoader
from tierline.delivery.membership import MEMBERS, Membership
from tierline.delivery.metrics import LagRow, Metrics
from tierline.delivery.operational_events import OperationalEvents
from tierline.delivery.retention import LogRetention
from tierline.delivery.run_terms import terms_of
from tierline.delivery.subscription import Subscription
from tierline.delivery.takeover import Holding, Taken, short_of, still_ours, take_over
from tierline.delivery.topic import topic_of
from tierline.delivery.tracing import Trace
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, Formats
from tierline.endpoints.health_records import read
from tierline.endpoints.settings import SenderSettings
from tierline.logging import RecurringFaults
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.customers import shard_of_customer
from tierline.store.database import Database
from tierline.store.event_log import EventLog
from tierline.store.event_log_queries import EventLogSql as Sql
from tierline.store.notifications import Notifications, erased_customer
from tierline.transport import Client
from tierline.transport.address_guard import Guard
from tierline.transport.resolver import Resolver

TICK_S = 0.05
RECONCILE_AGAIN_S = 0.5
WRITE_S_MIN = 5  # for the last write, when the requests before it used their time up
_log = structlog.get_logger("tierline.sender")
_again = RecurringFaults(_log)


class Dispatcher:
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
        self.workers: dict[int, EndpointWorker] = {}
        self.membership = Membership(self.log, self.settings, count=self.workers.__len__)
        self._clock = clock
        self._names = names
        self._trace = trace
        shards = range(self.log.shards)
        self.committers = [
            Committer(shard, self.log, self.settings, self.metrics.flushed) for shard in shards
        ]
        self._background = BackgroundTasks()
        self.operational_events = OperationalEvents(self.log, clock, self._background)
        self._slots = Slots(self.settings.slots)
        self._round = False  # slots will be handed out as soon as the loop comes round
        self._fetchers = [ShardFetcher(shard, self.log, catalog, clock) for shard in shards]
        self._signal = Notifications(database, self._heard, self.membership.look)
        self._retention = LogRetention(self.log, catalog, self._compile, self.settings, clock)
        self._changed = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []  # for the next round to end
        self._tasks: list[asyncio.Task[None]] = []
        self._client: Client | None = None
        self._collaborators: Collaborators | None = None

    # Public

    async def start(self) -> None:
        """Read the catalog, take over what is ours, and begin. Database errors come through."""
        self._client = Client(Guard(self.settings.allow), self._names)
        self._collaborators = Collaborators(
            ownership=self, client=self._client, slots=self._slots,
            run_slots=self._run_slots_soon, operational_events=self.operational_events,
            lane_loader=LaneLoader(self.log, self.catalog, self._background),
            settings=self.settings, clock=self._clock, spread=random,
            metrics=self.metrics, trace=self._trace,
        )  # fmt: skip
        await self.membership.join()
        await self._signal.start()
        self.catalog.on_change(self._changed.set)
        self.log.database.absent.on_change(self._changed.set)
        await self.catalog.refresh()
        for committer in self.committers:
            committer.run()
        await self._reconcile()
        for fetcher in self._fetchers:
            fetcher.run()
        own = (self._poll(), self._reconciling(), self._tick())
        rare = (self._write_idle_marks(), self._retention.run(self.membership.owns))
        self._tasks = [asyncio.create_task(each) for each in (*own, *rare)]
        self.membership.run(self._beaten)
        self.metrics.lag = self.lag

    def wake(self, shard: int) -> None:
        """Events of this shard were committed: by this process, so no time is lost in polling.
        Other processes, if any, are told by one coalesced notification."""
        self._fetchers[shard].wake()
        if self.membership.has_others:
            self._signal.tell(shard)

    def poke(self) -> None:
        """The catalog changed: look now, not at the next poll."""
        self._changed.set()

    @property
    def working(self) -> bool:
        """Whether its loops run, and others know that it lives."""
        reading = all(fetcher.working for fetcher in self._fetchers)
        writing = all(committer.working for committer in self.committers)
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
        for worker in self.workers.values():
            worker.rest()
        await self._signal.stop()
        for fetcher in self._fetchers:
            await fetcher.stop()
        await self._settle(self.workers.values(), self.settings.stop_ms)
        for worker in self.workers.values():
            worker.abandon()
        await self._background.stop()
        for committer in self.committers:
            await committer.stop()
        if self._client is not None:
            await self._client.close()
        await self.membership.leave()
        await self.log.close()

    def lag(self) -> Iterable[LagRow]:
        now = self._clock()
        for worker in self.workers.values():
            yield worker.lag(now)

    # What workers call

    def _run_slots_soon(self) -> None:
        """Hand out free slots, once for all that came in at the same time: answers, events."""
        if not self._round:
            self._round = True
            asyncio.get_running_loop().call_soon(self._run_slots)

    def _run_slots(self) -> None:
        self._round = False
        # No request starts while another process may own what we own.
        if self.membership.certain:
            self._slots.run(self._clock())

    def fenced(self, endpoint: int) -> None:
        """Somebody raised the generation: it is no longer ours, or must be read again."""
        worker = self.workers.get(endpoint)
        if worker is not None:
            _log.info("fenced", endpoint=worker.compiled.endpoint.id)
            self._drop(worker)
            self.membership.doubt(worker.number)

    def run_ended(self, endpoint: int, subscription: Subscription) -> None:
        worker, cursor = self.workers.get(endpoint), subscription.cursor
        if worker is not None and worker.remove(subscription):
            self._background.spawn(self._drop_run(endpoint, cursor.run, cursor.shard))

    async def _drop_run(self, endpoint: int, run: int, shard: int) -> None:
        line = self.log.writer(shard)
        await line.run(lambda c: c.execute(Sql.drop_run, shard, endpoint, run))

    # Ownership

    async def _reconciling(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._reconcile()
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _again.warning("reconcile_failed", error=repr(error))
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
        ours, later = self.membership.share(self.catalog.endpoints(), self.workers)
        if later:
            asyncio.get_running_loop().call_later(later, self._changed.set)
        short = short_of(self.log, self.workers.values())
        await self._give_up([c for n, c in self.workers.items() if n not in ours or n in short])
        opened = []
        for number, row in ours.items():
            worker = self.workers.get(number)
            if worker is None:
                opened.append(self._compile(row))
            elif not worker.compiled.is_current(row, self.catalog.project_secrets(row.project)):
                compiled = self._compile(row)
                if compiled is not None and await still_ours(self.log, [worker]):
                    await self._update(worker, compiled)
                else:
                    self._drop(worker)
                    opened.append(compiled)
        fresh = [compiled for compiled in opened if compiled is not None]
        if fresh:
            taken = await take_over(self.log, fresh)
            await self.catalog.refresh()  # what was changed before somebody fenced us is here now
            self._install([each for each in taken if self._current(each.compiled)])
        self.membership.seen(lapses)
        self._run_slots_soon()

    async def _come_back(self) -> None:
        """After a lapse: what nobody took over is still ours, with its requests under way and all
        that they did, so none of it is sent again. The rest is its new owner's."""
        ours = await still_ours(self.log, self.workers.values())
        for worker in [c for n, c in self.workers.items() if n not in ours]:
            self._drop(worker)
        await self.membership.arrive()

    def _current(self, compiled: CompiledEndpoint) -> bool:
        row = self.catalog.endpoint_numbered(compiled.number)
        same = row is not None and row.revision == compiled.row.revision
        if not same:
            self._changed.set()
        return same

    async def _update(self, worker: EndpointWorker, compiled: CompiledEndpoint) -> None:
        """A new version of an endpoint that we own; perhaps it was resumed by hand."""
        retried_at = worker.compiled.endpoint.retried_at
        worker.update(compiled, topic_of(compiled, self.catalog))
        if compiled.endpoint.retried_at > retried_at:
            worker.retry()
        health = (await read(self.log, {compiled.number: compiled.endpoint.id}))[compiled.number]
        if health.state == "healthy" and health.since > worker.health.since:
            worker.resumed(health)

    def _compile(self, row: EndpointRow) -> CompiledEndpoint | None:
        try:
            secrets = self.catalog.project_secrets(row.project)
            more = self.settings.proxy, self.log.erased
            return CompiledEndpoint(row, self.formats, secrets, *more)
        except Exception as error:  # noqa: BLE001  # logged, and tried again
            # A row that a newer version wrote, a format that is not here: its events wait.
            _log.error("endpoint_unusable", endpoint=row.id, error=repr(error))
            return None

    def _install(self, taken: list[Taken]) -> None:
        assert self._collaborators is not None
        for shard, fetcher in enumerate(self._fetchers):
            if not fetcher.begun:
                marks = [h.row.mark for t in taken for h in t.holdings if h.shard == shard]
                fetcher.start_at(max(marks, default=0))
        for each in taken:
            worker = EndpointWorker(each.compiled, each.health, self._collaborators)
            self.workers[worker.number] = worker
            for holding in each.holdings:
                worker.add(self._subscribe(worker, holding))
        for each in taken:
            for subscription in list(self.workers[each.compiled.number].subscriptions.values()):
                subscription.pull()
                self._fetchers[subscription.cursor.shard].wake()
            self.workers[each.compiled.number].run_soon()

    def _subscribe(self, worker: EndpointWorker, holding: Holding) -> Subscription:
        compiled, row = worker.compiled, holding.row
        return Subscription(
            self._fetchers[holding.shard],
            self.committers[holding.shard],
            worker,
            holding.cursor(compiled),
            topic_of(compiled, self.catalog),
            generation=row.generation,
            lanes_max=self.settings.lanes_max,
            terms=terms_of(row.plan, self._clock()),
        )

    async def _give_up(self, workers: list[EndpointWorker]) -> None:
        """Another process takes over, or nobody: end in order, so that it need not repeat."""
        for worker in workers:
            worker.rest()
        await self._settle(workers, self.membership.give_up_ms)
        for worker in workers:
            self._drop(worker)

    async def _settle(self, workers: Iterable[EndpointWorker], bound_ms: int) -> None:
        """Wait for requests in flight and for the write of what they did, both within a bound, but
        leave the write some time: a request that hangs must not cost what others did."""
        workers = list(workers)
        if not workers:
            return
        loop, bound_s = asyncio.get_running_loop(), bound_ms / 1000
        until = loop.time() + bound_s
        try:
            async with asyncio.timeout_at(until):
                # Many ends, one waiter, rare: not worth an event.
                while any(worker.in_flight for worker in workers):  # noqa: ASYNC110
                    await asyncio.sleep(TICK_S / 10)
        except TimeoutError:
            _log.warning("stopped_with_requests_in_flight")
        try:
            async with asyncio.timeout_at(max(until, loop.time() + min(WRITE_S_MIN, bound_s))):
                for committer in self.committers:
                    await committer.drain()
        except TimeoutError:
            _log.warning("stopped_before_all_was_written")

    def _drop(self, worker: EndpointWorker) -> None:
        worker.abandon()
        if self.workers.get(worker.number) is worker:
            del self.workers[worker.number]

    def _beaten(self, news: bool) -> None:
        if news or self.membership.lapsed or not self.workers:
            self._changed.set()

    async def _poll(self) -> None:
        """The fallback: nobody's wake-up is needed for an event to leave."""
        while True:
            await asyncio.sleep(self.settings.poll_ms / 1000)
            try:
                for shard, (head, _) in (await self.log.heads()).items():
                    self._fetchers[shard].wake(head)
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _again.warning("poll_failed", error=repr(error))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self._clock()
            for worker in self.workers.values():
                if worker.in_flight:
                    worker.tick(now)

    async def _write_idle_marks(self) -> None:
        """A cursor that only skipped is written this often, with the others of its shard."""
        while True:
            await asyncio.sleep(self.settings.idle_write_ms / 1000)
            for worker in self.workers.values():
                for subscription in worker.subscriptions.values():
                    subscription.sync()
                    if subscription.cursor.needs_write:
                        subscription.touch()

    def _heard(self, message: str) -> None:
        """Another process committed events of a shard, erased somebody, or changed the catalog."""
        customer = erased_customer(message)
        if message.isdigit() and int(message) < len(self._fetchers):
            self._fetchers[int(message)].wake()
        elif customer is not None:
            self._fetchers[shard_of_customer(self.log.shards, customer)].forget(customer)
        elif message == MEMBERS:
            self.membership.look()
        else:
            self._changed.set()
