"""The JSON filter: what it matches, and what is not one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tierline.endpoints.event_content import view
from tierline.endpoints.filters import FIELDS, check_fields, compile_filter
from tierline.errors import Invalid
from tierline.model.operational_event import Notice, OperationalEvent
from tierline.model.tenant import Project
from tierline.store.event_log import LogEvent
from tierline.vendors.sample import sample_announcement, sample_event

EVENT: dict[str, Any] = {
    "kind": "upgraded",
    "tier_from": None,
    "tier_to": {"id": "gold", "name": "Gold"},
    "points": {"balance": 250},
    "manual": True,
    "profile": {"email": "a@example.com", "metadata": {"country": "DE", "tags": ["vip", "b2b"]}},
}


@pytest.mark.parametrize(
    ("spec", "matches"),
    [
        ({"kind": "upgraded"}, True),
        ({"kind": "joined"}, False),
        ({"tier_to.id": "gold", "kind": "upgraded"}, True),
        ({"tier_to.id": "gold", "kind": "left"}, False),
        ({"kind": {"in": ["joined", "upgraded"]}}, True),
        ({"kind": {"not_in": ["joined", "upgraded"]}}, False),
        ({"profile.metadata.country": {"not": "DE"}}, False),
        ({"profile.metadata.city": {"not": "Ulm"}}, True),
        ({"points.balance": {"gte": 250, "lt": 251}}, True),
        ({"points.balance": {"gt": 250}}, False),
        ({"manual": {"gte": 0}}, False),
        ({"manual": 1}, False),
        ({"manual": True}, True),
        ({"tier_from": {"exists": False}}, True),
        ({"tier_from": None}, True),
        ({"tier_to": {"exists": True}}, True),
        ({"profile.email": {"ends": "@example.com"}}, True),
        ({"profile.email": {"starts": "b"}}, False),
        ({"profile.metadata.tags": {"contains": "vip"}}, True),
        ({"any": [{"kind": "left"}, {"tier_to.id": "gold"}]}, True),
        ({"all": [{"kind": "upgraded"}, {"tier_to.id": "silver"}]}, False),
        ({"none": [{"kind": "left"}, {"tier_to.id": "silver"}]}, True),
        ({"kind.deeper": "x"}, False),
    ],
)
def test_a_filter_matches(spec: dict[str, Any], matches: bool) -> None:
    """Every operator, missing fields, and JSON's own idea of equality."""
    assert matches is compile_filter(spec)(EVENT)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({}, "filter"),
        ([], "filter"),
        ({"kind": {"matches": "a.*"}}, "filter.kind.matches"),
        ({"kind": ["joined"]}, "filter.kind"),
        ({"kind": {"in": "joined"}}, "filter.kind.in"),
        ({"points.balance": {"gt": "5"}}, "filter.points.balance.gt"),
        ({"any": {"kind": "left"}}, "filter.any"),
        ({"any": [{"kind": {"exists": "yes"}}]}, "filter.any[0].kind.exists"),
        ({"kind": {}}, "filter.kind"),
        ({f"profile.{i}": i for i in range(51)}, "filter"),
        ({"balance": {"gte": 100}}, "filter.balance"),
        ({"any": [{"customers.email": "x"}]}, "filter.any[0].customers.email"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_path(spec: Any, path: str) -> None:
    """When it is saved, not when an event comes by."""
    with pytest.raises(Invalid) as refused:
        compile_filter(spec)

    assert path == refused.value.path


def test_every_field_that_there_is_may_be_asked_for() -> None:
    """What an event shows and what a filter knows are the same."""
    announcement = sample_announcement("standard", "upgraded", Project("shop", "Shop", 1), 0)
    event = LogEvent((0, "tier", 1, 0, 0, announcement.id, 0, "", None))
    event.content = announcement
    notice = Notice("evt_1", 0, announcement.project, OperationalEvent("endpoint.paused", 0))

    points = LogEvent((0, "points", 1, 0, 0, announcement.id, 0, "", None))
    points.content = sample_event("standard", "points.earned", announcement.project, 0)

    reminder = LogEvent((0, "reminder", 1, 0, 0, announcement.id, 0, "", None))
    reminder.content = sample_event("standard", "tier_ending", announcement.project, 0)
    customers = {*view(event), *view(points), *view(reminder)}

    assert {*customers, *json.loads(notice.body())} == FIELDS


@pytest.mark.parametrize(
    ("spec", "path", "there"),
    [
        ({"tier_to.nam": "Gold"}, "filter.tier_to.nam", "id, name"),
        ({"tier_to": "gold"}, "filter.tier_to", "tier_to.id, tier_to.name"),
        ({"points": {"gte": 100}}, "filter.points", "points.balance"),
        ({"points.balanc": {"gte": 100}}, "filter.points.balanc", "balance, pending, spent"),
        ({"any": [{"kind.name": "x"}]}, "filter.any[0].kind.name", "nothing inside"),
        ({"profile.mail": "x"}, "filter.profile.mail", "email"),
        ({"profile": {"not": "x"}}, "filter.profile", "profile.email"),
    ],
)
def test_a_field_is_checked_to_its_last_step(spec: Any, path: str, there: str) -> None:
    """What would never match is refused, with what exists instead."""
    with pytest.raises(Invalid) as refused:
        check_fields(spec)

    assert path == refused.value.path
    assert there in str(refused.value)


@pytest.mark.parametrize(
    "spec",
    [
        {"tier_to.id": "gold", "tier_from": {"exists": True}},
        {"tier_from": None},
        {"tier_from": {"not": None}},
        {"profile.metadata.country.code": "DE", "data.failures": {"gt": 3}},
        {"none": [{"points.balance": {"lt": 5}}, {"profile.email": {"ends": ".de"}}]},
    ],
)
def test_what_an_event_has_may_be_compared(spec: Any) -> None:
    """Metadata and operational data have whatever names they have."""
    check_fields(spec)
