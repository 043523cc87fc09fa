"""Sending again what was recorded: a replay beside live traffic, or the live cursor moved back.

Works on the database and the catalog alone, from any process; the owner notices the raised
generation, or the raised revision of the endpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.clock import Clock
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.endpoint import Endpoint, decode_endpoint
from tierline.endpoints.event_content import load_content
from tierline.endpoints.replay_plan import IDS_MAX, ReplayPlan, decode_plan, encode_plan
from tierline.errors import Conflict, Invalid, NoSuchRecord, NotFound
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import EventLog, rows_of
from tierline.store.event_log_queries import EventLogSql as Sql


class ReplayUnbounded(Invalid):
    """Say which events are to be sent again: `ids`, `since`, `until` or `kinds`; or everything that
    the log has, with {{"everything": true}}. `dry_run` counts them first."""

    code = "replay_unbounded"


class ReplayCount(Struct, frozen=True):
    """How many events a replay would send; at least so many where it is not `complete`."""

    events: int
    complete: bool


class ReplayRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to send again: by ids, or a stretch of time (`since` inclusive, `until` exclusive, both
    instants; none: the log's start, now), of some kinds or all, at a rate or as it goes."""

    ids: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    kinds: tuple[str, ...] = ()
    rate_per_s: float | None = None


COUNTED_MAX = 20_000
COUNT_PAGE = 500


async def amend(
    catalog: Catalog, endpoint: EndpointRow, now: int, change: Callable[[Endpoint], Endpoint]
) -> Endpoint:
    """Change what an endpoint's row says of itself, whatever else is changed at the same moment.
    Raises NotFound when it was deleted."""
    row: EndpointRow | None = endpoint
    while row is not None:
        changed = change(decode_endpoint(row.body))
        body = msgspec.json.encode(changed).decode()
        with contextlib.suppress(Conflict):
            await catalog.change_endpoint(row.number, now=now, body=body, expected=row.revision)
            return changed
        await catalog.refresh()
        row = catalog.endpoint_numbered(endpoint.number)
    raise NotFound(what="endpoint", name=endpoint.id, path="endpoint")


class Replays:
    """Of any endpoint. `poke` tells this process's sender, if it has one."""

    def __init__(
        self, log: EventLog, catalog: Catalog, clock: Clock, poke: Callable[[], None]
    ) -> None:
        self._log = log
        self._catalog = catalog
        self._clock = clock
        self._poke = poke

    async def rewind(self, endpoint: EndpointRow, since: int) -> None:
        """Move the live cursor back: everything recorded from `since` on is sent again, in order,
        and live events wait behind it."""
        sandbox = self._sandbox(endpoint)
        shards = range(self._log.shards)
        marks = [await self._log.before(shard, since, sandbox) for shard in shards]
        for shard, mark in enumerate(marks):
            async with self._log.database.pool.acquire() as connection, connection.transaction():
                # Lanes that begin behind the new mark are covered by the cursor again; those that
                # begin before it own their customers still.
                if await connection.fetchval(Sql.rewind, shard, endpoint.number, mark) is not None:
                    await connection.execute(Sql.drop_lanes_above, shard, endpoint.number, mark)
        await self._touch(endpoint.number, "rewound")

    async def start(self, endpoint: EndpointRow, request: ReplayRequest) -> int:
        """Start a run of its own, beside live traffic; returns its number. Raises NotFound for an
        id that is not in the log, Conflict when nothing lies in the stretch."""
        plans = await self._plans(endpoint, request)
        if not plans:
            raise Conflict(reason="Nothing was recorded in that time: there is nothing to send.")
        runs = [row["run"] for row in await self._cursors(endpoint.number)]

        def number(one: Endpoint) -> Endpoint:
            return replace(one, last_run=1 + max([one.last_run, *runs]))

        run = (await amend(self._catalog, endpoint, self._clock(), number)).last_run
        for shard, plan in plans.items():
            fresh = (endpoint.number, run, plan.after, encode_plan(plan))
            if not await self._log.open_cursors(shard, [fresh]):
                raise Conflict(reason="Another replay was started at this moment; try again.")
        await self._touch(endpoint.number)
        return run

    async def count(self, compiled: CompiledEndpoint, request: ReplayRequest) -> ReplayCount:
        """How many events it would send, looking at up to COUNTED_MAX. Raises NotFound."""
        events = looked_at = 0
        for shard, plan in (await self._plans(compiled.row, request)).items():
            keeps, after = plan.keeps(), plan.after
            while after < plan.until:
                if looked_at >= COUNTED_MAX:
                    return ReplayCount(events, complete=False)
                page, after = await self._log.slice_of(
                    shard, compiled.row.project, compiled.classes, after, plan.until, COUNT_PAGE
                )
                looked_at += len(page)
                for event in page:
                    await load_content(event, self._catalog)
                    events += compiled.matches(event) and (keeps is None or keeps(event))
        return ReplayCount(events, complete=True)

    async def stop(self, endpoint: EndpointRow, run: int) -> None:
        """End a run; what it has not sent stays unsent. Raises NotFound, and NodeAway while any
        shard is away."""
        self._log.database.absent.require_all()
        if run == 0 or run not in {r["run"] for r in await self._cursors(endpoint.number)}:
            raise NoSuchRecord(what="replay", name=str(run))
        for shard in range(self._log.shards):
            async with self._log.database.pool.acquire() as connection, connection.transaction():
                await connection.execute(Sql.drop_run, shard, endpoint.number, run)
                await connection.execute(Sql.drop_run_lanes, shard, endpoint.number, run)
        await self._touch(endpoint.number, "replay_stopped")

    async def running(self, endpoint: EndpointRow) -> list[dict[str, Any]]:
        """Runs that are not over: how far each shard is between `after` and `until`."""
        result = []
        for row in await self._cursors(endpoint.number):
            if row["run"] and row["plan"]:
                plan = decode_plan(row["plan"])
                result.append({**row, "plan": None, "after": plan.after, "until": plan.until})
        return result

    async def _plans(self, endpoint: EndpointRow, request: ReplayRequest) -> dict[int, ReplayPlan]:
        self._log.database.absent.require_all()
        if request.ids:
            return await self._by_ids(endpoint.project, request)
        return await self._by_time(request, self._sandbox(endpoint))

    async def _by_ids(self, project: int, request: ReplayRequest) -> dict[int, ReplayPlan]:
        if len(request.ids) > IDS_MAX:
            reason = f"Name at most {IDS_MAX} events, or a stretch of time."
            raise Invalid(path="ids", reason=reason)
        offsets: dict[int, list[int]] = {}
        for name in request.ids:
            match = await self._log.find(project, name)
            if match is None:
                raise NoSuchRecord(what="event", name=name, path="ids")
            offsets.setdefault(match[0], []).append(match[1].offset)
        return {
            shard: self._plan(request, min(result) - 1, max(result))
            for shard, result in offsets.items()
        }

    async def _by_time(self, request: ReplayRequest, sandbox: int | None) -> dict[int, ReplayPlan]:
        heads = await self._log.heads()
        plans = {}
        for shard, (head, log_start) in heads.items():
            after, until = max(log_start - 1, 0), head
            if request.since is not None:
                after = max(after, await self._log.before(shard, request.since, sandbox))
            if request.until is not None:
                until = await self._log.before(shard, request.until, sandbox)
            if after < until:
                plans[shard] = self._plan(request, after, until)
        return plans

    def _sandbox(self, endpoint: EndpointRow) -> int | None:
        """Whose time instants are of: the sandbox's where it hears customers, else the wall's."""
        hears_customers = decode_endpoint(endpoint.body).hears_customers
        return self._catalog.project(endpoint.project).sandbox if hears_customers else None

    def _plan(self, request: ReplayRequest, after: int, until: int) -> ReplayPlan:
        return ReplayPlan(
            after=after,
            until=until,
            ids=request.ids,
            kinds=request.kinds,
            rate_per_s=request.rate_per_s,
            asked_at=self._clock(),
        )

    async def _cursors(self, number: int) -> list[dict[str, Any]]:
        result = []
        for shard in self._log.database.absent.present(self._log.shards):
            rows = await rows_of(self._log.reader(shard), Sql.cursors_of, shard, number)
            result += [{**row, "shard": shard} for row in rows]
        return result

    async def _touch(self, number: int, action: str | None = None) -> None:
        """Raise the revision, so that the owner looks at its cursors again."""
        await self._catalog.change_endpoint(number, now=self._clock(), action=action)
        self._poke()
