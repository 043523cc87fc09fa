"""What clients were answered, over all rounds: the ledger must hold this, and nothing else."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from tests.e2e.caller import Json

POINTS = 60  # the step that each activity takes, up or down


class Reply(Struct, frozen=True):
    """To one key, the first time."""

    customer: str
    entry: int
    balance: int


class Record:
    """`answers` by key; `activities` as they were sent; `balances` that follow by customer."""

    def __init__(self) -> None:
        self.answers: dict[str, Reply] = {}
        self.activities: dict[str, Json] = {}
        self.balances: Counter[str] = Counter()

    def activity(self, key: str, customer: str) -> Json:
        """The customer's next step: a tier up, then down again."""
        kind = "redeem" if self.balances[customer] else "earn"
        return {"key": key, "customer": customer, "kind": kind, "points": POINTS}

    def add(self, activity: Json, answer: Json) -> None:
        """The first answer to a key."""
        key, customer = activity["key"], activity["customer"]
        self.activities[key] = activity
        self.answers[key] = Reply(customer, answer["entry"], answer["balance"])
        self.balances[customer] += POINTS if activity["kind"] == "earn" else -POINTS
