"""How much at once: caps, rates, breakers, shares of slots; and health over days."""

from __future__ import annotations

from tierline.delivery.circuit_breaker import BREAK_AFTER, CircuitBreaker
from tierline.delivery.concurrency import MORE, ConcurrencyLimit, Slots, Started
from tierline.delivery.rate_limit import CatchUp, RateLimit
from tierline.endpoints import health
from tierline.endpoints.health import Health, Tolerance

HOUR = 3_600_000


def test_a_cap_doubles_until_the_first_trouble() -> None:
    """Then it is halved, and grows by one per round."""
    cap = ConcurrencyLimit(64)
    for _ in range(28):
        cap.succeeded(10, int(cap.limit))
    grown = cap.limit
    cap.troubled(started_at=100, now=200)
    halved = cap.limit
    for _ in range(int(halved)):
        cap.succeeded(10, int(cap.limit))

    assert (32.0, 16.0) == (grown, halved)
    assert 16.9 < cap.limit <= 17.0


def test_one_round_of_failures_halves_once() -> None:
    """Answers to requests that left before the halving say nothing new."""
    cap = ConcurrencyLimit(64)
    cap.limit = 40.0
    for _ in range(40):
        cap.troubled(started_at=100, now=200)

    assert 20.0 == cap.limit


def test_a_cap_does_not_grow_where_it_is_not_reached_or_requests_queue() -> None:
    """Idle traffic proves nothing, and neither does an answer that took much longer than usual."""
    cap = ConcurrencyLimit(64)
    cap.succeeded(10, 1)
    assert 4.0 == cap.limit
    cap.succeeded(500, 4)
    assert 4.0 == cap.limit


def test_a_rate_allows_a_small_burst_and_then_its_pace() -> None:
    """Twenty a second: five at once, then one every 50 ms."""
    rate = RateLimit(20, now=0)
    at_once = [rate.take(0) for _ in range(6)]

    assert [True] * 5 + [False] == at_once
    assert 50 <= rate.wait_ms() <= 52
    assert not rate.take(40)
    assert rate.take(60)


def test_what_is_owed_comes_slowly_at_first() -> None:
    """Fifty in the first second, about twice as many in each that follows; then it is over."""
    catching_up = CatchUp(0)
    taken = [0] * 9
    for now in range(8_000):
        taken[now // 1000] += catching_up.take(now)

    assert 50 <= taken[0] <= 63
    for second in range(1, 5):
        assert 50 * 2**second <= taken[second] <= 63 * 2**second
    assert not catching_up.over(7_999)
    assert catching_up.over(8_000)


def test_a_breaker_opens_probes_and_closes() -> None:
    """While open only a probe counts; each failed one doubles the pause."""
    breaker = CircuitBreaker()
    opened = [breaker.failed(i, probe=False) for i in range(BREAK_AFTER)]

    assert [False] * (BREAK_AFTER - 1) + [True] == opened
    first = breaker.probe_at
    breaker.probe()
    assert breaker.failed(first, probe=True)
    assert 2_000 == breaker.probe_at - first
    breaker.probe_now(first)
    assert ("open", first) == (breaker.state, breaker.probe_at)
    assert breaker.failed(first, probe=True)
    assert 1_000 == breaker.probe_at - first
    assert breaker.succeeded(breaker.probe_at)
    assert breaker.state == "closed"


def test_a_breaker_opens_at_a_high_share_of_failures() -> None:
    """Also when a success in between keeps the row short."""
    breaker = CircuitBreaker()
    for i in range(100):
        if i % 4 == 0:
            breaker.succeeded(i)
        else:
            breaker.failed(i, probe=False)
        if breaker.state == "open":
            break

    assert "open" == breaker.state


class Busy:
    """A sender that always has work."""

    def __init__(self, slow: bool = False) -> None:
        self.slow = slow
        self.started = 0

    def start_one(self, now: int) -> Started:
        self.started += 1
        return MORE


def test_slots_are_shared_evenly() -> None:
    """One start per endpoint and turn."""
    slots = Slots(12)
    senders = [Busy() for _ in range(4)]
    for sender in senders:
        slots.want(sender)
    slots.run(0)

    assert [3, 3, 3, 3] == [sender.started for sender in senders]
    assert 12 == slots.used


def test_slow_endpoints_hold_a_quarter_at_most() -> None:
    """However many they are, and even when nobody else is there."""
    slots = Slots(40)
    slow, quick = [Busy(slow=True) for _ in range(20)], Busy()
    for sender in slow:
        slots.want(sender)
    slots.run(0)
    assert 10 == slots.used
    slots.want(quick)
    slots.run(0)

    assert (30, 10) == (quick.started, slots.used_slow)


def test_health_warns_then_pauses_then_recovers() -> None:
    """Both a time and a count must be reached; an hourly probe brings it back."""
    tolerance = Tolerance(warn_after_s=3600, warn_count=3, pause_after_s=7200, pause_count=5)
    at, events = 0, []
    now = health.HEALTHY
    for hour in (0, 0.1, 0.2, 1.1, 1.2, 2.1):
        at = int(hour * HOUR)
        step = health.failed(now, tolerance, at)
        now = step.health
        events.append(step.event)

    assert [None, None, None, "endpoint.failing", None, "endpoint.paused"] == events
    assert (at + HOUR, "failures") == (now.probe_at, now.reason)
    recovered = health.succeeded(now, at + HOUR)
    assert "endpoint.recovered" == recovered.event
    assert "healthy" == recovered.health.state


def test_a_pause_that_was_asked_for_is_not_probed() -> None:
    """410 and the receiver's own word wait for a hand."""
    step = health.paused(health.HEALTHY, "gone", 5)

    assert ("paused", "gone", None) == (step.health.state, step.health.reason, step.health.probe_at)
    assert "endpoint.paused" == step.event
    assert health.paused(step.health, "gone", 9).event is None


def test_one_bad_message_on_a_quiet_endpoint_pauses_nothing() -> None:
    """Long but few, or many but short, is not enough."""
    tolerance = Tolerance()
    few = Health(failing_since=0, failures=3)
    many = Health(failing_since=0, failures=10_000)

    assert health.failed(few, tolerance, 10 * 24 * HOUR).event is None
    assert health.failed(many, tolerance, HOUR).event is None


def test_a_rate_survives_a_clock_that_is_put_back() -> None:
    """An hour back is not an hour of silence."""
    rate = RateLimit(4, 10 * HOUR)
    assert rate.take(10 * HOUR)
    rate.take(9 * HOUR)

    assert rate.take(9 * HOUR + 250)
