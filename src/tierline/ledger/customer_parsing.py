"""A customer's profile as it comes from outside, by the API or by a file: one check for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tierline.errors import TooLarge
from tierline.model import validation
from tierline.model.calendar import DAY_MS, parse_day
from tierline.model.tenant import Address
from tierline.store.profiles import Profile

NAMES_MAX: Final = 20  # further names of a customer at once
EMAIL_CHARACTERS_MAX: Final = 320
PHONE_CHARACTERS_MAX: Final = 50
_BORN_DAY_MIN: Final = parse_day("1850-01-01")
_LEAP_YEAR: Final = "2000"  # has every day that a year can have


def profile_of(
    fields: Mapping[str, Any], names: Mapping[str, str | Sequence[str] | None], now: int
) -> Profile:
    """Returns the profile that the fields of a body or a record mean. What is not among them
    stays as it is; None empties, of names all of that kind. Nobody is born after `now`. Raises
    Invalid and TooLarge, with the field's path."""
    profile = dict(fields)
    for field in ("id", "source_id"):
        if field in profile:
            validation.identifier(profile[field], field)
    if profile.get("name") is not None:
        validation.name(profile["name"], "name")
    if profile.get("email") is not None:
        validation.name(profile["email"], "email", EMAIL_CHARACTERS_MAX)
    if profile.get("phone") is not None:
        phone(profile["phone"], "phone")
    if profile.get("birthdate") is not None:
        birthdate(profile["birthdate"], "birthdate", now)
    if profile.get("address") is not None:
        profile["address"] = address(profile["address"], "address")
    for field in ("metadata", "presentations"):
        if field in profile:
            profile[field] = _free(profile[field], field)
    for field in ("created_at", "updated_at"):
        if field in profile:
            profile[field] = validation.instant(profile[field], field)
    emptied = sorted(kind for kind, texts in names.items() if texts is None)
    return Profile(**profile, names=_names(names), emptied=tuple(emptied))


def phone(text: str, path: str) -> str:
    """Returns a phone number as it was written. Raises Invalid."""
    if not any(character.isdecimal() for character in text):
        raise validation.invalid(path, "expected a phone number, like +49 30 901820")
    return validation.name(text, path, PHONE_CHARACTERS_MAX)


def birthdate(text: str, path: str, now: int) -> str:
    """Returns a date, or `--MM-DD` of a year that is not known. Raises Invalid."""
    yearless = text.startswith("--")
    try:
        day = parse_day(_LEAP_YEAR + text[1:] if yearless else text)
    except ValueError:
        day = None
    if day is None or len(text) != len("--12-31" if yearless else "1990-12-31"):
        expected = "expected a date like 1990-12-31, or --12-31 where the year is not known"
        raise validation.invalid(path, expected)
    tomorrow = now // DAY_MS + 1  # somewhere it is already
    if not yearless and not _BORN_DAY_MIN <= day <= tomorrow:
        raise validation.invalid(path, "expected a date from 1850-01-01 to today")
    return text


def address(value: Address, path: str) -> Address | None:
    """Returns an address; None for one without parts. Raises Invalid, with the part's path."""
    for part in Address.__struct_fields__:
        text = getattr(value, part)
        if text is not None:
            validation.name(text, f"{path}.{part}")
    return None if value == Address() else value


def _free(value: dict[str, Any] | None, field: str) -> dict[str, Any] | None:
    """Metadata and presentations as they are kept; None empties, of presentations all formats."""
    if value is None:
        return {} if field == "metadata" else None
    if field == "presentations":
        value = {name: {} if text is None else text for name, text in value.items()}
    return validation.free_json(value, field)


def _names(names: Mapping[str, str | Sequence[str] | None]) -> dict[str, tuple[str, ...]]:
    by_kind: dict[str, tuple[str, ...]] = {}
    for kind, texts in names.items():
        if texts is not None:
            by_kind[kind] = (texts,) if isinstance(texts, str) else tuple(texts)
    if sum(map(len, by_kind.values())) > NAMES_MAX:
        raise TooLarge(path="names", what="list of names", limit=f"{NAMES_MAX} names")
    for kind, own in by_kind.items():
        for text in own:
            validation.identifier(text, f"names.{kind}")
    return by_kind
