"""Figures for Prometheus. What is counted per delivery costs a few hundred nanoseconds; what needs
the database (lag) is worked out from memory when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from tierline.sender.live import Live

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# (endpoint id, events behind, seconds behind, age of the oldest undelivered, retrying, parked)
LagRow = tuple[str, int, float, float, int, int]


class Metrics:
    """One process's sender. `registry` is where they show up; None: nowhere, but still counted."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        own = self.registry
        label = ("endpoint",)
        self._attempts = Counter(
            "tierline_attempts", "Delivery attempts.", (*label, "outcome"), registry=own
        )
        self._deliveries = Counter(
            "tierline_deliveries", "Events delivered.", label, registry=own
        )
        self._seconds = Histogram(
            "tierline_attempt_seconds", "How long attempts took.", label, buckets=SECONDS,
            registry=own,
        )  # fmt: skip
        self._breaker = Gauge(
            "tierline_breaker_open", "1 while it is open.", label, registry=own
        )
        self._flushes = Histogram(
            "tierline_flush_seconds", "How long flushes took.", buckets=SECONDS, registry=own
        )
        self.deliveries = 0
        self.flushes = 0

    def of(self, live: Live) -> EndpointMetrics:
        return EndpointMetrics(self, live.endpoint.id)

    def flushed(self, attempts: int, seconds: float) -> None:
        self.flushes += 1
        self._flushes.observe(seconds)

    def watch_lag(self, lag: Callable[[], Iterable[LagRow]]) -> None:
        self.registry.register(_LagCollector(lag))


class EndpointMetrics:
    """One endpoint's, with their labels looked up once."""

    def __init__(self, metrics: Metrics, endpoint: str) -> None:
        self._metrics = metrics
        self._endpoint = endpoint
        self._delivered = metrics._deliveries.labels(endpoint)
        self._seconds = metrics._seconds.labels(endpoint)
        self._outcomes: dict[str, Counter] = {}

    def attempt(self, outcome: str, seconds: float, events: int) -> None:
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._metrics._attempts.labels(self._endpoint, outcome)
            self._outcomes[outcome] = counter
        counter.inc()
        self._seconds.observe(seconds)
        if outcome == "delivered":
            self._metrics.deliveries += events
            self._delivered.inc(events)

    def breaker(self, *, open_: bool) -> None:
        self._metrics._breaker.labels(self._endpoint).set(int(open_))


class _LagCollector(Collector):
    def __init__(self, lag: Callable[[], Iterable[LagRow]]) -> None:
        self._lag = lag

    def collect(self) -> Iterable[Metric]:
        names = (
            ("tierline_lag_events", "Offsets between the log's head and the oldest undelivered."),
            ("tierline_lag_seconds", "How far behind the log the endpoint is."),
            ("tierline_oldest_undelivered_seconds", "Age of the oldest undelivered event."),
            ("tierline_lanes_retrying", "Customers whose events are being retried."),
            ("tierline_lanes_parked", "Customers whose schedule is used up."),
        )
        families = [GaugeMetricFamily(name, text, labels=["endpoint"]) for name, text in names]
        for endpoint, *values in self._lag():
            for family, value in zip(families, values, strict=True):
                family.add_metric([endpoint], value)
        return families
