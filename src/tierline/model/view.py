"""A member as events show it."""

from __future__ import annotations

from msgspec import Struct


class View(Struct, frozen=True, gc=False, omit_defaults=True):
    """A member as an event shows it: right after the change."""

    balance: int = 0
    pending: int = 0
    spent: int = 0
    earned: int = 0
    joined_at: int | None = None
    since: int | None = None
    expires_at: int | None = None  # exclusive; None: the tier does not expire
    manual: bool = False  # an override decides the tier
