"""What can be seen of an endpoint: lag, lanes, attempts. From the database, so from any process, as
of the last committed write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tierline.endpoints.compiled_endpoint import CompiledEndpoint, Formats
from tierline.endpoints.event_content import load_content
from tierline.endpoints.event_facts import EVERYTHING, EventFilter, facts_at, kind_of
from tierline.endpoints.health import Health
from tierline.endpoints.health_records import read
from tierline.endpoints.replay_plan import decode_plan
from tierline.model import ids
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import EventLog, LogEvent, rows_of
from tierline.store.event_log_queries import EventLogSql as Sql

COUNT_MAX = 10_000
FILTERED_MAX = 1_000  # in a shard: so many unread events meet the endpoint's own filters
LANES_SHOWN = 100
OFFSET_MAX = (1 << 63) - 1
CUSTOMERS_NEWEST = 200  # events of a customer that a lane of everybody may wait with
ATTEMPTS_MAX = 500
PAGES_SEARCHED = 200


class Lag(Struct, frozen=True):
    """How far behind an endpoint is. `events` counts what it hears, up to 10,000; behind the first
    thousand unread ones of a shard, whatever its filters may drop counts too. `oldest_at` is when
    the oldest undelivered one was recorded."""

    events: int
    oldest_at: int | None
    retrying: int
    parked: int
    replays: int
    marks: dict[int, int]  # shard -> mark


class ShardLag(Struct, frozen=True):
    mark: int
    events: int
    oldest_at: int | None
    retrying: int
    parked: int
    runs: frozenset[int]


class Inspection:
    def __init__(self, log: EventLog, catalog: Catalog, formats: Formats) -> None:
        self._log = log
        self._catalog = catalog
        self._formats = formats

    async def health(self, endpoint: EndpointRow) -> Health:
        """What the sender knows, beside the state that people set."""
        return (await read(self._log, {endpoint.number: endpoint.id}))[endpoint.number]

    async def lag(self, endpoint: EndpointRow) -> Lag:
        compiled = self._compile(endpoint)
        heads = await self._log.heads()
        shards = {s: await self._lag(compiled, s, head) for s, (head, _) in heads.items()}
        each = shards.values()
        return Lag(
            events=min(sum(lag.events for lag in each), COUNT_MAX),
            oldest_at=min(
                (lag.oldest_at for lag in each if lag.oldest_at is not None), default=None
            ),
            retrying=sum(lag.retrying for lag in each),
            parked=sum(lag.parked for lag in each),
            replays=len(frozenset[int]().union(*(lag.runs for lag in each))),
            marks={shard: lag.mark for shard, lag in shards.items()},
        )

    async def _lag(self, compiled: CompiledEndpoint, shard: int, head: int) -> ShardLag:
        line, number, project = self._log.reader(shard), compiled.number, compiled.row.project
        cursors = await rows_of(line, Sql.cursors_of, shard, number)
        mark = next((row["mark"] for row in cursors if row["run"] == 0), head)
        lanes = await rows_of(line, Sql.lanes_counted, shard, number)
        counts = {row["state"]: row["count"] for row in lanes}
        unread, upto = await self._log.slice_of(
            shard, project, compiled.classes, mark, head, FILTERED_MAX
        )
        heard = [event for event in unread if await self._hears(compiled, event)]
        events = len(heard)
        for class_ in compiled.classes if upto < head else ():
            place = (shard, project, class_, upto, head, COUNT_MAX)
            events += (await rows_of(line, Sql.count_between, *place))[0]["count"]
        owed = [event.recorded_at for event in heard[:1]]
        if lanes:
            oldest = await self._log.at_offsets(shard, [min(row["oldest"] for row in lanes)])
            owed += [event.recorded_at for event in oldest]
        return ShardLag(
            mark=mark,
            events=events,
            oldest_at=min(owed, default=None),
            retrying=counts.get("retrying", 0),
            parked=counts.get("parked", 0),
            runs=frozenset(row["run"] for row in cursors if row["run"]),
        )

    def _compile(self, endpoint: EndpointRow) -> CompiledEndpoint:
        secrets = self._catalog.project_secrets(endpoint.project)
        return CompiledEndpoint(endpoint, self._formats, secrets)

    async def _hears(self, compiled: CompiledEndpoint, event: LogEvent) -> bool:
        await load_content(event, self._catalog)
        return compiled.matches(event)

    async def lanes_left(self, endpoint: EndpointRow) -> tuple[int, int]:
        """How many are retrying and how many parked, of replays too."""
        counts = {"retrying": 0, "parked": 0}
        for shard in range(self._log.shards):
            line = self._log.reader(shard)
            for row in await rows_of(line, Sql.lanes_counted, shard, endpoint.number):
                counts[row["state"]] += row["count"]
        return counts["retrying"], counts["parked"]

    async def lanes(
        self, endpoint: EndpointRow, which: EventFilter = EVERYTHING
    ) -> list[dict[str, Any]]:
        """Customers whose events wait, oldest first, each with the facts of the event that is tried
        next. Of an event, the lane in which it waits, at its head or behind it."""
        compiled = self._compile(endpoint)
        lanes: list[dict[str, Any]] = []
        if which.event is not None:
            lanes = await self._lanes_of_event(compiled, which)
        else:
            for shard in self._shards_of(which):
                lanes += await self._lanes_of_shard(compiled, shard, which)
        lanes = sorted(lanes, key=lambda lane: int(lane["first_at"]))[:LANES_SHOWN]
        for shard in {lane["shard"] for lane in lanes}:
            here = [lane for lane in lanes if lane["shard"] == shard]
            facts = await facts_at(self._log, shard, (lane["head"] for lane in here))
            for lane in here:
                lane["facts"] = facts.get(lane["head"])
        return lanes

    async def _lanes_of_shard(
        self, compiled: CompiledEndpoint, shard: int, which: EventFilter
    ) -> list[dict[str, Any]]:
        customer, fifo = which.customer, compiled.endpoint.order == "fifo"
        if which == EVERYTHING or (fifo and customer is not None):
            lanes = await self._rows(Sql.lanes_listed, shard, compiled.number, LANES_SHOWN)
        else:
            place = (compiled.number, customer, which.kind, LANES_SHOWN)
            lanes = await self._rows(Sql.lanes_by_head, shard, *place)
        if not fifo or customer is None:
            return lanes
        theirs: list[dict[str, Any]] = []
        for lane in lanes:  # one of each run, and everybody waits in it
            events = await self._log.newest_of_customer(
                shard, customer, OFFSET_MAX, lane["head"], CUSTOMERS_NEWEST
            )
            if any([await self._waits(compiled, event, which, lane) for event in events]):
                theirs.append(lane)
        return theirs

    async def _lanes_of_event(
        self, compiled: CompiledEndpoint, which: EventFilter
    ) -> list[dict[str, Any]]:
        match = await self._log.find(compiled.row.project, which.event or "")
        if match is None:
            return []
        shard, event = match
        if which.customer is not None and which.customer != event.customer:
            return []
        keys = {"customer": event.customer, "fifo": 0, "unordered": event.offset}
        key = keys[compiled.endpoint.order]
        lanes = await self._rows(Sql.lanes_of_key, shard, compiled.number, key, event.offset)
        return [lane for lane in lanes if await self._waits(compiled, event, which, lane)]

    async def _rows(self, statement: str, shard: int, *place: object) -> list[dict[str, Any]]:
        rows = await rows_of(self._log.reader(shard), statement, shard, *place)
        return [{**row, "shard": shard} for row in rows]

    async def _waits(
        self,
        compiled: CompiledEndpoint,
        event: LogEvent,
        which: EventFilter,
        lane: Mapping[str, Any],
    ) -> bool:
        """Whether an event behind a lane's head is what the endpoint hears, and the lane's run
        sends."""
        if not await self._hears(compiled, event):
            return False
        if which.kind is not None and kind_of(event) != which.kind:
            return False
        if not lane["run"]:
            return True
        cursors = await self._rows(Sql.cursors_of, lane["shard"], compiled.number)
        plans = [decode_plan(row["plan"]) for row in cursors if row["run"] == lane["run"]]
        keeps = plans[0].keeps() if plans else None
        return bool(plans) and event.offset <= plans[0].until and (keeps is None or keeps(event))

    async def attempts(
        self,
        endpoint: EndpointRow,
        which: EventFilter = EVERYTHING,
        *,
        before: int | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """The newest attempts, or those before an instant, each with the facts of its event."""
        limit = min(limit, ATTEMPTS_MAX)
        bound = before if before is not None else 1 << 62
        attempts: list[dict[str, Any]] = []
        for shard in self._shards_of(which):
            attempts += await self._attempts(endpoint.number, shard, which, bound, limit)
        attempts.sort(key=lambda row: -int(row["at"]))
        return attempts[:limit]

    async def _attempts(
        self, endpoint: int, shard: int, which: EventFilter, before: int, limit: int
    ) -> list[dict[str, Any]]:
        """Of one shard: page by page until enough of them are which ones."""
        page = limit if which == EVERYTHING else ATTEMPTS_MAX
        attempts: list[dict[str, Any]] = []
        for _ in range(PAGES_SEARCHED):
            rows = await rows_of(
                self._log.reader(shard), Sql.attempts_of, shard, endpoint, before, page
            )
            facts = await facts_at(self._log, shard, (row["offset"] for row in rows))
            for row in rows:
                row["detail"] = msgspec.json.decode(row["detail"])
                row["facts"] = facts.get(row["offset"])
                others = (row["event"], *row["detail"].get("events", ()))
                if which.keeps(row["facts"], others):
                    attempts.append(row)
            if len(rows) < page or len(attempts) >= limit:
                break
            before = rows[-1]["at"]
        return attempts

    def _shards_of(self, which: EventFilter) -> Iterable[int]:
        """Where it may be: a customer's events, and so an event by its id, lie in one shard. None
        that is away, unless it is this one."""
        customer = which.customer
        if customer is None and which.event is not None:
            with contextlib.suppress(ValueError):
                customer = ids.customer_of_event(which.event)
        if not customer:
            return self._log.database.absent.present(self._log.shards)
        return [ids.shard_of(ids.route_of_customer(customer), self._log.shards)]
