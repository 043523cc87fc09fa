"""One endpoint at work: picks what goes next, sends it, and acts on what came back.

All runs and shards of an endpoint are here, so that its caps, rates and its breaker are true. A
courier never waits: it is called when a slot is free, when an answer came, and when time is due.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tierline.delivery.aftermath import Aftermath
from tierline.delivery.delivery import Delivery
from tierline.delivery.pacing import LAST, MORE, NONE, Breaker, Cap, CatchUp, Rate, Started, Typical
from tierline.delivery.run_queue import Pick, RunQueue
from tierline.delivery.subscription import READY_MAX, Subscription
from tierline.endpoints.compiled_endpoint import CompiledEndpoint, SignedRequest
from tierline.endpoints.health import Health
from tierline.transport import Reply

if TYPE_CHECKING:
    from tierline.delivery.depot import Depot
    from tierline.delivery.lanes import Lane
    from tierline.store.event_log import LogEvent
    from tierline.transport.exchange import Exchange

READY_LOW = READY_MAX // 2  # with so few left to send, more are fetched
REPLAY_TURN = 4  # every fourth start may be a replay's
_FIRST = {"tierline-attempt": "1"}


class EndpointWorker:
    """Made when this process becomes the endpoint's owner; `lost` when it no longer is."""

    def __init__(self, live: CompiledEndpoint, depot: Depot, condition: Health) -> None:
        self.live = live
        self.number = live.number
        self.depot = depot
        self.health = condition
        self.followers: dict[tuple[int, int], Subscription] = {}  # (run, shard)
        self.lost = False
        self.resting = False  # stopping: what is in flight ends, nothing starts
        self.changed = False  # since events were matched, the endpoint was changed
        self.cap = Cap(live.endpoint.in_flight_max)
        self.rate = Rate(live.endpoint.rate_per_s, depot.clock())
        self.breaker = Breaker()
        self.catching_up: CatchUp | None = None
        self.typical = Typical()
        self.not_before = 0  # the receiver asked for a pause
        self.in_flight: dict[Delivery[LogEvent], Exchange] = {}
        self.reached = 0  # how many were in flight after the last start
        self.metrics = depot.metrics.of(live.endpoint.id)
        self._aftermath = Aftermath(self)
        self._lanes_flying = 0
        self._replays_flying = 0
        self._starts = 0
        self.turns = RunQueue(self._wake_at, depot.load)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._short = False  # a probe is due, and nothing is at hand to make it with

    # What readers and journals ask and tell

    @property
    def slow(self) -> bool:
        return self.typical.slow

    @property
    def paused(self) -> bool:
        return self.health.state == "paused"

    @property
    def reading(self) -> bool:
        if self.lost or self.resting:
            return False
        return self._short or (self.breaker.state == "closed" and not self.paused)

    def offered(self, follower: Subscription) -> None:
        self.turns.join(follower)
        self.run_soon()

    def woken(self, follower: Subscription, lane: Lane[LogEvent], event: LogEvent) -> None:
        now = self.depot.clock()
        if lane.state == "parked":
            if self.live.endpoint.parked != "supersede":
                return
            follower.cursor.supersede(lane, event)
        lane.due_at = now
        self.touch(follower)
        self.plan(follower, lane)

    def room_wanted(self, follower: Subscription) -> None:
        follower.sync()
        if follower.cursor.needs_write:
            self.touch(follower)
            self.depot.journal(follower).urgent()

    def wrote(self, follower: Subscription) -> None:
        cursor = follower.cursor
        if cursor.ready:
            self.offered(follower)  # events that waited for a lane's end
        follower.pull()
        until = follower.terms.until
        if until is not None and cursor.idle and cursor.mark >= until:
            self.depot.finish_run(self, follower)

    def fenced(self) -> None:
        self.depot.fenced(self)

    # Followers and lanes

    def add(self, follower: Subscription) -> None:
        """A cursor of this endpoint, with the lanes that it has."""
        cursor = follower.cursor
        self.followers[cursor.run, cursor.shard] = follower
        follower.reader.join(follower)
        for lane in cursor.lanes.values():
            if lane.state == "retrying":
                self.plan(follower, lane)
        if self.health.state == "healthy":
            self._wake_parked(follower)  # resumed while nobody owned it

    def remove(self, follower: Subscription) -> None:
        del self.followers[follower.cursor.run, follower.cursor.shard]
        follower.reader.part(follower)
        self.turns.remove(follower)

    def update(self, live: CompiledEndpoint) -> None:
        """Another version of the endpoint: in force from the next request on."""
        self.live = live
        self.changed = True
        self.cap.most = live.endpoint.in_flight_max
        self.cap.limit = min(self.cap.limit, float(self.cap.most))
        now = self.depot.clock()
        self.rate = Rate(live.endpoint.rate_per_s, now)
        self.breaker.ask_again(now)
        topic = self.depot.topic(live)
        for follower in self.followers.values():
            if follower.topic != topic:
                follower.sync()
                follower.tail = False
                follower.reader.part(follower)
                follower.topic = topic
                follower.reader.join(follower)
                follower.pull()
        self.run_soon()

    def touch(self, follower: Subscription) -> None:
        self.depot.journal(follower).touch(follower)

    def plan(self, follower: Subscription, lane: Lane[LogEvent]) -> None:
        """See to a retrying lane when it is due."""
        self.turns.plan(follower, lane)
        self._wake_at(lane.due_at)

    def came_back(self, now: int) -> None:
        """It answers after an outage: it goes on from one request at a time, slowly at first."""
        self.cap.restart()
        self.catching_up = CatchUp(now)

    def resumed(self, health: Health) -> None:
        """By a hand, or by its own recovery: what was parked before starts anew."""
        self.health = health
        self.not_before = 0
        self.breaker.ask_again(self.depot.clock())
        for follower in self.followers.values():
            self._wake_parked(follower)
            follower.pull()
        self.run_soon()

    def _wake_parked(self, follower: Subscription) -> None:
        now = self.depot.clock()
        for lane in follower.cursor.lanes.values():
            if lane.state == "parked" and lane.due_at <= self.health.since:
                follower.cursor.wake(lane, now)
                self.touch(follower)
                self.plan(follower, lane)

    def release(self) -> None:
        """No longer ours, or the process ends: let go of everything."""
        self.lost = True
        self.metrics.breaker_open = False  # nobody's here any more
        self.depot.slots.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        for follower in list(self.followers.values()):
            follower.reader.part(follower)
        for exchange in list(self.in_flight.values()):
            self.depot.client.cancel(exchange)

    # Starting

    def run_soon(self) -> None:
        """Something may start now."""
        self.depot.slots.want(self)
        self.depot.run_slots()

    def start_one(self, now: int) -> Started:
        """Called with a slot in hand."""
        while not (self.lost or self.resting):
            probe = self.breaker.state != "closed" or self.health.state == "paused"
            if probe:
                if not self._may_probe(now):
                    break
            elif len(self.in_flight) + 1 > self.cap.limit:
                break
            elif now < self.not_before:
                self._wake_at(self.not_before)
                break
            picked = self._pick(now)
            if picked is None:
                break
            if not probe and (wait := self._wait_ms(now)):
                self.turns.put_back(picked)
                self._wake_at(now + wait)
                break
            if self._send(picked[0], picked[1], now, probe):
                # At its cap, or with nothing left, it is asked again when that changes.
                full = self.reached + 1 > self.cap.limit
                return LAST if full or self._nothing_to_start else MORE
        return NONE

    def _wait_ms(self, now: int) -> int:
        """How long the endpoint's rate, or its catching up, holds the next request back."""
        catching_up = self.catching_up
        if catching_up is not None:
            if catching_up.over(now):
                self.catching_up = None
            elif not catching_up.take(now):
                return catching_up.wait_ms()
        if self.rate.per_s is None or self.rate.take(now):
            return 0
        return self.rate.wait_ms()

    def _may_probe(self, now: int) -> bool:
        if self.in_flight:
            return False  # one probe, and not before the last answers from before are in
        at = self.breaker.probe_at
        if self.paused:
            if self.health.probe_at is None:
                return False
            at = self.health.probe_at
        if now < at:
            self._wake_at(at)
            return False
        if not self.turns.has(now) and not self._short:
            self._short = True
            for follower in self.followers.values():
                follower.pull()
                follower.reader.moved()
        return True

    def _pick(self, now: int) -> Pick | None:
        """What goes next: lanes that are due, live events, replays, each within its share."""
        turns = self.turns
        single = self.live.order == "fifo"
        if turns.plain and not single:
            return turns.event()
        limit = int(self.cap.limit)
        replays = self._replays_flying < (1 if single else max(1, limit // 4))
        if replays and self._starts % REPLAY_TURN == 0:
            found = turns.replay(now)
            if found is not None:
                return found
        if not single or len(self.in_flight) - self._replays_flying < 1:
            if not turns.events or self._lanes_flying < max(1, limit // 2):
                found = turns.due_lane(now)
                if found is not None:
                    return found
            found = turns.event()
            if found is not None:
                return found
        return turns.replay(now) if replays else None

    def _send(
        self, follower: Subscription, lane: Lane[LogEvent] | None, now: int, probe: bool
    ) -> bool:
        """Start a request; False when there was nothing to send after all."""
        cursor, live = follower.cursor, self.live
        fits = live.fits
        delivery = cursor.take(fits) if lane is None else cursor.take_lane(lane, fits)
        delivery.started_at = now
        parcel = self._parcel(follower, delivery, now)
        if parcel is None:
            return False
        if lane is None and len(cursor.ready) < READY_LOW:
            follower.pull()
        self._short = False
        if probe:
            delivery.probe = True
            self.breaker.probe()
        self._starts += 1
        self._lanes_flying += lane is not None
        self._replays_flying += cursor.run != 0
        answer = partial(self._answered, follower, delivery, parcel, self.typical.slow)
        self.in_flight[delivery] = self.depot.client.send(live.target, parcel.request, answer)
        self.reached = len(self.in_flight)
        return True

    def _parcel(
        self, follower: Subscription, delivery: Delivery[LogEvent], now: int
    ) -> SignedRequest | None:
        """The request, or None when nothing of it is to be sent: it is settled then."""
        live, lane, cursor, events = self.live, delivery.lane, delivery.cursor, delivery.events
        if self.changed or lane is not None:
            events = [event for event in events if live.matches(event)]
            if not events:
                self._aftermath.filtered(follower, delivery)
                return None
        try:
            form = lane.form if lane is not None else ""
            extra = _FIRST
            if delivery.attempt > 1 or cursor.run:
                extra = {"tierline-attempt": str(delivery.attempt)}
                if cursor.run:
                    extra["tierline-replay"] = str(cursor.run)
            parcel = live.parcel(events, form, now, extra)
        except Exception as error:  # noqa: BLE001  # a fault in a payload holds one lane, no more
            self._aftermath.unsendable(follower, delivery, error)
            return None
        if parcel is None:
            self._aftermath.filtered(follower, delivery)
        return parcel

    # What came back

    def _answered(
        self,
        follower: Subscription,
        delivery: Delivery[LogEvent],
        parcel: SignedRequest,
        slow: bool,
        reply: Reply,
    ) -> None:
        del self.in_flight[delivery]
        depot = self.depot
        depot.slots.release(slow=slow)
        self._lanes_flying -= delivery.from_lane
        self._replays_flying -= delivery.cursor.run != 0
        if self.lost or reply.fault == "stopped":
            depot.run_slots()
            return  # not recorded: whoever owns it sends it again, with the same id
        self._aftermath.answered(follower, delivery, parcel, reply)
        if delivery.lane is not None or follower.blocked:
            follower.pull()  # this lane's end, or the mark that moved, may be what it waited for
        if follower.cursor.ready and not follower.queued:
            self.turns.join(follower)
        if not self._nothing_to_start:
            depot.slots.want(self)
        depot.run_slots()

    @property
    def _nothing_to_start(self) -> bool:
        """Neither an event nor a lane nor a probe that a timer must be set for."""
        turns, well = self.turns, self.breaker.state == "closed" and not self.paused
        return well and turns.plain and not turns.events

    # Time

    def tick(self, now: int) -> None:
        """A few times a second while something is in flight: the mark never waits for one call."""
        settings = self.depot.settings
        for follower in self.followers.values():
            age = settings.give_way_full_ms if follower.held_up else settings.give_way_ms
            if follower.cursor.give_way(now, age, self.live.form_text):
                self.touch(follower)
                follower.pull()

    def _wake_at(self, at: int) -> None:
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        now = self.depot.clock()
        self._timer_at = at
        delay = max(0.001, (at - now) / 1000)
        self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.run_soon()
