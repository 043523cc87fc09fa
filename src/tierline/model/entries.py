"""Ledger entries: what happened to a member, frozen.

Instants are integers, milliseconds since 1970 in UTC. Civil days are integers, days since
1970-01-01 in the project's time zone. Points are integers, money is integer minor units.

Facts never lie in a circle, so the garbage collector need not look at them (`gc=False`): that
took a quarter of a sweep's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

EntryKind = Literal[
    "enrol",  # becomes a member (an import may say when, in which tier and until when)
    "leave",  # stops being a member
    "earn",  # points for anything outside
    "redeem",  # points spent
    "adjust",  # points by hand, signed
    "order",  # money spent, with the points it earned
    "refund",  # an order comes back, whole or in part
    "custom",  # a named event: a visit, a night, a review
    "approve",  # pending points become active now
    "void",  # an earlier activity never counted
    "transfer_in",
    "transfer_out",
    "attribute",  # a fact about the person that criteria may ask for
    "override",  # somebody asserts a tier for a while
    "release",  # an override is taken back
    "opening",  # balances brought from another system
    "checkpoint",  # as of here the standing is this, whatever the ledger says of before
]


OverrideKind = Literal["pin", "floor", "cap", "hold"]


class Part(Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """Points of an entry that one earning rule gave. Where the parts live or wait differently, each
    says how, as `Detail` does for a whole entry; else they only say which rule gave what."""

    rule: str
    points: int
    available_at: int | None = None
    expires_at: int | None = None
    never_expires: bool = False

    @property
    def differs(self) -> bool:
        return self.never_expires or (self.available_at, self.expires_at) != (None, None)


class Origin(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a reversal reverses, resolved when it is recorded: no fold searches the ledger."""

    n: int
    kind: EntryKind
    occurred_at: int
    points: int = 0
    amount: int = 0
    name: str | None = None
    metadata: dict[str, Any] | None = None
    available_at: int | None = None
    expires_at: int | None = None
    last: bool = False  # nothing of the original is left after this reversal: it leaves the counts
    expired: int = 0  # so many of its points had left by expiry, and were not taken back before
    parts: tuple[Part, ...] = ()  # of which parts this takes how much, where they live differently
    expired_of_parts: tuple[int, ...] = ()  # how many of each; `expired` is their sum


class Override(Struct, frozen=True, gc=False, omit_defaults=True):
    """A dated assertion over the computed tier. `id` is the number of the entry that made it."""

    kind: OverrideKind
    tier: str | None = None  # None with `pin`: in no tier; unused with `hold`
    starts_at: int = 0
    until: int | None = None  # exclusive; None: until released
    then: Literal["rejudge", "start_term"] = "rejudge"
    source: Literal["manual", "gift", "match", "challenge", "import", "pooled"] = "manual"
    reason: str | None = None
    actor: str | None = None
    id: int = 0

    def asserts(self, rank: int, ranks: Mapping[str, int]) -> int:
        """The rank that this makes of another; -1 is no tier."""
        target = -1 if self.tier is None else ranks.get(self.tier, -1)
        match self.kind:
            case "pin":
                return target
            case "floor":
                return max(rank, target)
            case "cap":
                return min(rank, target)
            case "hold":
                return rank


class Detail(Struct, frozen=True, gc=False, omit_defaults=True):
    """The rarer facts of an entry; stored as one JSON text."""

    name: str | None = None
    available_at: int | None = None  # points are pending until then
    expires_at: int | None = None  # when these points expire, where the caller said so
    never_expires: bool = False
    origin: Origin | None = None
    override: Override | None = None
    released: int | None = None  # id of the override that `release` takes back
    tier: str | None = None  # enrol, opening: the tier brought along
    tier_expires_at: int | None = None
    tier_since: int | None = None
    attribute: str | None = None
    value: str | int | bool | None = None
    lots: tuple[tuple[int | None, int], ...] = ()  # opening: (expires_at, points)
    standing: dict[str, Any] | None = None  # opening, checkpoint: all of it
    spent: int = 0  # opening: points redeemed before
    counterpart: str | None = None  # transfers: the other customer
    metadata: dict[str, Any] | None = None
    reason: str | None = None
    quiet: bool = False  # import: decide, but announce nothing
    elsewhere: bool = False  # import: recorded before it came here, as was all that time did before
    implied: bool = False  # enrol: brought by a first activity, which then tells
    order: str | None = None  # the order, told whole, whose entry this is or takes back
    exchange: bool = False  # void and the order right after it: one takes the other's place
    parts: tuple[Part, ...] = ()  # which earning rule gave how many of the points

    @property
    def brings_no_bonus(self) -> bool:
        """Whether it is an import, for which rules gave what they gave where it comes from."""
        return self.quiet and not self.elsewhere

    @property
    def differing(self) -> tuple[Part, ...]:
        """The parts, where they live or wait differently; else none."""
        parts = self.parts
        return parts if parts and any(part.differs for part in parts) else ()


class Entry(Struct, frozen=True, gc=False):
    """A line of the ledger: any fact about a member. Numbered 1, 2, 3 … per member, never changed.

    `points` is signed: what the fact adds to or takes from the member's points. `amount` is money,
    signed likewise (a refund is negative). `recorded_at` never decreases from entry to entry.
    """

    n: int
    kind: EntryKind
    occurred_at: int
    recorded_at: int
    points: int = 0
    amount: int = 0
    detail: Detail | None = None
