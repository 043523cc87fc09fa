"""A body in the receiver's own words: a template, filled from what the format prints. No code.

    {"user": "$.data.customer", "tier": "$.data.tier_to.name", "shop": 7, "all": "$"}

A text that begins with `$` names a place in that body, `$.a.b.0` step by step, or all of it; what
is not there is null. `$$…` is a text that begins with `$`. Everything else stands for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tierline.errors import Invalid
from tierline.model import json_text

VALUES_MAX = 200
DEPTH_MAX = 8

Fill = Callable[[Any], Any]
Reshape = Callable[[bytes], bytes]


def compile_mapping(spec: Mapping[str, Any], path: str = "mapping") -> Reshape:
    """From a format's body to the mapped one; Invalid, with the path inside it, for what is no
    mapping."""
    fill = _compile(spec, path, 0, [0])
    return lambda body: json_text.dump(fill(msgspec.json.decode(body)))


def _compile(value: Any, path: str, depth: int, count: list[int]) -> Fill:
    count[0] += 1
    if count[0] > VALUES_MAX or depth > DEPTH_MAX:
        reason = f"A mapping has at most {VALUES_MAX} values, {DEPTH_MAX} deep."
        raise Invalid(reason=reason, path=path)
    if isinstance(value, Mapping):
        parts = {k: _compile(v, f"{path}.{k}", depth + 1, count) for k, v in value.items()}
        return lambda body: {key: fill(body) for key, fill in parts.items()}
    if isinstance(value, list | tuple):
        items = [_compile(v, f"{path}[{i}]", depth + 1, count) for i, v in enumerate(value)]
        return lambda body: [fill(body) for fill in items]
    if isinstance(value, str) and value.startswith("$"):
        return _place(value, path)
    return lambda _: value


def _place(text: str, path: str) -> Fill:
    if text.startswith("$$"):
        return lambda _: text[1:]
    if text != "$" and not text.startswith("$."):
        reason = "After $ comes a path, as in $.data.customer; a text that begins with $ is $$…"
        raise Invalid(reason=reason, path=path)
    steps = text.split(".")[1:]
    return lambda body: _dig(body, steps)


def _dig(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
