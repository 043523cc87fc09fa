"""What happened, what is known, and what was decided: the one model hierarchy, all of it frozen.

Instants are integers, milliseconds since 1970 in UTC. Civil days are integers, days since
1970-01-01 in the project's time zone. Points are integers, money is integer minor units.
Nothing here reads a clock or does I/O; rules (policies, tiers) live beside it in `policy.py`.

Facts never lie in a circle, so the garbage collector need not look at them (`gc=False`): that took
a quarter of a sweep's time.
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
]
EventKind = Literal["joined", "upgraded", "downgraded", "prolonged", "left"]
Cause = Literal[
    "activity",  # an activity crossed a threshold
    "expiry",  # points expired
    "activation",  # pending points became active
    "term_end",  # the tier's term ended
    "window_turn",  # a qualification window closed or moved on
    "start",  # a tier that was waiting began
    "requalified",  # a term ended and the tier was earned again
    "grace",  # no longer qualifies, kept until the term or its grace ends
    "lapse_keep",  # no longer qualifies, the lapse rule keeps the tier
    "override",  # an override began, ended, or keeps the tier
    "enrolment",
    "leaving",
    "rules",  # a new version of the rules re-judged the member
    "correction",  # a retroactive correction re-played history
    "import",
]
OverrideKind = Literal["pin", "floor", "cap", "hold"]


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
        wanted = -1 if self.tier is None else ranks.get(self.tier, -1)
        match self.kind:
            case "pin":
                return wanted
            case "floor":
                return max(rank, wanted)
            case "cap":
                return min(rank, wanted)
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
    spent: int = 0  # opening: points redeemed before
    counterpart: str | None = None  # transfers: the other customer
    metadata: dict[str, Any] | None = None
    reason: str | None = None
    quiet: bool = False  # import: decide, but announce nothing
    implied: bool = False  # enrol: brought by a first activity, which then judges


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


class Pending(Struct, frozen=True, gc=False, array_like=True):
    """Points on their way. `available_at` None: they wait for an approval."""

    entry: int
    available_at: int | None
    points: int
    expires_at: int | None  # said by the caller; else the program's rule, from activation
    kind: EntryKind  # of that entry, with its name and metadata: what filters ask for
    name: str | None = None
    metadata: dict[str, Any] | None = None
    never_expires: bool = False


class Known(Struct, gc=False):
    """Everything that the engine knows of a member at the instant `at`.

    `tier` is what the world sees; `held` is what the rules alone grant. They differ under an
    override. `lots` are soonest expiry first, those that never expire last.
    """

    at: int = 0
    entries: int = 0
    seq: int = 0
    joined_at: int | None = None
    tier: str | None = None
    since: int | None = None
    held: str | None = None
    started_at: int | None = None  # when the held tier's term started
    ends_at: int | None = None  # when it ends (exclusive); None: it has no end of its own
    grace_until: int | None = None
    told: bool = False  # `prolonged` by grace was announced in this term
    waiting: tuple[str, int] | None = None  # (tier, starts_at): earned, begins later
    lots: tuple[tuple[int | None, int], ...] = ()
    debt: int = 0  # points taken back that were already spent
    pending: tuple[Pending, ...] = ()
    earned: int = 0  # lifetime counters
    spent: int = 0
    expired: int = 0
    totals: dict[str, tuple[tuple[int, int], ...]] = {}  # metric key -> ((civil day, amount), …)
    reached: tuple[str, ...] = ()  # tiers once held, where a re-entry rule asks
    overrides: tuple[Override, ...] = ()
    attributes: dict[str, str | int | bool] = {}
    hold_since: int | None = None  # a `hold` froze the clock at this instant
    kept_from: int | None = None  # totals of civil days before this one are not kept
    turn_at: int | None = None  # when a window turns next in a way that may change something
    due_at: int | None = None  # when time next has work here, of whatever kind
    # What came with this entry or before it, or became active at this instant or before it, does
    # not count any more: a membership ended (all totals), a term began (totals counted from it).
    counted_since: tuple[int, int] | None = None
    term_counted_since: tuple[int, int] | None = None

    @property
    def balance(self) -> int:
        """Points that can be spent now."""
        total = -self.debt
        for _, points in self.lots:
            total += points
        return total

    @property
    def expires_at(self) -> int | None:
        """When the shown tier ends (exclusive); None: it has no end, or there is no tier."""
        if self.tier is None:
            return None
        pins = (o for o in self.overrides if o.kind == "pin" and o.starts_at <= self.at)
        pin = next(pins, None)
        return pin.until if pin is not None else self.grace_until or self.ends_at

    @property
    def points_pending(self) -> int:
        return sum(p.points for p in self.pending)


class Standing(Known, frozen=True, array_like=True, gc=False):  # type: ignore[misc]  # a frozen `Known`
    """What is known, as it is kept: a fold of the ledger up to `at`, never changed."""


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


class Event(Struct, frozen=True, gc=False):
    """One change of a membership. `seq` counts a member's events, without gaps."""

    seq: int
    kind: EventKind
    tier_from: str | None
    tier_to: str | None
    at: int  # when the change took effect
    cause: Cause
    version: int  # of the rules that decided
    entry: int | None = None  # the ledger entry that caused it; None: time did
    view: View = View()


class Decision(Struct, frozen=True, gc=False):
    """What follows: the standing afterwards (its `due_at`: when time next has work), and what to
    announce."""

    standing: Standing
    events: tuple[Event, ...] = ()


class Customer(Struct, frozen=True, gc=False, omit_defaults=True):
    """A person as payloads show them. `id` is ours or the imported one; it never changes.

    `presentations` holds, per vendor, what only that vendor's payloads speak of.
    """

    id: str
    source_id: str | None = None
    number: int = 0
    name: str | None = None
    email: str | None = None
    metadata: dict[str, Any] = {}
    created_at: int = 0
    updated_at: int = 0
    presentations: dict[str, dict[str, Any]] = {}
    erased: bool = False
