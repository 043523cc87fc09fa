"""A person in a file: profile, names, and the membership that they bring from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta, Struct

from tierline.errors import Invalid
from tierline.ledger.customer_parsing import profile_of
from tierline.ledger.files.ledger_lines import check_instants
from tierline.model import ids, validation
from tierline.model.calendar import format_instant
from tierline.model.entries import Detail
from tierline.model.standing import StandingFields, carried
from tierline.model.tenant import Address, NameKind
from tierline.store.profiles import Profile

POINTS_MAX: Final = 10**12
Instant = Annotated[str, Meta(max_length=40)]
_Whole = Annotated[int, Meta(ge=0, le=POINTS_MAX)]
_PERSONAL: Final = ("name", "email", "phone", "birthdate", "address", "metadata")
_PROFILE: Final = ("id", "number", *_PERSONAL, "created_at", "updated_at")
_MEMBERSHIP: Final = ("enrolled_at", "tier", "points", "points_spent", "lots", "standing")
_KIND: Final = re.compile(r"[a-z_]{1,40}")  # of names
_INSTANTS: Final = ("enrolled_at", "tier_since", "created_at", "updated_at")  # none lies ahead


class LotRecord(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Points that expire together; without an instant they never do."""

    points: _Whole
    expires_at: Instant | None = None


class Person(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer, and the membership that they bring from elsewhere."""

    customer: str  # source id
    id: str | None = None
    number: Annotated[int, Meta(ge=1, le=ids.NUMBER_MAX)] | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    birthdate: str | None = None
    address: Address | None = None
    names: dict[str, list[str]] | None = None  # further ones by kind, as an export writes them
    metadata: dict[str, Any] | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    enrolled_at: Instant | None = None
    tier: str | None = None
    tier_since: Instant | None = None
    tier_expires_at: Instant | None = None
    # The balance: `lots` are part of it, and below zero it is a debt. Without it, their sum.
    points: Annotated[int, Meta(ge=-POINTS_MAX, le=POINTS_MAX)] | None = None
    points_spent: _Whole | None = None
    lots: tuple[LotRecord, ...] = ()
    standing: dict[str, Any] | None = None  # all of the membership, as an export writes it

    name_kinds: ClassVar[tuple[NameKind, ...]] = ()  # each with a column of its own

    @property
    def joins(self) -> bool:
        """Whether the record makes a member, not only a customer."""
        return any(getattr(self, field) not in (None, ()) for field in _MEMBERSHIP)

    @property
    def balance(self) -> int:
        return sum(lot.points for lot in self.lots) if self.points is None else self.points

    @property
    def ageless(self) -> bool:
        """Whether points come without a word on when they expire."""
        return self.standing is None and self.balance > sum(lot.points for lot in self.lots)

    def profile(self, now: int) -> Profile:
        """Returns what to write of the customer. Raises Invalid, with the column's name."""
        validation.identifier(self.customer, "customer")
        for field in _INSTANTS:
            text = getattr(self, field)
            if text is not None and validation.instant(text, field) > now:
                raise Invalid(path=field, reason=f"{field}: it lies ahead of now.")
        fields = {f: value for f in _PROFILE if (value := getattr(self, f)) is not None}
        names = dict(self.names or {})
        for kind in names:
            if not _KIND.fullmatch(kind):  # more kinds than have columns: vendors' own move, too
                raise validation.invalid(f"names.{kind}", "there is no such kind of name")
        for name in self.name_kinds:
            text = getattr(self, name.column)
            if text is not None:
                own = validation.identifier(text, name.column)
                names[name.kind] = [own, *names.get(name.kind, [])]
        return profile_of(fields, names, now)

    @property
    def every_name(self) -> Iterator[str]:
        """All by which the record calls them."""
        columns = (getattr(self, name.column) for name in self.name_kinds)
        yield from (text for text in (self.customer, self.id, *columns) if text is not None)
        if self.number is not None:
            yield str(self.number)
        for texts in (self.names or {}).values():
            yield from texts

    def opening(self) -> tuple[int, int | None, Detail]:
        """Returns the points, the instant of joining and the rest of what the member brings.
        Raises Invalid."""
        enrolled_at = validation.optional_instant(self.enrolled_at, "enrolled_at")
        detail = Detail(
            tier=self.tier,
            tier_since=validation.optional_instant(self.tier_since, "tier_since"),
            tier_expires_at=validation.optional_instant(self.tier_expires_at, "tier_expires_at"),
            lots=tuple(
                (validation.optional_instant(lot.expires_at, f"lots[{i}].expires_at"), lot.points)
                for i, lot in enumerate(self.lots)
            ),
            spent=self.points_spent or 0,
        )
        if self.standing is None:
            if detail.lots and sum(points for _, points in detail.lots) > self.balance:
                raise Invalid(path="lots", reason="lots: together they hold more than `points`.")
            if self.tier is None and (self.tier_since or self.tier_expires_at):
                raise Invalid(path="tier", reason="tier: its dates stand here, name the tier too.")
            return self.balance, enrolled_at, detail
        validation.numbers(self.standing, "standing")
        try:
            standing = carried(self.standing)
        except msgspec.ValidationError as error:
            raise validation.complaint(error, dict, "standing") from None
        check_instants(standing, "standing")
        said = membership_facts(standing)
        for field, value in said.items():
            if getattr(self, field) not in (None, (), value):
                reason = f"{field}: `standing` says otherwise; take `standing` out to correct it."
                raise Invalid(path=field, reason=reason)
        joined_at = standing.joined_at if enrolled_at is None else enrolled_at
        return standing.balance, joined_at, Detail(standing=self.standing)


def membership_facts(standing: StandingFields) -> dict[str, Any]:
    """A standing in the fields of a person, None and () where they have nothing to say."""
    return {
        "enrolled_at": _instant_text(standing.joined_at),
        "tier": standing.held,
        "tier_since": None if standing.held is None else _instant_text(standing.started_at),
        "tier_expires_at": None if standing.held is None else _instant_text(standing.ends_at),
        "points": standing.balance or None,
        "points_spent": standing.spent or None,
        "lots": tuple(LotRecord(points, _instant_text(end)) for end, points in standing.lots),
    }


def person_type(name_kinds: tuple[NameKind, ...]) -> type[Person]:
    """Returns a person with a column for each kind of name."""
    columns = [(name.column, str | None, None) for name in name_kinds]
    type_: Any = msgspec.defstruct(
        "Person", columns, bases=(Person,), module=__name__, kw_only=True, frozen=True,
        omit_defaults=True, forbid_unknown_fields=True, namespace={"name_kinds": name_kinds},
    )  # fmt: skip
    return type_  # type: ignore[no-any-return]


def _instant_text(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
