"""What two versions of some rules say differently, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct


class RuleChange(Struct, frozen=True):
    """A field, and its values before and after as JSON; None: it was not there."""

    path: str
    before: str | None
    after: str | None


def differences(before: Any, after: Any) -> tuple[RuleChange, ...]:
    """Items that have an `id` are compared by it, wherever they stand."""
    former, new = dict(_flat(before, "")), dict(_flat(after, ""))
    paths = [*former, *(path for path in new if path not in former)]
    return tuple(
        RuleChange(path, former.get(path), new.get(path))
        for path in paths
        if former.get(path) != new.get(path)
    )


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and value:
        for place, inner in enumerate(value):
            name = inner.get("id", place) if isinstance(inner, dict) else place
            yield from _flat(inner, f"{path}[{name}]")
    else:
        yield path, json.dumps(value, ensure_ascii=False)
