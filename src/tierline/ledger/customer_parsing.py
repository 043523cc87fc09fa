"""A customer's profile as it comes from outside, by the API or by a file: one check for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tierline.errors import TooLarge
from tierline.model import validation
from tierline.store.profiles import Profile

NAMES_MAX: Final = 20  # further names of a customer at once
EMAIL_CHARACTERS_MAX: Final = 320


def profile_of(
    fields: Mapping[str, Any], names: Mapping[str, str | Sequence[str] | None]
) -> Profile:
    """Returns the profile that the fields of a body or a record mean. What is not among them
    stays as it is; None empties, of names all of that kind. Raises Invalid and TooLarge, with the
    field's path."""
    profile = dict(fields)
    for field in ("id", "source_id"):
        if field in profile:
            validation.identifier(profile[field], field)
    if profile.get("name") is not None:
        validation.name(profile["name"], "name")
    if profile.get("email") is not None:
        validation.name(profile["email"], "email", EMAIL_CHARACTERS_MAX)
    for field in ("metadata", "presentations"):
        if field in profile:
            profile[field] = _free(profile[field], field)
    for field in ("created_at", "updated_at"):
        if field in profile:
            profile[field] = validation.instant(profile[field], field)
    emptied = sorted(kind for kind, texts in names.items() if texts is None)
    return Profile(**profile, names=_names(names), emptied=tuple(emptied))


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
