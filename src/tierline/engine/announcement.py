"""An event as it stands in the log, with everything that a payload may speak of."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from tierline.engine.model import Customer, Event
from tierline.engine.policy import Version


class Project(Struct, frozen=True, omit_defaults=True):
    """A tenant. `clock` is a sandbox's own time, None for wall time. `number` is its short name
    inside the database; `presentations` holds vendor facts (ids, the shop's domain)."""

    id: str
    name: str
    number: int
    time_zone: str = "UTC"
    currency: str = "USD"
    clock: int | None = None
    loyaltylion_program: str | None = None  # the program its LoyaltyLion routes speak of
    presentations: dict[str, dict[str, Any]] = {}


class Announcement(Struct, frozen=True):
    """One event of the log. A payload is a function of this, the endpoint's id and the format's
    version, and of nothing else: so every attempt sends the same bytes."""

    id: str  # evt_…, never of shard or offset
    recorded_at: int  # when it entered the log, wall time
    project: Project
    program: str
    rules: Version
    customer: Customer
    event: Event
    # The version that `event.tier_from` is of, where `rules` no longer has that tier.
    before: Version | None = None
