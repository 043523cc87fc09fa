"""A tenant and its people: the project, and the customer as payloads show them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class Project(Struct, frozen=True, omit_defaults=True):
    """A tenant. `clock` is a sandbox's own time, None for wall time. `number` is its short name
    inside the database; `presentations` holds vendor facts (ids, the shop's domain)."""

    id: str
    name: str
    number: int
    time_zone: str = "UTC"
    currency: str = "USD"
    clock: int | None = None
    vendor_programs: dict[str, str] = {}  # by vendor: the program that its routes speak of
    presentations: dict[str, dict[str, Any]] = {}
    state: Literal["active", "paused", "erasing", "deleted"] = "active"  # else: takes nothing new
    program_approval: bool = False  # no version of a program without a second person
    tells_of_customers: bool = False  # an endpoint asks who is made and who changes

    @property
    def sandbox(self) -> int | None:
        """Its number where it has a time of its own; None on wall time."""
        return None if self.clock is None else self.number


class NameKind(Struct, frozen=True):
    """A kind of name that customers have beside their source id: `names.<kind>` of a request. An
    import file has it in `column`, and so has `presentations.<vendor>` where a vendor shows it."""

    kind: str
    column: str
    vendor: str | None = None


CARD = NameKind("card", "card")


class Address(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where somebody lives, each part as they write it."""

    line_1: str | None = None
    line_2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Customer(Struct, frozen=True, gc=False, omit_defaults=True):
    """A person as payloads show them. `id` is ours or the imported one; it never changes.

    `birthdate` is a date, or `--MM-DD` where the year is not known. `presentations` holds, per
    vendor, what only that vendor's payloads speak of.
    """

    id: str
    source_id: str | None = None
    number: int = 0
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    birthdate: str | None = None
    address: Address | None = None
    metadata: dict[str, Any] = {}
    created_at: int = 0
    updated_at: int = 0
    presentations: dict[str, dict[str, Any]] = {}
    erased: bool = False

    @property
    def full_birthdate(self) -> str | None:
        """The birthdate where its year is known, for formats that have no word for another."""
        return None if (self.birthdate or "--").startswith("--") else self.birthdate
