"""The five published samples, reproduced whole: same keys in the same order, types and values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vendors.announcements import endpoint, lion_announcement, seed, voucherify_announcement
from tierline.model.events import Cause, EventKind
from tierline.vendors.registry import FORMATS


def body(name: str, announcement: Any) -> dict[str, Any]:
    form = FORMATS[name]
    text = form.render(announcement, endpoint(name), form.versions[-1])
    assert text is not None
    printed: dict[str, Any] = json.loads(text)
    return printed


def exact(value: Any) -> str:
    """JSON text keeps the order of keys and tells 1 from 1.0 and true: equal texts, equal whole."""
    return json.dumps(value, indent=1)


@pytest.mark.parametrize(
    ("name", "kind", "cause"),
    [
        ("voucherify-tier-joined", "joined", "activity"),
        ("voucherify-tier-upgraded", "upgraded", "activity"),
        ("voucherify-tier-prolonged", "prolonged", "grace"),
    ],
)
def test_voucherify(name: str, kind: EventKind, cause: Cause) -> None:
    """`data` equals the published sample in everything."""
    announcement = voucherify_announcement(name, kind, cause)

    assert exact(body("voucherify", announcement)["data"]) == exact(seed(name))


def test_voucherify_raw() -> None:
    """In raw mode the sample is the whole body."""
    announcement = voucherify_announcement("voucherify-tier-joined", "joined")
    form = FORMATS["voucherify"]
    raw = endpoint("voucherify", raw=True)

    text = form.render(announcement, raw, "v2024-01-01")

    assert text is not None
    assert exact(json.loads(text)) == exact(seed("voucherify-tier-joined"))


def expected_of_lion(name: str, got: dict[str, Any]) -> dict[str, Any]:
    """The sample with exactly what is free put in: two uuids, the envelope's `created_at`,
    `started_at` as the move's instant, and `number` beside `position`."""
    sample = seed(name)
    sample["id"], sample["created_at"] = got["id"], got["created_at"]
    payload = sample["payload"]
    payload["id"] = got["payload"]["id"]
    membership = payload["properties"]["customer"]["loyalty_tier_membership"]
    membership["started_at"] = payload["created_at"]
    tier = membership["loyalty_tier"]
    head = {"id": tier["id"], "name": tier["name"], "number": tier["position"]}
    membership["loyalty_tier"] = {**head, **tier}
    return sample


def test_loyaltylion_upgraded() -> None:
    """The whole body equals the published sample but for what is free."""
    announcement = lion_announcement("loyaltylion-tier-upgraded", "upgraded", "15", "16")

    got = body("loyaltylion", announcement)

    assert exact(got) == exact(expected_of_lion("loyaltylion-tier-upgraded", got))


def test_loyaltylion_downgraded() -> None:
    """As published, with the direction put right: the sample repeats the upgrade's tiers."""
    announcement = lion_announcement("loyaltylion-tier-downgraded", "downgraded", "16", "15")

    got = body("loyaltylion", announcement)

    sample = expected_of_lion("loyaltylion-tier-downgraded", got)
    properties = sample["payload"]["properties"]
    bronze, silver = properties["previous_tier"], properties["new_tier"]
    properties["previous_tier"], properties["new_tier"] = silver, bronze
    membership = properties["customer"]["loyalty_tier_membership"]
    number = {"number": 1, "position": 1}
    head = {"id": bronze["id"], "name": bronze["name"], **number}
    membership["loyalty_tier"] = {**head, **{k: v for k, v in bronze.items() if k not in head}}
    assert exact(got) == exact(sample)


def test_envelope_of_voucherify() -> None:
    """The envelope's keys stand in the published order, its ids hang together."""
    announcement = voucherify_announcement("voucherify-tier-upgraded", "upgraded")

    got = body("voucherify", announcement)

    assert list(got) == ["id", "project_id", "created_at", "type", "data", "source", "event"]
    assert list(got["event"]) == [
        "id",
        "type",
        "created_at",
        "entity_id",
        "group_id",
        "event_source",
    ]
    assert got["id"] == FORMATS["voucherify"].delivery_id("evt_1", "end_1")
    assert got["project_id"] == "proj_5T4Rpl4T1nuM"
    assert got["type"] == got["event"]["type"] == "customer.loyalty.tier.upgraded"
    assert got["created_at"] == "2024-03-11T12:06:34.430Z"
    assert got["event"]["created_at"] == got["data"]["created_at"] == "2024-03-11T12:06:34.423Z"
    assert got["event"]["entity_id"] == got["data"]["customer"]["id"]
    assert got["source"]["object"] == "webhook"
    assert got["source"]["target_url"] == "https://example.com/hook"
    assert got["source"]["id"].startswith("wh_")
