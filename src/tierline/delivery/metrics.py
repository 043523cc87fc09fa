"""Figures for Prometheus: plain numbers while sending, families when somebody asks.

A counter of the client library costs microseconds per increment, which is a tenth of a delivery;
these are added up in place and turned into its types at the scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tierline.histogram import Durations

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# (endpoint id, events behind, seconds behind, age of the oldest undelivered, retrying, parked)
LagRow = tuple[str, int, float, float, int, int]

_LAG = (
    ("tierline_lag_events", "Offsets between the log's head and the mark."),
    ("tierline_lag_seconds", "How far behind the log the endpoint is."),
    ("tierline_oldest_undelivered_seconds", "Age of the oldest undelivered event."),
    ("tierline_lanes_retrying", "Customers whose events are being retried."),
    ("tierline_lanes_parked", "Customers whose schedule is used up."),
)


class EndpointMetrics:
    """One endpoint's."""

    __slots__ = ("breaker_open", "deliveries", "late", "outcomes", "seconds")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.deliveries = 0
        self.seconds = Durations(SECONDS)
        self.late = Durations(SECONDS)  # from the log to the receiver's 2xx, waits included
        self.breaker_open = False

    def attempt(self, outcome: str, seconds: float, events: int) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.seconds.saw(seconds)
        if outcome == "delivered":
            self.deliveries += events


class Metrics(Collector):
    """One process's sender; register it where it should show up."""

    def __init__(self) -> None:
        self.endpoints: dict[str, EndpointMetrics] = {}
        self.flushes = Durations(SECONDS)
        self.lag: Callable[[], Iterable[LagRow]] = lambda: ()

    def register(self, registry: CollectorRegistry) -> None:
        registry.register(self)

    @property
    def deliveries(self) -> int:
        return sum(each.deliveries for each in self.endpoints.values())

    def of(self, endpoint: str) -> EndpointMetrics:
        return self.endpoints.setdefault(endpoint, EndpointMetrics())

    def flushed(self, seconds: float) -> None:
        self.flushes.saw(seconds)

    def collect(self) -> Iterator[Metric]:
        label = ["endpoint"]
        attempts = CounterMetricFamily(
            "tierline_attempts", "Delivery attempts.", labels=[*label, "outcome"]
        )
        delivered = CounterMetricFamily("tierline_deliveries", "Events delivered.", labels=label)
        took = HistogramMetricFamily(
            "tierline_attempt_seconds", "How long attempts took.", labels=label
        )
        late = HistogramMetricFamily(
            "tierline_delivery_seconds", "From an event's record to its receipt.", labels=label
        )
        breaker = GaugeMetricFamily("tierline_breaker_open", "1 while it is open.", labels=label)
        for name, each in self.endpoints.items():
            for outcome, count in each.outcomes.items():
                attempts.add_metric([name, outcome], count)
            delivered.add_metric([name], each.deliveries)
            took.add_metric([name], each.seconds.buckets(), each.seconds.total)
            late.add_metric([name], each.late.buckets(), each.late.total)
            breaker.add_metric([name], int(each.breaker_open))
        yield from (attempts, delivered, took, late, breaker)
        flushes = HistogramMetricFamily("tierline_flush_seconds", "How long flushes took.")
        flushes.add_metric([], self.flushes.buckets(), self.flushes.total)
        yield flushes
        yield from self._collect_lag()

    def _collect_lag(self) -> Iterator[Metric]:
        families = [GaugeMetricFamily(name, text, labels=["endpoint"]) for name, text in _LAG]
        for endpoint, *values in self.lag():
            for family, value in zip(families, values, strict=True):
                family.add_metric([endpoint], value)
        yield from families
