"""Test events: made up, with ids of zeros, and rendered as any other."""

from __future__ import annotations

from typing import Any

from tierline.engine.announcement import Announcement
from tierline.errors import Invalid
from tierline.model.events import Event, EventKind, View
from tierline.model.tenant import Customer, Project
from tierline.rules.program import Version
from tierline.vendors.registry import FORMATS, SETTINGS, compile_settings
from tierline.vendors.vendor import SAMPLE_EVENT, ProgramFacts

_TIERS: dict[str, dict[str, Any]] = {
    "voucherify": {
        "id": "camp_000000000000000000000000",
        "loyalty_tiers": [
            {"id": "ltr_000000000000000001", "name": "Silver", "points": {"from": 0, "to": 199}},
            {"id": "ltr_000000000000000002", "name": "Gold", "points": {"from": 200}},
        ],
    },
    "loyaltylion": {
        "boundary_mode": "points",
        "membership": {"mode": "lifetime"},
        "tiers": [
            {"id": 1, "name": "Silver", "lower_bound": 0},
            {"id": 2, "name": "Gold", "lower_bound": 200},
        ],
    },
}


def announcement(name: str, kind: EventKind, project: Project, at: int) -> Announcement:
    """A test event of `kind` for the format `name`, as if it had happened at `at`."""
    form = FORMATS[name]
    if kind not in form.wire_names:
        known = ", ".join(form.wire_names)
        reason = f"kind: {name} has no event for {kind!r}, only for {known}."
        raise Invalid(path="kind", reason=reason)
    words = name if name in SETTINGS else "voucherify"
    facts = ProgramFacts(id="sample", project=project.id, at=at, name="Sample program")
    version = Version(1, at, compile_settings(words, _TIERS[words], facts))
    low, high = (tier.id for tier in version.rules.policy.tiers)
    tier_from, tier_to = {
        "joined": (None, low),
        "upgraded": (low, high),
        "downgraded": (high, low),
        "prolonged": (high, high),
        "left": (low, None),
    }[kind]
    customer = Customer(
        id="cust_000000000000000000000000",
        source_id="sample-customer",
        name="Sample Customer",
        email="sample@example.com",
        created_at=at,
        updated_at=at,
    )
    view = View(balance=250, joined_at=at, since=None if tier_to is None else at)
    event = Event(1, kind, tier_from, tier_to, at, "activity", 1, 1, view)
    return Announcement(SAMPLE_EVENT, at, project, "sample", version, customer, event)
