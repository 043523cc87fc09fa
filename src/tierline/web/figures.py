"""What the HTTP side counts, for `/metrics`. Cheap where it is hot: labels are looked up once."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tierline.ledger.writer import Writer

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Figures:
    """One process's."""

    def __init__(self, registry: CollectorRegistry, writer: Writer) -> None:
        self._requests = Counter(
            "tierline_requests", "Requests answered.", ("path", "status"), registry=registry
        )
        self._seconds = Histogram(
            "tierline_request_seconds",
            "How long answers took.",
            ("path",),
            buckets=SECONDS,
            registry=registry,
        )
        waiting = Gauge(
            "tierline_commands_waiting", "Commands that wait to be committed.", registry=registry
        )
        waiting.set_function(writer.waiting)
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, path: str, status: int, seconds: float) -> None:
        """`path` is the table's, with its braces: so labels are few."""
        known = self._known.get((path, status))
        if known is None:
            known = self._requests.labels(path, status), self._seconds.labels(path)
            self._known[path, status] = known
        known[0].inc()
        known[1].observe(seconds)
