"""Operational events: in the log of the endpoint's home shard, with its state row, together."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg
import msgspec

from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.endpoint import Endpoint
from tierline.endpoints.health import HEALTHY, Health
from tierline.model import ids
from tierline.model.operational_event import OperationalEvent, encode_operational_event
from tierline.store.event_log import EventLog, tell_operators
from tierline.store.event_log_queries import EventLogSql as Sql

decode_health = msgspec.json.Decoder(Health).decode


def home(endpoint: str, shards: int) -> int:
    """The shard of an endpoint's state row and operational events."""
    return ids.shard_of(ids.route("endpoint", endpoint), shards)


async def record(
    log: EventLog,
    compiled: CompiledEndpoint,
    kind: str,
    data: Mapping[str, object],
    now: int,
    health: Health | None,
    *,
    generation: int | None = None,
) -> bool:
    """One operational event and, if given, the endpoint's new health. A sender names the generation
    of its live cursor in the endpoint's home shard: False, and nothing is written, when somebody
    else has raised it. Nothing waits after the head's lock."""
    endpoint: Endpoint = compiled.endpoint
    shard = home(endpoint.id, log.shards)
    event = OperationalEvent(kind, now, endpoint.id, dict(data), quiet=kind in endpoint.kinds)
    body = encode_operational_event(event).decode()
    # Of all that it says: two lanes may park in one millisecond.
    event_id = ids.derived("evt_", "ops", endpoint.id, str(now), body)

    async def write(connection: asyncpg.Connection) -> bool:
        async with connection.transaction():
            if generation is not None:
                place = (shard, compiled.number, generation)
                if await connection.fetchval(Sql.hold_cursor, *place) is None:
                    return False
            if health is not None:
                state = msgspec.json.encode(health).decode()
                await connection.execute(
                    Sql.put_health, shard, compiled.number, health.state, health.since, state
                )
            about = (compiled.row.project, 0, 0, event_id)
            await tell_operators(connection, shard, now, about, body)
        return True

    return await log.writer(shard).run(write)


async def read(log: EventLog, endpoints: dict[int, str]) -> dict[int, Health]:
    """Health by number, of endpoints given as number -> id. Of whose home shard is away nothing is
    known: they are shown as healthy."""
    by_home: dict[int, list[int]] = {}
    for number, name in endpoints.items():
        by_home.setdefault(home(name, log.shards), []).append(number)
    healths = dict.fromkeys(endpoints, HEALTHY)
    for shard, numbers in by_home.items():
        if shard in log.database.absent:
            continue
        rows = await log.writer(shard).run(
            lambda c, s=shard, n=numbers: c.fetch(Sql.health_of, s, n)  # type: ignore[misc]
        )
        for row in rows:
            healths[row["endpoint"]] = decode_health(row["body"])
    return healths
