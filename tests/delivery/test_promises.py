"""What the success path must not do, and what happens now and then."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from tests.delivery.test_policies import ops_events
from tests.delivery.world import World
from tests.receiver import Received, Receiver, Reply
from tierline.delivery.metrics import Metrics
from tierline.delivery.tracing import tracer
from tierline.endpoints.endpoint import Endpoint, EndpointSecrets, SupersedeOutOfOrder, check
from tierline.transport.address_guard import Guard

HELD_S_MAX = 5  # then a transaction counts as open for as long as the request is
COUNTS = "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = $1"


async def counted(world: World, table: str) -> tuple[int, int, int]:
    """Rows inserted, updated and deleted so far, as PostgreSQL counts them."""
    async with world.database.pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await connection.fetchrow(COUNTS, table)
    assert row is not None
    return row[0], row[1], row[2]


async def test_success_updates_no_endpoint_and_makes_no_lane(
    world: World, receiver: Receiver
) -> None:
    """A delivery that succeeds costs a share of one cursor row and one line in the attempt log."""
    await world.endpoint(receiver.url)

    async with world.sending() as sender:
        await world.happen([world.customer(n) for n in range(10)])
        await receiver.wait(10)
        await world.settled(sender)
        before = {t: await counted(world, t) for t in ("endpoint", "health", "lane")}
        await world.happen([world.customer(n) for n in range(200)])
        await receiver.wait(210)
        await world.settled(sender)
        statements = sender.log.statements
    after = {t: await counted(world, t) for t in before}

    assert before == after
    assert (0, 0, 0) == after["lane"]
    assert statements < 210
    assert 210 == await world.database.pool.fetchval("SELECT count(*) FROM attempt")


async def test_no_transaction_is_open_during_a_request(world: World, receiver: Receiver) -> None:
    """Asked of PostgreSQL itself, while the receiver keeps the sender waiting."""
    await world.endpoint(receiver.url)
    results: list[Any] = []
    open_since = (
        "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND xact_start <= $1"
    )

    async def held(_: Received) -> Reply:
        # A flush that was under way as the request came ends; what the request itself holds does
        # not.
        async with world.database.pool.acquire() as connection:
            came_at = await connection.fetchval("SELECT clock_timestamp()")
            with suppress(TimeoutError):
                async with asyncio.timeout(HELD_S_MAX):
                    while await connection.fetch(open_since, came_at):
                        await asyncio.sleep(0.01)
            results.append(await connection.fetch(open_since, came_at))
        return Reply()

    receiver.answer = held
    async with world.sending() as sender:
        await world.happen([world.customer(1)])
        await receiver.wait(1)
        await world.settled(sender)

    assert results == [[]]


async def test_metrics_show_each_endpoint(world: World, receiver: Receiver) -> None:
    """Attempts by outcome, durations, lag and lanes, in Prometheus' text."""
    await world.endpoint(receiver.url)
    registry, metrics = CollectorRegistry(), Metrics()
    metrics.register(registry)

    async with world.sending(metrics=metrics) as sender:
        receiver.then(500)
        await world.happen([world.customer(1)])
        await receiver.wait(2)
        await world.settled(sender)
        text = generate_latest(registry).decode()

    assert 'tierline_attempts_total{endpoint="end_0001",outcome="retry"} 1.0' in text
    assert 'tierline_deliveries_total{endpoint="end_0001"} 1.0' in text
    assert 'tierline_delivery_seconds_count{endpoint="end_0001"} 1.0' in text
    assert 'tierline_lag_events{endpoint="end_0001"} 0.0' in text
    assert 'tierline_oldest_undelivered_seconds{endpoint="end_0001"} 0.0' in text
    assert 'tierline_attempt_seconds_count{endpoint="end_0001"} 2.0' in text


async def test_an_attempt_is_a_span(world: World, receiver: Receiver) -> None:
    """Where OpenTelemetry is installed: one client span per attempt, an error where it failed."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    row = await world.endpoint(receiver.url)
    receiver.then(503)

    async with world.sending(trace=tracer()) as sender:
        [event] = await world.happen([world.customer(1)])
        await receiver.wait(2)
        await world.settled(sender)

    failed, delivered = spans.get_finished_spans()
    said = dict(failed.attributes or {})
    assert (row.id, event, 1) == (
        said["tierline.endpoint"], said["tierline.event"], said["tierline.attempt"],
    )  # fmt: skip
    assert (503, trace.SpanKind.CLIENT) == (said["http.response.status_code"], failed.kind)
    assert (failed.status.is_ok, delivered.status.is_ok) == (False, True)
    assert (failed.end_time or 0) > (failed.start_time or 0)


def test_tracing_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenTelemetry nothing is traced, and nothing breaks."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)

    assert tracer() is None


async def test_a_stale_sender_writes_no_operational_event(world: World, receiver: Receiver) -> None:
    """Somebody raised the generation: the event is not written, and the cursor is read again."""
    row = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        stale = sender.workers[row.number]
        await world.database.pool.execute("UPDATE cursor SET generation = generation + 1")
        sender.operational_events.announce(stale, "endpoint.lane_parked", {})
        await world.until(
            lambda: stale.lost and sender.workers.get(row.number, stale) is not stale, "fenced"
        )
        fresh = sender.workers[row.number]
        sender.operational_events.announce(fresh, "endpoint.failing", {})
        await world.until_async(lambda: ops_events(world), bool, "written by the new owner")

    assert ["endpoint.failing"] == [event["kind"] for event in await ops_events(world)]


@pytest.mark.parametrize("fields", [{"mode": "fifo"}, {"mode": "unordered"}, {"batch": {}}])
def test_supersede_needs_order_per_customer(fields: dict[str, Any]) -> None:
    """It jumps to the customer's newest event; under another order that would drop others'."""
    body = {"id": "end_1", "number": 1, "project": 1, "url": "https://shop.example/hook"}
    endpoint = msgspec.convert({**body, "parked": "supersede", **fields}, Endpoint)

    with pytest.raises(SupersedeOutOfOrder) as refused:
        check(endpoint, EndpointSecrets(), Guard(()))

    assert ("supersede_out_of_order", "parked") == (refused.value.code, refused.value.path)
