"""An endpoint's health over days: warned of first, then paused, never deleted. Pure.

Both a time and a count must be reached, so that neither one bad message on a quiet endpoint nor a
minute's outage of a busy one pauses anything. What the sender paused, it probes and resumes by
itself; a pause by hand waits for a hand.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

State = Literal["healthy", "failing", "paused"]
Reason = Literal["failures", "gone", "asked"]

HOUR_MS = 3_600_000
PROBE_PAUSED_MS = HOUR_MS


class Tolerance(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How long and how often an endpoint may fail before it is warned of, and before it pauses."""

    warn_after_s: Annotated[int, Meta(ge=0)] = 12 * 3600
    warn_count: Annotated[int, Meta(ge=1)] = 5
    pause_after_s: Annotated[int, Meta(ge=0)] = 5 * 86_400
    pause_count: Annotated[int, Meta(ge=1)] = 30


class Health(Struct, frozen=True, omit_defaults=True):
    """What is known of an endpoint. `since` is when the state began; failures count from the
    first one after the last success."""

    state: State = "healthy"
    since: int = 0
    reason: Reason | None = None
    failing_since: int | None = None
    failures: int = 0
    probe_at: int | None = None  # paused for failing: when one request asks whether it is back


class HealthStep(Struct, frozen=True):
    """What follows: the health afterwards, and the operational event if its state changed."""

    health: Health
    event: str | None = None


def succeeded(health: Health, now: int) -> HealthStep:
    if health.state == "healthy":
        return HealthStep(Health(since=health.since) if health.failures else health)
    return HealthStep(Health(since=now), "endpoint.recovered")


def failed(health: Health, tolerance: Tolerance, now: int) -> HealthStep:
    since = health.failing_since if health.failing_since is not None else now
    failures = health.failures + 1
    lasted_s = (now - since) / 1000
    state, event = health.state, None
    if health.state == "paused":
        probe_at = now + PROBE_PAUSED_MS if health.reason == "failures" else None
        return HealthStep(_with(health, since, failures, probe_at))
    if lasted_s >= tolerance.pause_after_s and failures >= tolerance.pause_count:
        paused = Health("paused", now, "failures", since, failures, now + PROBE_PAUSED_MS)
        return HealthStep(paused, "endpoint.paused")
    warn = lasted_s >= tolerance.warn_after_s and failures >= tolerance.warn_count
    if state == "healthy" and warn:
        return HealthStep(Health("failing", now, None, since, failures), "endpoint.failing")
    return HealthStep(_with(health, since, failures, None), event)


def paused(health: Health, reason: Reason, now: int) -> HealthStep:
    """410, or the receiver asked for it: no probe, a hand resumes it."""
    if health.state == "paused" and health.reason == reason:
        return HealthStep(health)
    since = health.failing_since if health.failing_since is not None else now
    return HealthStep(Health("paused", now, reason, since, health.failures + 1), "endpoint.paused")


def _with(health: Health, since: int, failures: int, probe_at: int | None) -> Health:
    return Health(health.state, health.since, health.reason, since, failures, probe_at)


HEALTHY = Health()
