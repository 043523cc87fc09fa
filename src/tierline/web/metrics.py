"""What the HTTP side counts for `/metrics`, in plain numbers: each request pays for it."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tierline.histogram import Durations
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.ledger.writer import Writer
from tierline.store.database import Database
from tierline.store.heartbeat import Presence

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class HttpMetrics(Collector):
    """One process's requests, and what waits in its roles; register it with a CollectorRegistry."""

    def __init__(
        self,
        writer: Writer | None,
        sweeper: Sweeper | None,
        database: Database,
        presence: Presence,
    ) -> None:
        self._presence = presence
        self._disk = database.disk
        self._database = database
        self._writer = writer
        self._sweeper = sweeper
        self._durations: dict[tuple[str, int], Durations] = {}

    def observe(self, path: str, status: int, seconds: float) -> None:
        """`path` is the table's, with its braces: so labels are few."""
        durations = self._durations.get((path, status))
        if durations is None:
            durations = self._durations[path, status] = Durations(SECONDS)
        durations.saw(seconds)

    def collect(self) -> Iterator[Metric]:
        labels = ["path", "status"]
        requests = CounterMetricFamily("tierline_requests", "Requests answered.", labels=labels)
        seconds = HistogramMetricFamily(
            "tierline_request_seconds", "How long answers took.", labels=labels
        )
        for (path, status), durations in self._durations.items():
            values = [path, str(status)]
            requests.add_metric(values, durations.count)
            seconds.add_metric(values, durations.buckets(), durations.total)
        yield from (requests, seconds)
        if self._writer is not None:
            waiting = "Commands that wait to be committed."
            yield GaugeMetricFamily("tierline_commands_waiting", waiting, self._writer.waiting())
        late = "How late the last batch of a shard's sweep was."
        lag = GaugeMetricFamily("tierline_sweep_lag_seconds", late, labels=["shard"])
        for shard, lag_ms in (self._sweeper.lag_ms if self._sweeper else {}).items():
            lag.add_metric([str(shard)], lag_ms / 1000)
        yield lag
        yield from self._work()
        yield from self._connections()
        away = "Shards whose node is away."
        absent = len(self._database.absent.nodes)
        yield GaugeMetricFamily("tierline_shards_away", away, absent)
        full = "Whether the database's disk is full, so that writes are refused."
        yield GaugeMetricFamily("tierline_disk_full", full, int(self._disk.look()))
        free = self._disk.free
        if free is not None:
            room = "Free bytes on the disk of the embedded database."
            yield GaugeMetricFamily("tierline_disk_free_bytes", room, free)

    def _work(self) -> Iterator[Metric]:
        """What this process does that another could."""
        sends = "Endpoints to which this process sends."
        yield GaugeMetricFamily("tierline_endpoints_owned", sends, self._presence.count())
        shards = len(self._sweeper.lag_ms) if self._sweeper else 0
        sweeps = "Shards that this process sweeps."
        yield GaugeMetricFamily("tierline_shards_swept", sweeps, shards)
        drains = "Whether this process is asked to give up its work (tierline drain)."
        yield GaugeMetricFamily("tierline_draining", drains, int(self._presence.draining))

    def _connections(self) -> Iterator[Metric]:
        name, what = "tierline_database_connections", "Connections to the database that are open."
        open_ = GaugeMetricFamily(name, what, labels=["kind", "state"])
        limit = "How many connections to the database this process may open."
        most = GaugeMetricFamily(f"{name}_max", limit, labels=["kind"])
        for figures in self._database.connections():
            open_.add_metric([figures.kind, "in_use"], figures.in_use)
            open_.add_metric([figures.kind, "idle"], figures.idle)
            most.add_metric([figures.kind], figures.most)
        yield from (open_, most)


class ScrapedMetrics(Collector):
    """What a registry collects, of endpoints only those that the caller may see."""

    def __init__(self, whole: Collector, endpoints: Container[str]) -> None:
        self._whole = whole
        self._endpoints = endpoints

    def collect(self) -> Iterator[Metric]:
        for family in self._whole.collect():
            family.samples = [s for s in family.samples if self._may_show(s.labels)]
            yield family

    def _may_show(self, labels: dict[str, str]) -> bool:
        return "endpoint" not in labels or labels["endpoint"] in self._endpoints
