"""Reminders in every format that has a shape for them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.vendors.announcements import AT, PROJECT
from tierline.engine.announcement import ReminderAnnouncement
from tierline.vendors.loyaltylion import topics
from tierline.vendors.registry import FORMATS
from tierline.vendors.sample import sample_event
from tierline.vendors.standard.reminder_payloads import KINDS, ReminderObject
from tierline.vendors.vendor import Secrets

REMINDING = [name for name, format_ in FORMATS.items() if format_.reminders is not None]


def sample(format_name: str, kind: str) -> ReminderAnnouncement:
    made = sample_event(format_name, kind, PROJECT, AT)
    assert isinstance(made, ReminderAnnouncement)
    return made


def body(format_name: str, kind: str, **options: Any) -> dict[str, Any]:
    format_ = FORMATS[format_name]
    facts = format_.endpoint_facts(id="we_1", url="https://example.com", **options)
    assert format_.reminders is not None
    made: dict[str, Any] = json.loads(format_.reminders.render(sample(format_name, kind), facts))
    return made


@pytest.mark.parametrize("format_name", REMINDING)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_shape(format_name: str, kind: str) -> None:
    """The same bytes each time, under the name that the format gives it."""
    made = body(format_name, kind)
    reminders = FORMATS[format_name].reminders
    assert reminders is not None
    name = reminders.names[kind]  # type: ignore[index]  # one of KINDS

    assert made == body(format_name, kind)
    assert name in (made.get("type"), made.get("topic"))


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_shape_is_what_is_documented(kind: str) -> None:
    """Every field of the schema, and none beside."""
    data = body("standard", kind)["data"]

    assert set(data) == {field.encode_name for field in msgspec.structs.fields(ReminderObject)}
    assert msgspec.convert(data, ReminderObject).kind == kind
    assert set(body("cloudevents", kind, thin=True)["data"]) == {"id", "customer", "program"}
    assert "sequence" not in body("cloudevents", kind)


def test_loyaltylion_tells_who_is_near_with_its_cool_down() -> None:
    """The vendor's own topic: what is required as points or as money, `unique_until` in a week."""
    made = body("loyaltylion", "tier_near")
    properties = made["payload"]["properties"]

    assert made["topic"] == "program_events/customer.approaching_tier_upgrade"
    assert made["payload"]["kind"] == "customer.approaching_tier_upgrade"
    assert made["payload"]["unique_until"] is not None
    assert properties["current_tier"]["number"] < properties["next_tier"]["number"]
    assert [properties["points_required"], properties["spend_required"]].count(None) == 1
    assert properties["customer"]["loyalty_tier_membership"]["loyalty_tier"]["position"] == 1
    other = body("loyaltylion", "tier_near", position_base=0, extended=True)
    held = other["payload"]["properties"]["customer"]["loyalty_tier_membership"]
    assert held["loyalty_tier"]["position"] == 0
    assert other["tierline"]["kind"] == "tier_near"


def test_loyaltylion_tells_of_points_that_expire() -> None:
    """How many and when; not since when, for they may have come on many days."""
    properties = body("loyaltylion", "points_expiring")["payload"]["properties"]

    assert properties["points_to_expire"] == 100
    assert properties["expire_points_at"] is not None
    assert properties["earned_on"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_loyaltylion_names_the_topic_in_its_header(kind: str) -> None:
    """Signed as any other event of the vendor's."""
    format_ = FORMATS["loyaltylion"]
    facts = format_.endpoint_facts(id="we_1", url="https://example.com")
    secrets = Secrets(vendor="secret")
    headers = format_.headers(sample("loyaltylion", kind), facts, b"{}", secrets)

    assert headers["x-loyaltylion-topic"] == topics.OF_REMINDER[kind]  # type: ignore[index]
    assert headers["x-loyaltylion-hmac-sha256"]


def test_every_topic_of_a_reminder_can_be_subscribed() -> None:
    """And names one kind each."""
    for kind, topic in topics.OF_REMINDER.items():
        assert topic in topics.NAMES
        assert topics.kinds_of(topic) == [kind]
