"""Fields that people fill in: names, free JSON, whole configurations. Checked in one way, wherever
they come from: a request, a file, the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from tierline.engine import jsontext, typed
from tierline.errors import Invalid

NAME_CHARACTERS_MAX: Final = 200  # names, ids and keys
METADATA_BYTES_MAX: Final = 65_536  # free JSON, as it is kept
METADATA_DEPTH_MAX: Final = 16

T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def configuration(raw: bytes, wanted: type[T], path: str = "") -> T:
    """A configuration body: duplicate keys are refused, and so is everything unknown."""
    value = jsontext.parse(raw, duplicates="refuse", path=path)
    return typed.convert(value, wanted, path)


def name(text: str, path: str, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """A name or id of a caller's: not empty, and none of its characters controls anything."""
    if not 0 < len(text) <= characters_max:
        size = f"1 to {characters_max} characters"
        raise Invalid(path=path, reason=f"{path}: expected {size}, found {len(text)}.")
    if _CONTROL.search(text):
        raise Invalid(path=path, reason=f"{path}: control characters cannot stand in it.")
    jsontext.normalise(text, path)
    return text


def free_json(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Metadata and the like, as it is kept."""
    sizes = jsontext.Limits(METADATA_DEPTH_MAX, METADATA_BYTES_MAX)
    kept: dict[str, Any] = jsontext.normalise(dict(value), path, sizes)
    return kept
