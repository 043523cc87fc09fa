"""Events as the evaluator tells them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExpectedEvent:
    kind: str
    tier_from: str | None
    tier_to: str | None
    at: int
    cause: str
    entry: int | None
    version: int
    balance: int
    pending: int
    spent: int
    earned: int
    joined_at: int | None
    since: int | None
    expires_at: int | None
