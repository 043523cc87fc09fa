"""What `make bench-cluster` computes and says without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bench_cluster
from benchmarks.bench_cluster import Cost, computed


def test_the_rate_follows_from_the_busiest_worker() -> None:
    """A core has a million microseconds a second, and a node 8 cores."""
    runs = [
        Cost(rate, p99=5, us={"server": 200, "coordinator": 8, "worker 1": 60, "worker 2": 140})
        for rate in (4_000, 5_000)
    ]
    lines = list(computed(runs, {1: 1.0, 4: 0.4}))
    assert lines == [
        "computed: 1 worker(s) of 8 cores bear 40,000/s; the busiest has 1.00 of the shards",
        "computed: 4 worker(s) of 8 cores bear 100,000/s; the busiest has 0.40 of the shards",
        "computed: a coordinator of 8 cores bears 1,000,000/s",
        "computed from: cores x 1,000,000 / (us of all workers x share of the busiest)",
    ]


def test_no_more_than_the_coordinator_bears() -> None:
    runs = [Cost(4_000, p99=5, us={"server": 200, "coordinator": 100, "worker 1": 100})]
    first, *_ = computed(runs, {8: 0.2})
    assert first.startswith("computed: 8 worker(s) of 8 cores bear 80,000/s")


def test_where_nothing_has_citus_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench_cluster, "PLACES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"\.ci/citus"):
        bench_cluster.with_citus()
