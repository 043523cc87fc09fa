"""What the HTTP side counts, for `/metrics`: plain numbers, for each request counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tierline.ledger.sweeper import Sweeper
from tierline.ledger.writer import Writer

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Line:
    """The answers of one path with one status."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.total = 0.0


class Figures(Collector):
    """One process's; register it where it should show up."""

    def __init__(self, writer: Writer, sweeper: Sweeper | None) -> None:
        self._writer = writer
        self._sweeper = sweeper
        self._lines: dict[tuple[str, int], Line] = {}

    def answered(self, path: str, status: int, seconds: float) -> None:
        """`path` is the table's, with its braces: so labels are few."""
        line = self._lines.get((path, status))
        if line is None:
            line = self._lines[path, status] = Line()
        line.buckets[bisect_left(SECONDS, seconds)] += 1
        line.total += seconds

    def collect(self) -> Iterator[Metric]:
        labels = ["path", "status"]
        answered = CounterMetricFamily("tierline_requests", "Requests answered.", labels=labels)
        took = HistogramMetricFamily(
            "tierline_request_seconds", "How long answers took.", labels=labels
        )
        for (path, status), line in self._lines.items():
            told = [path, str(status)]
            answered.add_metric(told, sum(line.buckets))
            took.add_metric(told, _cumulated(line.buckets), line.total)
        waiting = "Commands that wait to be committed."
        yield from (answered, took)
        yield GaugeMetricFamily("tierline_commands_waiting", waiting, self._writer.waiting())
        late = "How late the last batch of a shard's sweep was."
        lag = GaugeMetricFamily("tierline_sweep_lag_seconds", late, labels=["shard"])
        for shard, lag_ms in (self._sweeper.lag_ms if self._sweeper else {}).items():
            lag.add_metric([str(shard)], lag_ms / 1000)
        yield lag


class Seen(Collector):
    """What a registry tells, with only those endpoints that somebody may see."""

    def __init__(self, whole: Collector, endpoints: Container[str]) -> None:
        self._whole = whole
        self._endpoints = endpoints

    def collect(self) -> Iterator[Metric]:
        for family in self._whole.collect():
            family.samples = [s for s in family.samples if self._may_show(s.labels)]
            yield family

    def _may_show(self, labels: dict[str, str]) -> bool:
        return "endpoint" not in labels or labels["endpoint"] in self._endpoints


def _cumulated(buckets: list[int]) -> list[tuple[str, float]]:
    found, so_far = [], 0
    for bound, count in zip((*map(str, SECONDS), "+Inf"), buckets, strict=True):
        so_far += count
        found.append((bound, float(so_far)))
    return found
