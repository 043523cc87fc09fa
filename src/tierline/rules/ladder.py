"""The ladder: tiers in rising order, and the criteria for entering and keeping them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tierline.model.calendar import Period, add_period
from tierline.rules.term import Term

Amount = Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]
UNBOUNDED = -(2**63)  # below every total
LapseRule = Literal["keep", "one_step", "to_qualifying", "to_base", "leave"]


class Facts(Struct, frozen=True):
    """What criteria are judged on: today's metric values, and facts about the member."""

    values: Callable[[str | None], int]  # metric name (None: the policy's own) -> its total
    attributes: Mapping[str, str | int | bool]
    day: int
    joined: int


class Range(
    Struct,
    frozen=True,
    tag="range",
    omit_defaults=True,
    rename={"from_": "from"},
    forbid_unknown_fields=True,
):
    """`from` <= metric <= `to`, both inclusive; without `to` there is no upper bound."""

    from_: Amount | None = 0  # None: no lower bound either
    to: Amount | None = None
    metric: str | None = None

    @property
    def low(self) -> int:
        return UNBOUNDED if self.from_ is None else self.from_

    def holds(self, facts: Facts) -> bool:
        value = facts.values(self.metric)
        return value >= self.low and (self.to is None or value <= self.to)


class Attribute(
    Struct,
    frozen=True,
    tag="attribute",
    omit_defaults=True,
    rename={"is_": "is"},
    forbid_unknown_fields=True,
):
    """A fact about the person: a segment, a tag, a subscription."""

    name: str
    is_: str | int | bool = True

    def holds(self, facts: Facts) -> bool:
        return facts.attributes.get(self.name) == self.is_


class MemberFor(Struct, frozen=True, tag="member_for", forbid_unknown_fields=True):
    """Has been a member for at least this long."""

    length: Period

    def holds(self, facts: Facts) -> bool:
        return facts.day >= add_period(facts.joined, self.length)


class All(Struct, frozen=True, tag="all", forbid_unknown_fields=True):
    """Every one of these."""

    of: tuple[Criterion, ...]

    def holds(self, facts: Facts) -> bool:
        return all(criterion.holds(facts) for criterion in self.of)


class Any(Struct, frozen=True, tag="any", forbid_unknown_fields=True):
    """At least one of these."""

    of: tuple[Criterion, ...]

    def holds(self, facts: Facts) -> bool:
        return any(criterion.holds(facts) for criterion in self.of)


class AtLeast(Struct, frozen=True, tag="at_least", forbid_unknown_fields=True):
    """At least `k` of these."""

    k: Annotated[int, Meta(ge=1)]
    of: tuple[Criterion, ...]

    def holds(self, facts: Facts) -> bool:
        return sum(criterion.holds(facts) for criterion in self.of) >= self.k


Criterion = Range | Attribute | MemberFor | All | Any | AtLeast


def ages(criterion: Criterion) -> tuple[Period, ...]:
    """The lengths of membership that a criterion asks for."""
    if isinstance(criterion, MemberFor):
        return (criterion.length,)
    if isinstance(criterion, All | Any | AtLeast):
        return tuple(length for part in criterion.of for length in ages(part))
    return ()


class Earning(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What holding this tier does to points earned: `multiplier` in percent (150 = x1.5)."""

    multiplier: Annotated[int, Meta(ge=0, le=100_000)] = 100
    fixed: Annotated[int, Meta(ge=0)] | None = None


class TierName(Struct, frozen=True):
    """A tier as people know it."""

    id: str
    name: str


class Tier(
    Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}, forbid_unknown_fields=True
):
    """A step of the ladder.

    `from`/`to` bound the policy's own metric, inclusive; a tier without `from` has no lower bound,
    so that a debt does not leave it. `entry` replaces them by any criterion;
    `retain` is what keeps the tier once held, `reentry` what brings somebody back who held it
    before. A tier by `invitation` (or `hidden`) is reached by an override alone.
    """

    id: str
    name: str
    from_: Amount | None = None
    to: Amount | None = None
    entry: Criterion | None = None
    retain: Criterion | None = None
    reentry: Criterion | None = None
    hidden: bool = False
    invitation: bool = False
    term: Term | None = None  # instead of the policy's
    lapse: LapseRule | None = None  # instead of the policy's
    earning: Earning | None = None

    @property
    def low(self) -> int:
        """The lower bound, `UNBOUNDED` where there is none."""
        return UNBOUNDED if self.from_ is None else self.from_

    @property
    def open(self) -> bool:
        """Whether anybody can get in by what they do."""
        return not (self.hidden or self.invitation)

    @property
    def plain(self) -> bool:
        """Whether `from` and `to` are all that decides about this tier."""
        criteria = (self.entry, self.retain, self.reentry)
        return self.open and criteria == (None, None, None)

    def entered(self, facts: Facts, *, before: bool = False) -> bool:
        """Whether somebody outside this tier qualifies for it now."""
        if self.hidden or self.invitation:
            return False
        if before and self.reentry is not None:
            return self.reentry.holds(facts)
        return self.criterion.holds(facts)

    def retained(self, facts: Facts) -> bool:
        """Whether somebody in this tier still qualifies for it."""
        if self.retain is not None:
            return self.retain.holds(facts)
        if self.hidden or self.invitation:
            return False
        return self.criterion.holds(facts)

    @property
    def criterion(self) -> Criterion:
        """What must hold to enter: the given criterion, else the tier's bounds."""
        return self.entry if self.entry is not None else Range(self.from_, self.to)
