"""Receipts: what an entry keeps of its first answer, so that a repetition gets the same."""

from __future__ import annotations

import msgspec

from tierline.ledger.commands import Answer, RuleGain, TierChange

answer_text = msgspec.json.Encoder().encode


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """What a receipt keeps of the first answer. What few answers say stands only where it does."""

    balance: int
    pending: int
    tier: str | None
    since: int | None
    expires_at: int | None
    events: tuple[TierChange, ...]
    uncounted: str | None = None
    rules: tuple[RuleGain, ...] = ()
    correction_start: int | None = None
    points: int | None = None  # of several entries together
    amount: int | None = None


_read = msgspec.json.Decoder(Receipt).decode


def first_answer(key: str, n: int, points: int, amount: int, answer: str) -> Answer:
    """Returns a receipt as the answer that it keeps."""
    facts = msgspec.structs.asdict(_read(answer))
    all_points, all_amount = facts.pop("points"), facts.pop("amount")
    if all_points is not None:
        points, amount = all_points, all_amount
    return Answer(key, n, points, amount, **facts, repeated=True)
