"""OpenTelemetry, where it is installed (`pip install tierline[otel]`): one span per attempt."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from tierline.clock import wall
from tierline.delivery.delivery import Delivery
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, SignedRequest
from tierline.store.event_log import LogEvent
from tierline.transport import HttpReply

# Called after each attempt, with the outcome as the attempt log has it.
Trace = Callable[[CompiledEndpoint, Delivery[LogEvent], SignedRequest, HttpReply, str], None]


def tracer(name: str = "tierline.sender") -> Trace | None:
    """Returns what the sender calls after each attempt; None when OpenTelemetry is not there."""
    try:
        trace = import_module("opentelemetry.trace")
    except ImportError:
        return None
    spans = trace.get_tracer(name)
    status = import_module("opentelemetry.trace.status")

    def record(
        compiled: CompiledEndpoint,
        delivery: Delivery[LogEvent],
        request: SignedRequest,
        reply: HttpReply,
        outcome: str,
    ) -> None:
        end_ns = wall() * 1_000_000
        span = spans.start_span(
            "webhook POST",
            kind=trace.SpanKind.CLIENT,
            start_time=end_ns - int(reply.timings.total * 1_000_000),
            attributes=_attributes(compiled, delivery, request, reply, outcome),
        )
        if outcome != "delivered":
            span.set_status(status.Status(status.StatusCode.ERROR, outcome))
        span.end(end_time=end_ns)

    return record


def _attributes(
    compiled: CompiledEndpoint,
    delivery: Delivery[LogEvent],
    request: SignedRequest,
    reply: HttpReply,
    outcome: str,
) -> dict[str, str | int | float]:
    """Names of the semantic conventions for HTTP clients, and ours."""
    attributes: dict[str, str | int | float] = {
        "http.request.method": "POST",
        "server.address": compiled.target.host,
        "server.port": compiled.target.port,
        "tierline.endpoint": compiled.endpoint.id,
        "tierline.delivery": request.id,
        "tierline.event": delivery.events[0].id,
        "tierline.attempt": delivery.attempt,
        "tierline.outcome": outcome,
    }
    if reply.status is not None:
        attributes["http.response.status_code"] = reply.status
    if reply.fault is not None:
        attributes["error.type"] = reply.fault
    for phase in ("dns", "connect", "tls", "first_byte"):
        value = getattr(reply.timings, phase)
        if value is not None:
            attributes[f"tierline.{phase}_ms"] = value
    return attributes
