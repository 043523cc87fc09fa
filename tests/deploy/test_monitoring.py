"""deploy/alerts.yaml and deploy/grafana.json speak of what /metrics tells, by its very names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.conftest import CLUB, Api, api

__all__ = ["api"]

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
ENDPOINT = {"url": "http://127.0.0.1:9/hooks", "format": "standard"}


@pytest.fixture
async def samples(api: Api) -> set[str]:
    """The names of all samples of a server that was asked, and has an endpoint."""
    await api.put("/api/programs/club", CLUB)
    assert (await api.post("/api/endpoints", ENDPOINT)).status == 201
    assert (await api.earn("anna", 600)).status == 200
    names: set[str] = set()
    while not {"tierline_lag_events", "tierline_attempts_total"} <= names:  # once it was tried
        text = (await api.get("/metrics")).body.decode()
        names = {
            sample.name
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    return names


def expressions() -> list[str]:
    board: Any = json.loads((DEPLOY / "grafana.json").read_text())
    alerts = re.findall(r"^ +expr: (.+)$", (DEPLOY / "alerts.yaml").read_text(), re.MULTILINE)
    return alerts + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


async def test_every_name_of_a_rule_or_a_panel_is_told(samples: set[str]) -> None:
    """A histogram's buckets and a counter's total included."""
    names = {name for text in expressions() for name in re.findall(r"\btierline_\w+", text)}
    existing = samples | {"tierline_disk_free_bytes"}  # of an embedded database alone

    assert len(names) > 10
    assert names - existing == set()


async def test_every_metric_stands_on_the_dashboard(samples: set[str]) -> None:
    """Nothing is told in vain, but for how long single attempts take."""
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in samples}
    board = " ".join(expressions())
    hidden = {name for name in families if name.startswith("tierline_") and name not in board}

    assert hidden <= {"tierline_attempt_seconds", "tierline_lag_seconds"}
