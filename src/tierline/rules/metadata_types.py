"""Which types of metadata the metrics and filters of a version need.

A value that a metric or a filter in force needs and cannot use would count nothing, silently. So it
is refused where the activity comes in; and text from a file becomes the type that is needed.
"""

from __future__ import annotations

import re
from typing import Any

from tierline.rules.earning_rule import sort_of
from tierline.rules.program import Version

_INTEGER_MAX = 2**53 - 1
_WHOLE = re.compile(r"-?\d{1,16}")
_DECIMAL = re.compile(r"-?\d{1,16}\.\d{1,16}")
_BOOLEANS = {"true": True, "false": False}


def unusable(
    version: Version, kind: str, name: str | None, metadata: dict[str, Any]
) -> tuple[str, str] | None:
    """Returns the first key whose value cannot be used, and what is expected; None: all can."""
    for measure in version.measures.values():
        metric, filter_ = measure.metric, measure.metric.filter
        if filter_ is not None and filter_.concerns(kind, name):
            for key, value in (*filter_.metadata.items(), *filter_.not_metadata.items()):
                given = metadata.get(key)
                if given is not None and sort_of(given) != sort_of(value):
                    return key, f"{sort_of(value)}, as a filter compares it"
        if metric.source == "sum" and metric.counts(kind, name, metadata):
            given = metadata.get(metric.of or "")
            if given is not None and (type(given) is not int or abs(given) > _INTEGER_MAX):
                return metric.of or "", "a whole number, as a metric adds it up"
    for rule in version.rules.points.rules:
        for key, needed in rule.needs(kind, name).items():
            given = metadata.get(key)
            if given is not None and sort_of(given) != needed:
                return key, f"{needed}, as the earning rule {rule.id!r} needs it"
    return None


def typed(version: Version, metadata: dict[str, Any]) -> dict[str, Any]:
    """Returns text as numbers and booleans where it looks so and a metric or filter needs them."""
    needs: dict[str, set[str]] = {}
    for measure in version.measures.values():
        metric, filter_ = measure.metric, measure.metric.filter
        if metric.source == "sum" and metric.of:
            needs.setdefault(metric.of, set()).add("a number")
        if filter_ is not None:
            for key, value in (*filter_.metadata.items(), *filter_.not_metadata.items()):
                needs.setdefault(key, set()).add(sort_of(value))
    for rule in version.rules.points.rules:
        for key, needed in rule.needs().items():
            needs.setdefault(key, set()).add(needed)
    return {
        key: _read(value, needs.get(key, set())) if isinstance(value, str) else value
        for key, value in metadata.items()
    }


def _read(text: str, sorts: set[str]) -> Any:
    if "text" in sorts:
        return text
    if "a number" in sorts and _WHOLE.fullmatch(text):
        return int(text)
    if "a number" in sorts and _DECIMAL.fullmatch(text):
        return float(text)
    if "true or false" in sorts:
        return _BOOLEANS.get(text.lower(), text)
    return text
