"""What people do to endpoints: pause, resume, delete, rotate, test; and, beside it, replay and see.

Works on the database and the catalog alone, from any process: the owner notices the raised
generation or the raised revision. Whatever takes an endpoint out of its owner's hands answers only
when the generation is raised, so that nothing is written under the old state afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from tierline.clock import Clock, wall
from tierline.endpoints.attempts import attempt_row
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, Formats
from tierline.endpoints.endpoint import OVERLAP_S_DEFAULT, OrderInUse, decode_secrets, rotated
from tierline.endpoints.health import Health
from tierline.endpoints.health_records import home, record
from tierline.endpoints.inspection import Inspection
from tierline.endpoints.replays import ReplayCount, ReplayRequest, Replays, amend
from tierline.endpoints.settings import SenderSettings
from tierline.errors import Conflict, Invalid, NotFound
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import EventLog, LogEvent
from tierline.store.event_log_queries import EventLogSql as Sql
from tierline.transport import Client, HttpReply
from tierline.transport.address_guard import Guard
from tierline.vendors.sample import sample_event
from tierline.vendors.standard import signing

OVERLAP_S_MAX = 30 * 86_400


class EndpointLifecycle:
    """For the API and the command line. `poke` tells this process's sender, if it has one."""

    def __init__(
        self,
        log: EventLog,
        catalog: Catalog,
        formats: Formats,
        settings: SenderSettings | None = None,
        clock: Clock = wall,
        poke: Callable[[], None] = lambda: None,
    ) -> None:
        self.inspection = Inspection(log, catalog, formats)
        self.replays = Replays(log, catalog, clock, poke)
        self._log = log
        self._catalog = catalog
        self._formats = formats
        self._settings = settings or SenderSettings()
        self._clock = clock
        self._poke = poke

    async def pause(self, endpoint: EndpointRow) -> None:
        """By hand: nothing is sent until `resume`, nothing is lost."""
        await self._catalog.change_endpoint(endpoint.number, now=self._clock(), state="paused")
        await self._fence(endpoint)
        self._poke()
        await self._record(endpoint, "endpoint.paused", Health("paused", self._clock(), "asked"))

    async def resume(self, endpoint: EndpointRow) -> None:
        """After a pause by anybody; parked lanes start their schedules anew. An owner that is at
        work notices by the revision: it is not fenced, so nothing that it sent comes twice."""
        now = self._clock()
        await self._make_lanes_due(endpoint, now)
        await self._record(endpoint, "endpoint.resumed", Health("healthy", now))
        await self._catalog.change_endpoint(endpoint.number, now=now, state="active")
        self._poke()

    async def retry(self, endpoint: EndpointRow) -> None:
        """What waits after failures is tried at once, parked or not, though slowly at first; an
        endpoint that is paused for failing is probed. While a hand has paused it, nothing goes."""
        now = self._clock()
        await self._make_lanes_due(endpoint, now)  # for an owner to come; the present one is told:
        await amend(self._catalog, endpoint, now, lambda e: replace(e, retried_at=now))
        self._poke()

    async def reorder(
        self,
        endpoint: EndpointRow,
        body: str,
        secrets: bytes,
        expected: int,
        given_up: Callable[[], Awaitable[None]],
    ) -> EndpointRow:
        """Another order. It says what the keys of lanes are, so lanes of one order mean nothing
        under another: there must be none, and nobody who could make one. So it is paused meanwhile;
        a process that dies here leaves it paused. Raises OrderInUse, and Conflict where somebody
        else changed it."""
        number, was, now = endpoint.number, endpoint.state, self._clock()
        await self._no_lanes(endpoint)  # mostly known before anything is held up
        change = self._catalog.change_endpoint
        held = await change(number, now=now, state="paused", expected=expected)
        try:
            await given_up()  # an owner in this process ends in order: nothing will come twice
            await self._fence(endpoint)
            await self._no_lanes(endpoint)
            revision = held.revision
            changed = await change(
                number, now=now, body=body, secrets=secrets, state=was, expected=revision
            )
        except BaseException:
            with contextlib.suppress(Conflict, NotFound):
                await change(number, now=now, state=was, expected=held.revision)
            raise
        finally:
            self._poke()
        return changed

    async def delete(self, endpoint: EndpointRow) -> None:
        """For good: what it was owed is owed no more."""
        await self._catalog.delete_endpoint(endpoint.number, self._clock())
        for shard in range(self._log.shards):
            async with self._log.database.pool.acquire() as connection, connection.transaction():
                await connection.execute(Sql.drop_endpoint, shard, endpoint.number)
                await connection.execute(Sql.drop_endpoint_lanes, shard, endpoint.number)
        self._poke()

    async def count_replay(self, endpoint: EndpointRow, request: ReplayRequest) -> ReplayCount:
        return await self.replays.count(self._compile(endpoint), request)

    async def rotate(
        self,
        endpoint: EndpointRow,
        *,
        kind: Literal["hmac", "ed25519"] = "hmac",
        overlap_s: int = OVERLAP_S_DEFAULT,
    ) -> str:
        """A new secret, shown once. The one so far signs beside it until the overlap ends. Of an
        ed25519 key, the public half is what is shown."""
        if not 0 <= overlap_s <= OVERLAP_S_MAX:
            raise Invalid(path="overlap", reason="An overlap lasts from 0 s to 30 days.")
        entropy = os.urandom(32)
        fresh = signing.new_key(entropy) if kind == "ed25519" else signing.new_secret(entropy)
        secrets = decode_secrets(endpoint.secrets or b"{}")
        sealed = msgspec.json.encode(rotated(secrets, fresh, self._clock(), overlap_s))
        await self._catalog.change_endpoint(
            endpoint.number, now=self._clock(), secrets=sealed, expected=endpoint.revision
        )
        self._poke()
        return signing.public_key(fresh) if kind == "ed25519" else fresh

    async def test(self, endpoint: EndpointRow, kind: str) -> dict[str, Any]:
        """Send a made-up event once, signed and guarded as any other, and say what came back. It
        stands in the attempt log, and in no other log. Raises Invalid for a kind that the format
        has no shape for."""
        compiled, now = self._compile(endpoint), self._clock()
        project = self._catalog.project(endpoint.project)
        announcement = sample_event(compiled.format.name, kind, project, now)
        event = LogEvent((0, "tier", endpoint.project, 0, 0, announcement.id, now, "", None))
        event.content = announcement
        request = compiled.request([event], "", now, {"tierline-test": "1"})
        assert request is not None  # `announcement` refuses kinds without a shape
        client = Client(Guard(self._settings.allow))
        answer: asyncio.Future[HttpReply] = asyncio.get_running_loop().create_future()
        try:
            client.send(compiled.target, request.wire, answer.set_result)
            reply = await answer
        finally:
            await client.close()
        if reply.ok:
            await self.retry(endpoint)  # somebody is at home: nothing need wait any longer
        outcome = "test_delivered" if reply.ok else "test_failed"
        row = attempt_row(compiled, [event], request, reply, outcome, at=now)
        shard = home(compiled.endpoint.id, self._log.shards)
        await self._log.writer(shard).run(lambda c: self._log.add_attempts(c, shard, [row]))
        detail = msgspec.json.decode(row[-1])
        return {"id": request.id, "status": reply.status, "outcome": outcome, **detail}

    async def _make_lanes_due(self, endpoint: EndpointRow, now: int) -> None:
        for shard in range(self._log.shards):
            await self._log.database.pool.execute(Sql.make_due, shard, endpoint.number, now)

    async def _fence(self, endpoint: EndpointRow) -> None:
        for shard in range(self._log.shards):
            await self._log.database.pool.execute(Sql.fence, shard, endpoint.number)

    async def _no_lanes(self, endpoint: EndpointRow) -> None:
        retrying, parked = await self.inspection.lanes_left(endpoint)
        if retrying or parked:
            raise OrderInUse(path="mode", retrying=retrying, parked=parked)

    def _compile(self, endpoint: EndpointRow) -> CompiledEndpoint:
        secrets = self._catalog.project_secrets(endpoint.project)
        return CompiledEndpoint(endpoint, self._formats, secrets, self._settings.proxy)

    async def _record(self, endpoint: EndpointRow, event: str, health: Health) -> None:
        data = {"state": health.state, "reason": health.reason}
        await record(self._log, self._compile(endpoint), event, data, self._clock(), health)
