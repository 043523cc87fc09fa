"""What follows from an answer: for the event, its lane, the endpoint's pace, and its health."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from tierline.delivery.delivery import Delivery
from tierline.delivery.outcome import Verdict, judge
from tierline.endpoints import health as healthy
from tierline.endpoints.attempts import attempt_row
from tierline.endpoints.compiled_endpoint import SignedRequest
from tierline.endpoints.health import Step
from tierline.endpoints.retry_schedule import next_attempt
from tierline.store.event_log import LogEvent
from tierline.transport import Reply

if TYPE_CHECKING:
    from tierline.delivery.endpoint_worker import EndpointWorker
    from tierline.delivery.lanes import Lane
    from tierline.delivery.subscription import Subscription

RETRY_AFTER_HOLD_S_MAX = 60  # a 429 or 503 with Retry-After holds the endpoint for at most this
UNSENDABLE_AGAIN_MS = 300_000

_log = structlog.get_logger("tierline.sender")


class Aftermath:
    """Acts for one courier."""

    def __init__(self, courier: EndpointWorker) -> None:
        self._courier = courier
        self._depot = courier.depot

    def answered(
        self,
        follower: Subscription,
        delivery: Delivery[LogEvent],
        parcel: SignedRequest,
        reply: Reply,
    ) -> None:
        """Whatever an answer holds: it never leaves its delivery open and its lane busy."""
        try:
            self._act(follower, delivery, parcel, reply)
        except Exception as error:  # noqa: BLE001  # a fault of ours holds one lane, no more
            if delivery.cursor.under_way(delivery):
                self.unsendable(follower, delivery, error)
            else:
                _log.error("aftermath", endpoint=self._courier.live.endpoint.id, exc_info=error)

    def _act(
        self,
        follower: Subscription,
        delivery: Delivery[LogEvent],
        parcel: SignedRequest,
        reply: Reply,
    ) -> None:
        courier = self._courier
        now = self._depot.clock()
        verdict = judge(reply, now)
        took = reply.timings.total
        outcome: str = verdict.outcome
        if outcome == "delivered":
            courier.cap.succeeded(took, courier.reached)
            courier.typical.saw(took)
            self._alive(now)
            if courier.health.failures or courier.health.state != "healthy":
                self._condition(healthy.succeeded(courier.health, now))
            self._settled(follower, delivery)
            if not delivery.cursor.run:
                courier.metrics.late.saw((now - delivery.events[0].recorded_at) / 1000)
        elif verdict.outcome == "stopped":
            self._alive(now)
            self._settled(follower, delivery)
        else:
            outcome = self._failed(follower, delivery, verdict, now, took)
        row = attempt_row(
            courier.live, delivery.events, parcel, reply, outcome,
            at=delivery.started_at, run=delivery.cursor.run, number=delivery.attempt,
        )  # fmt: skip
        self._depot.journals[delivery.cursor.shard].note(follower, row)
        courier.metrics.attempt(outcome, took / 1000, len(delivery.events))
        if self._depot.trace is not None:
            self._depot.trace(courier.live, delivery, parcel, reply, outcome)

    def filtered(self, follower: Subscription, delivery: Delivery[LogEvent]) -> None:
        """It matches no more, or the format has no such event: settled without a request."""
        self._settled(follower, delivery)
        self._courier.touch(follower)
        if follower.cursor.ready:
            self._courier.turns.join(follower)

    def unsendable(
        self, follower: Subscription, delivery: Delivery[LogEvent], error: Exception
    ) -> None:
        """Our own fault: it holds its lane, and nothing else."""
        event = delivery.events[0].id
        _log.error(
            "unsendable", endpoint=self._courier.live.endpoint.id, about=event, exc_info=error
        )
        due = self._depot.clock() + UNSENDABLE_AGAIN_MS
        lane = delivery.cursor.deferred(delivery, due, self._courier.live.form_text)
        self._courier.plan(follower, lane)
        self._courier.touch(follower)

    # The event

    def _settled(self, follower: Subscription, delivery: Delivery[LogEvent]) -> None:
        lane = delivery.cursor.delivered(delivery)
        if lane is not None:
            lane.due_at = self._depot.clock()
            self._courier.plan(follower, lane)

    def _failed(
        self,
        follower: Subscription,
        delivery: Delivery[LogEvent],
        verdict: Verdict,
        now: int,
        took_ms: float,
    ) -> str:
        """Plan the next attempt; returns the outcome for the attempt log."""
        courier, cursor, live = self._courier, delivery.cursor, self._courier.live
        probe = delivery.probe
        self._pace(verdict, delivery, now, took_ms, probe=probe)
        form = (delivery.lane.form if delivery.lane is not None else "") or live.form_text
        if verdict.outcome in ("gone", "pause"):
            reason: healthy.Reason = "gone" if verdict.outcome == "gone" else "asked"
            self._condition(healthy.paused(courier.health, reason, now))
        else:
            self._condition(healthy.failed(courier.health, live.endpoint.tolerance, now))
        if probe and verdict.trouble:
            due_at = now + self._depot.settings.probe_again_ms
            lane = cursor.deferred(delivery, due_at, form)
            courier.plan(follower, lane)
            return "probe_failed"
        lane_before = delivery.lane
        first_at = delivery.started_at
        if lane_before is not None and lane_before.attempt > 0:
            first_at = lane_before.first_at
        due = next_attempt(
            live.schedule,
            attempt=delivery.attempt,
            first_at=first_at,
            now=now,
            retry_after_s=verdict.retry_after_s,
            spread=self._depot.spread(),
        )
        if due is None and courier.paused:
            due = now  # paused: it waits for the resume, whatever its schedule says
        lane = cursor.failed(delivery, due_at=due, first_at=first_at, form=form)
        if due is not None:
            courier.plan(follower, lane)
            return verdict.outcome
        return self._exhausted(follower, lane)

    def _exhausted(self, follower: Subscription, lane: Lane[LogEvent]) -> str:
        """The schedule is used up: the endpoint's policy says what becomes of the lane."""
        courier, cursor = self._courier, follower.cursor
        policy = courier.live.endpoint.parked
        if policy == "skip":
            more = cursor.skip(lane)
            if more is not None:
                more.due_at = self._depot.clock()
                courier.plan(follower, more)
            return "given_up"
        if policy == "supersede" and cursor.mode == "customer":
            if lane.complete and len(lane.queue) > 1:
                cursor.supersede(lane, lane.queue[-1])
                lane.due_at = self._depot.clock()
                courier.plan(follower, lane)
                return "superseded"
            if not lane.complete:
                self._depot.supersede(follower, lane)
        self._depot.announce(courier, "endpoint.lane_parked", {"event": lane.queue[0].id})
        return "parked"

    # The endpoint

    def _pace(
        self,
        verdict: Verdict,
        delivery: Delivery[LogEvent],
        now: int,
        took_ms: float,
        *,
        probe: bool,
    ) -> None:
        courier = self._courier
        if not verdict.trouble:
            self._alive(now)
            return
        courier.typical.saw(took_ms)
        courier.cap.troubled(delivery.started_at, now)
        if verdict.retry_after_s is not None:
            hold = min(verdict.retry_after_s, RETRY_AFTER_HOLD_S_MAX) * 1000
            courier.not_before = max(courier.not_before, now + hold)
        was = courier.breaker.state
        if courier.breaker.failed(now, probe=probe) and was == "closed":
            _log.info("breaker_opened", endpoint=courier.live.endpoint.id)
            courier.metrics.breaker_open = True

    def _alive(self, now: int) -> None:
        """Somebody answered."""
        courier = self._courier
        if courier.breaker.succeeded(now):
            courier.came_back(now)
            courier.metrics.breaker_open = False
            _log.info("breaker_closed", endpoint=courier.live.endpoint.id)
            for follower in list(courier.followers.values()):
                follower.pull()

    def _condition(self, step: Step) -> None:
        courier = self._courier
        was, courier.health = courier.health, step.health
        if step.event is not None:
            self._depot.condition(courier, step.event)
            if was.state == "paused":
                courier.came_back(self._depot.clock())
                courier.resumed(step.health)
