"""One endpoint at work: picks what goes next, sends it, and applies what follows from the answer.

It owns the state of an endpoint, of all runs and shards, so that limit, rate and breaker are true.
It never waits: it is called when a slot is free, when an answer came, and when time is due.
"""

from __future__ import annotations

from functools import partial

import structlog
from msgspec.structs import replace

from tierline.delivery import outcome as outcomes
from tierline.delivery.alarm import Alarm
from tierline.delivery.attempt_request import Flight, attempt_of, attempt_request, row_of
from tierline.delivery.collaborators import Collaborators
from tierline.delivery.concurrency import LAST, MORE, NONE, Started
from tierline.delivery.delivery import Delivery
from tierline.delivery.lag import endpoint_lag
from tierline.delivery.lane_release import LaneRelease
from tierline.delivery.lanes import Lane
from tierline.delivery.metrics import LagRow
from tierline.delivery.outage_log import OutageLog
from tierline.delivery.outcome import EndpointAction, EventAction
from tierline.delivery.pace import Pace
from tierline.delivery.run_queue import RunQueue
from tierline.delivery.subscription import READY_MAX, Subscription
from tierline.delivery.topic import Topic
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, SignedRequest
from tierline.endpoints.health import Health
from tierline.store.event_log import LogEvent
from tierline.transport import HttpReply
from tierline.transport.exchange import HttpExchange

READY_LOW = READY_MAX // 2  # with so few left to send, more are fetched
UNSENDABLE_AGAIN_MS = 300_000
LogDelivery = Delivery[LogEvent]
LogLane = Lane[LogEvent]
_log = structlog.get_logger("tierline.sender")


class EndpointWorker:
    """Made when this process becomes the endpoint's owner; `lost` when it no longer is."""

    def __init__(self, compiled: CompiledEndpoint, health: Health, shared: Collaborators) -> None:
        endpoint = compiled.endpoint
        self.compiled = compiled
        self.number = compiled.number
        self.health = health
        self.subscriptions: dict[tuple[int, int], Subscription] = {}  # (run, shard)
        self.lost = False
        self.resting = False
        self.pace = Pace(endpoint.in_flight_max, endpoint.rate_per_s, shared.clock())
        self.in_flight: dict[LogDelivery, HttpExchange] = {}
        self.metrics = shared.metrics.of(endpoint.id)
        self._outage_log = OutageLog(endpoint.id)
        self._shared = shared
        self._clock = shared.clock
        self._policy = shared.policy_of(compiled)
        self._alarm = Alarm(shared.clock, self.run_soon)
        self._queue = RunQueue(self._alarm.set, shared.lane_loader.load)
        self._changed = False  # since events were matched, the endpoint was changed
        self._reached = 0  # how many were in flight after the last start
        self._short = False  # a probe is due, and nothing is at hand to make it with
        self._release = LaneRelease()

    @property
    def slow(self) -> bool:
        return self.pace.typical.slow

    @property
    def paused(self) -> bool:
        return self.health.state == "paused"

    @property
    def reading(self) -> bool:
        if self.lost or self.resting:
            return False
        return self._short or (self.pace.breaker.state == "closed" and not self.paused)

    def offered(self, subscription: Subscription) -> None:
        self._queue.join(subscription)
        self.run_soon()

    def lane_passed(self, subscription: Subscription, lane: LogLane, event: LogEvent) -> None:
        if lane.state == "parked":
            if self._policy.parked != "supersede":
                return
            subscription.cursor.supersede(lane, event)
        self._plan(subscription, subscription.make_due(lane, self._clock()))

    def lane_loaded(self, subscription: Subscription, lane: LogLane) -> None:
        if lane.state == "retrying":
            self._plan(subscription, lane)

    def wrote(self, subscription: Subscription) -> None:
        cursor = subscription.cursor
        if cursor.ready:
            self.offered(subscription)  # events that waited for a lane's end
        subscription.pull()
        until = subscription.terms.until
        if until is not None and cursor.idle and cursor.mark >= until:
            self._shared.ownership.run_ended(self.number, subscription)

    def fenced(self) -> None:
        if not self.lost:
            self._shared.ownership.fenced(self.number)

    def generation_in(self, shard: int) -> int | None:
        subscription = self.subscriptions.get((0, shard))
        return None if subscription is None else subscription.generation

    def lag(self, now: int) -> LagRow:
        lags = (s.lag(now) for s in self.subscriptions.values() if not s.cursor.run)
        return endpoint_lag(self.compiled.endpoint.id, lags, now)

    # What its owner does with it

    def add(self, subscription: Subscription) -> None:
        cursor = subscription.cursor
        self.subscriptions[cursor.run, cursor.shard] = subscription
        subscription.join()
        for lane in [each for each in cursor.lanes.values() if each.state == "retrying"]:
            self._plan(subscription, lane)
            self._release.inherited = True
        if self.health.state == "healthy":
            self._wake_parked(subscription, self.health.since)  # resumed while nobody owned it

    def remove(self, subscription: Subscription) -> bool:
        place = (subscription.cursor.run, subscription.cursor.shard)
        if self.subscriptions.get(place) is not subscription:
            return False
        del self.subscriptions[place]
        subscription.part()
        self._queue.remove(subscription)
        return True

    def update(self, compiled: CompiledEndpoint, topic: Topic) -> None:
        """Another version of the endpoint: in force from the next request on."""
        self.compiled = compiled
        self._policy = self._shared.policy_of(compiled)
        self._changed = True
        endpoint = compiled.endpoint
        self.pace.change(endpoint.in_flight_max, endpoint.rate_per_s, self._clock())
        for subscription in self.subscriptions.values():
            subscription.change_topic(topic)
        self.run_soon()

    def resumed(self, health: Health) -> None:
        self.health = health
        self.retry()

    def retry(self) -> None:
        """By a hand: nothing waits any longer; paused for failing, it is probed."""
        now = self._clock()
        if self.health.probe_at is not None:
            self.health = replace(self.health, probe_at=now)
        self._release.retried_at = now
        self.pace.catch_up(now)
        self._start_over(now)
        self._release_lanes(now)

    def rest(self) -> None:
        self.resting = True

    def abandon(self) -> None:
        """No longer ours, or the process ends: let go of everything."""
        self.lost = True
        self.metrics.breaker_open = False  # nobody's here any more
        self._shared.slots.forget(self)
        self._alarm.cancel()
        for subscription in list(self.subscriptions.values()):
            subscription.part()
        for exchange in list(self.in_flight.values()):
            self._shared.client.cancel(exchange)

    def run_soon(self) -> None:
        """Something may start now."""
        self._shared.slots.want(self)
        self._shared.run_slots()

    def tick(self, now: int) -> None:
        """A few times a second while something is in flight: the mark never waits for one call."""
        for subscription in self.subscriptions.values():
            subscription.give_way(now, self._shared.settings)

    # Starting

    def start_one(self, now: int) -> Started:
        """Called with a slot in hand."""
        pace = self.pace
        while not (self.lost or self.resting):
            probe = pace.breaker.state != "closed" or self.health.state == "paused"
            if probe:
                if not self._may_probe(now):
                    break
            elif pace.is_full(len(self.in_flight)):
                break
            elif now < pace.not_before:
                self._alarm.set(pace.not_before)
                break
            single = self.compiled.order == "fifo"
            limit = int(pace.limit.limit)
            pick = self._queue.pick(now, limit, len(self.in_flight), single=single)
            if pick is None:
                break
            if not probe and (wait := pace.wait_ms(now)):
                self._queue.put_back(pick)
                self._alarm.set(now + wait)
                break
            if self._send(pick[0], pick[1], now, probe):
                # At its limit, or with nothing left, it is called again when that changes.
                return LAST if pace.is_full(self._reached) or self._nothing_to_start else MORE
        return NONE

    def _may_probe(self, now: int) -> bool:
        if self.in_flight:
            return False  # one probe, and not before the last answers from before are in
        at = self.pace.breaker.probe_at
        if self.paused:
            if self.health.probe_at is None:
                return False
            at = self.health.probe_at
        if now < at:
            self._alarm.set(at)
            return False
        if not self._queue.has(now) and not self._short:
            self._short = True
            for subscription in self.subscriptions.values():
                subscription.pull_on()
        return True

    def _send(
        self, subscription: Subscription, lane: LogLane | None, now: int, probe: bool
    ) -> bool:
        """Start a request. Returns False when there was nothing to send after all."""
        cursor, compiled = subscription.cursor, self.compiled
        fits = compiled.fits
        delivery = cursor.take(fits) if lane is None else cursor.take_lane(lane, fits)
        delivery.started_at = now
        request = self._request(subscription, delivery, now)
        if request is None:
            return False
        if lane is None and len(cursor.ready) < READY_LOW:
            subscription.pull()
        self._short = False
        if probe:
            delivery.probe = True
            self.pace.breaker.probe()
        self._queue.started(lane=lane is not None, replay=cursor.run != 0)
        answer = partial(self._answered, Flight(subscription, delivery, request, self.slow))
        self.in_flight[delivery] = self._shared.client.send(compiled.target, request.wire, answer)
        self._reached = len(self.in_flight)
        return True

    def _request(
        self, subscription: Subscription, delivery: LogDelivery, now: int
    ) -> SignedRequest | None:
        run, changed = subscription.cursor.run, self._changed
        try:
            request = attempt_request(self.compiled, delivery, run, now, changed=changed)
        except Exception as error:  # noqa: BLE001  # a fault in a payload holds one lane, no more
            self._unsendable(subscription, delivery, error)
            return None
        if request is None:
            self._apply_to_event(outcomes.SETTLE, subscription, delivery, now)
            subscription.touch()
            if subscription.cursor.ready:
                self._queue.join(subscription)
        return request

    # What came back

    def _answered(self, flight: Flight, reply: HttpReply) -> None:
        subscription, delivery = flight.subscription, flight.delivery
        del self.in_flight[delivery]
        self._shared.slots.give_back(slow=flight.slow)
        self._queue.ended(lane=delivery.from_lane, replay=subscription.cursor.run != 0)
        if self.lost or reply.fault == "stopped":
            self._shared.run_slots()
            return  # not recorded: whoever owns it sends it again, with the same id
        try:
            self._follow_up(flight, reply)
        except Exception as error:  # noqa: BLE001  # a fault of ours holds one lane, no more
            if subscription.cursor.under_way(delivery):
                self._unsendable(subscription, delivery, error)
            else:
                _log.error("answer_not_applied", endpoint=self.compiled.endpoint.id, exc_info=error)
        if delivery.lane is not None or subscription.blocked:
            subscription.pull()  # this lane's end, or the mark that moved, may have been awaited
        if subscription.cursor.ready:
            self._queue.join(subscription)
        if not self._nothing_to_start:
            self._shared.slots.want(self)
        self._shared.run_slots()

    def _follow_up(self, flight: Flight, reply: HttpReply) -> None:
        subscription, delivery, request = flight.subscription, flight.delivery, flight.request
        now, took_ms = self._clock(), reply.timings.total
        answer = outcomes.read_answer(reply, now)
        if outcomes.is_ordinary(answer, self.health, self.pace.breaker.state):
            outcome = outcomes.ORDINARY
        else:
            attempt, spread = attempt_of(flight), self._shared.spread()
            state = outcomes.EndpointState(self.health, self.pace.breaker.state)
            outcome = outcomes.decide(answer, attempt, state, self._policy, now, spread)
        for action in outcome.endpoint:
            self._apply(action, delivery, now, took_ms)
        self._apply_to_event(outcome.event, subscription, delivery, now)
        if outcome.word == "delivered" and self._release.inherited:
            self._release_lanes(now)
        if outcome.word == "delivered" and not subscription.cursor.run:
            self.metrics.late.saw((now - delivery.events[0].recorded_at) / 1000)
        subscription.note(row_of(self.compiled, flight, reply, outcome.word))
        self.metrics.attempt(outcome.word, took_ms / 1000, len(delivery.events))
        if self._shared.trace is not None:
            self._shared.trace(self.compiled, delivery, request, reply, outcome.word)

    def _apply(
        self, action: EndpointAction, delivery: LogDelivery, now: int, took_ms: float
    ) -> None:
        match action:
            case outcomes.Widen():
                self.pace.delivered(took_ms, self._reached)
            case outcomes.CountSuccess():
                self.pace.breaker.succeeded(now)
            case outcomes.SetHealth(health, event):
                self._outage_log.changed(self.health, health, event, now)
                self.health = health
                if event is not None:
                    self._shared.operational_events.state_changed(self, event)
            case outcomes.SlowDown(probe):
                if self.pace.troubled(took_ms, delivery.started_at, now, probe=probe):
                    _log.info("breaker_opened", endpoint=self.compiled.endpoint.id)
                    self.metrics.breaker_open = True
            case outcomes.Rest(until):
                self.pace.rest_until(until)
            case outcomes.CloseBreaker():
                self.pace.breaker.succeeded(now)
                self.pace.restart(now)
                self.metrics.breaker_open = False
                _log.info("breaker_closed", endpoint=self.compiled.endpoint.id)
                for subscription in list(self.subscriptions.values()):
                    subscription.pull()
            case outcomes.Recover():
                self.pace.restart(now)
                self._start_over(self.health.since)
            case outcomes.Release():
                self._release_lanes(now)

    def _apply_to_event(
        self, action: EventAction, subscription: Subscription, delivery: LogDelivery, now: int
    ) -> None:
        lane = subscription.apply(action, delivery, now)
        if lane is not None:
            self._release.release_late(subscription, delivery, lane, now)
            self._plan(subscription, lane)
        if isinstance(action, outcomes.Park):
            if delivery.started_at < self._release.retried_at:
                self._wake_parked(subscription, self._release.retried_at - 1)
            if action.supersede and delivery.lane is not None:
                self._shared.lane_loader.supersede(subscription, delivery.lane)
            event: dict[str, object] = {"event": delivery.events[0].id}
            self._shared.operational_events.announce(self, "endpoint.lane_parked", event)

    def _unsendable(
        self, subscription: Subscription, delivery: LogDelivery, error: Exception
    ) -> None:
        event, endpoint = delivery.events[0].id, self.compiled.endpoint.id
        _log.error("unsendable", endpoint=endpoint, about=event, exc_info=error)
        lane = subscription.cursor.deferred(delivery, self._clock() + UNSENDABLE_AGAIN_MS)
        self._plan(subscription, lane)
        subscription.touch()

    # Lanes and time

    def _plan(self, subscription: Subscription, lane: LogLane) -> None:
        self._queue.plan(subscription, lane)
        self._alarm.set(lane.due_at)

    def _release_lanes(self, now: int) -> None:
        count = self._release.release(now, self.subscriptions.values(), self._plan)
        self.pace.catch_up(now, count)

    def _start_over(self, since: int) -> None:
        """Nothing holds it back any more; lanes that were parked before `since` start anew."""
        self.pace.start_over(self._clock())
        for subscription in self.subscriptions.values():
            self._wake_parked(subscription, since)
            subscription.pull()
        self.run_soon()

    def _wake_parked(self, subscription: Subscription, since: int) -> None:
        for lane in subscription.wake_parked(since, self._clock()):
            self._plan(subscription, lane)

    @property
    def _nothing_to_start(self) -> bool:
        return self._queue.empty and self.pace.breaker.state == "closed" and not self.paused
