"""Announcements made by hand, out of the seeds' own customers, campaigns and tiers."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from tierline.engine.announcement import Announcement
from tierline.model.calendar import parse_instant
from tierline.model.events import Cause, Event, EventKind
from tierline.model.tenant import Customer, Project
from tierline.model.view import View
from tierline.rules.program import Rules, Version
from tierline.vendors.registry import FORMATS, compile_settings
from tierline.vendors.vendor import EndpointFacts, ProgramFacts

SEEDS = Path(__file__).parent.parent / "data" / "seeds"
AT = parse_instant("2024-03-20T08:00:00.000Z")
PROJECT = Project(
    "seeds",
    "Seeds",
    1,
    presentations={
        "voucherify": {"project_id": "proj_5T4Rpl4T1nuM"},
        "loyaltylion": {"site_domain": "shop.example.com"},
    },
)
GOLD = {"id": "ltr_0e30613ad01f044516", "name": "Loyal gold", "points": {"from": 251, "to": 350}}
LION: dict[str, Any] = {
    "boundary_mode": "spend",
    "membership": {"mode": "lifetime"},
    "tiers": [
        {"id": 15, "name": "Bronze", "lower_bound": 0},
        {"id": 16, "name": "Silver", "lower_bound": 20_001},
        {"id": 17, "name": "Gold", "lower_bound": 40_001},
    ],
}


def endpoint(format_name: str, **options: Any) -> EndpointFacts:
    """An endpoint of a format, with those of the options that the format has."""
    type_: type[EndpointFacts] = FORMATS[format_name].endpoint_facts
    own = {name: value for name, value in options.items() if name in type_.__struct_fields__}
    return type_(id="end_1", url="https://example.com/hook", **own)


def seed(name: str) -> dict[str, Any]:
    """One of the five published samples, in its own order of keys."""
    sample: dict[str, Any] = json.loads((SEEDS / f"{name}.json").read_text())
    return sample


def rules(name: str, settings: dict[str, Any], previous: Rules | None = None) -> Rules:
    return compile_settings(name, settings, ProgramFacts("club", "seeds", AT, previous=previous))


@lru_cache
def campaign(name: str) -> Version:
    """The program of a Voucherify seed: its campaign, and whatever tiers the sample shows."""
    sample = seed(name)
    tiers = [sample[key] for key in sample if key.startswith("loyalty_tier")]
    return Version(1, AT, rules("voucherify", {**sample["campaign"], "loyalty_tiers": tiers}))


@lru_cache
def lion() -> Version:
    return Version(1, AT, rules("loyaltylion", LION))


def voucherify_announcement(name: str, kind: EventKind, cause: Cause = "activity") -> Announcement:
    """The event that a Voucherify seed shows."""
    sample = seed(name)
    person = sample["customer"]
    customer = Customer(
        id=person["id"],
        source_id=person["source_id"],
        number=77,
        name=person["name"],
        email=person["email"],
        metadata=person["metadata"],
    )
    before = sample.get("loyalty_tier_from")
    after = sample.get("loyalty_tier_to") or sample["loyalty_tier"]
    at = parse_instant(sample["created_at"])
    view = View(balance=200, joined_at=at, since=at)
    before_id = before["id"] if before else after["id"] if kind == "prolonged" else None
    event = Event(1, kind, before_id, after["id"], at, cause, 1, entry=3, view=view)
    version = campaign(name)
    return Announcement("evt_1", at + 7, PROJECT, "club", version, customer, event)


def lion_announcement(name: str, kind: EventKind, tier_from: str, tier_to: str) -> Announcement:
    """The event that a LoyaltyLion seed shows; its customer's counters and fields imported."""
    sample = seed(name)["payload"]
    person = sample["properties"]["customer"]
    own = (
        "rewards_claimed properties birthday referral_id referred_by insights_segment referral_url"
    )
    customer = Customer(
        id="cust_6932",
        source_id=person["merchant_id"],
        number=person["id"],
        email=person["email"],
        created_at=parse_instant(person["created_at"]),
        updated_at=parse_instant(person["updated_at"]),
        presentations={"loyaltylion": {key: person[key] for key in own.split()}},
    )
    at = parse_instant(sample["created_at"])
    view = View(
        balance=person["points_approved"],
        pending=person["points_pending"],
        spent=person["points_spent"],
        joined_at=parse_instant(person["enrolled_at"]),
        since=at,
    )
    event = Event(4, kind, tier_from, tier_to, at, "activity", 1, entry=9, view=view)
    return Announcement("evt_2", at + 7, PROJECT, "club", lion(), customer, event)


def one_of_each_kind() -> list[Announcement]:
    """One event of each kind, in both vendors' programs; the customer's data is full of traps."""
    metadata = {"1": "one", "0": 0.1, "name": 'Zoë "Z" </b>\u2028', "list": [1, 2.5, None, True]}
    customer = Customer(
        id="cust_1",
        source_id="søurce/1",
        number=4711,
        name="Zoë\tƏ 😀",
        email="z@example.com",
        metadata=metadata,
        created_at=AT,
        updated_at=AT,
        presentations={"loyaltylion": {"properties": {"10": 1, "9": 2, "x": 1e-7}}},
    )
    moves: list[tuple[EventKind, int | None, int | None]] = [
        ("joined", None, 0),
        ("upgraded", 0, 1),
        ("downgraded", 1, 0),
        ("prolonged", 1, 1),
        ("left", 0, None),
    ]
    announcements = []
    for version in (campaign("voucherify-tier-upgraded"), lion()):
        named = [tier.id for tier in version.rules.policy.tiers]
        for kind, low, high in moves:
            tier_from = None if low is None else named[low]
            tier_to = None if high is None else named[high]
            entry = 5 if kind != "prolonged" else None
            view = View(balance=10, joined_at=AT, since=AT, expires_at=AT + 86_400_000)
            event = Event(2, kind, tier_from, tier_to, AT, "activity", 1, entry, view)
            id_ = f"evt_{kind}"
            announcements.append(
                Announcement(id_, AT + 1, PROJECT, "club", version, customer, event)
            )
    return announcements
