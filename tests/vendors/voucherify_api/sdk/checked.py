"""Calls by Voucherify's Python SDK, each compared with what the server answered: no value changed,
no key dropped but those that the SDK has no field for.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import voucherify

calls: list[str] = []


def plain(value: Any) -> Any:
    """A model's values as JSON has them."""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def check(answer: Any, parsed: Any, where: str) -> None:
    """Every key of the answer is in what the SDK made of it, with the same value. Of some fields
    the SDK leaves out null."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            assert key in parsed or value is None, f"{where}.{key} was dropped"
            check(value, parsed.get(key), f"{where}.{key}")
    elif isinstance(answer, list):
        assert len(answer) == len(parsed), where
        for i, (ours, theirs) in enumerate(zip(answer, parsed, strict=True)):
            check(ours, theirs, f"{where}[{i}]")
    else:
        assert plain(answer) == plain(parsed), (where, answer, parsed)


def without(answer: Any, keys: set[str]) -> Any:
    if isinstance(answer, dict):
        return {key: without(inner, keys) for key, inner in answer.items() if key not in keys}
    return [without(inner, keys) for inner in answer] if isinstance(answer, list) else answer


def call(method: Callable[..., Any], *arguments: Any, drops: set[str] | None = None) -> Any:
    """Calls a method of the SDK, and returns its model after comparing it with the answer."""
    name = method.__name__
    answered = getattr(method.__self__, f"{name}_with_http_info")(*arguments)  # type: ignore[attr-defined]
    calls.append(name)
    if answered.data is None:
        assert answered.raw_data in (b"", b"null"), name
        return None
    if isinstance(answered.data, dict):  # where the SDK has no model
        assert json.loads(answered.raw_data) == answered.data, name
        return answered.data
    several = isinstance(answered.data, list)
    parsed = [each.to_dict() for each in answered.data] if several else answered.data.to_dict()
    check(without(json.loads(answered.raw_data), drops or set()), parsed, name)
    return answered.data


def refused(status: int, key: str, method: Callable[..., Any], *arguments: Any) -> None:
    """The SDK raises an error that carries the vendor's body."""
    error = None
    try:
        method(*arguments)
    except voucherify.ApiException as raised:
        error = raised
    assert error is not None, f"{method.__name__} was not refused"
    assert (error.status, json.loads(error.body)["key"]) == (status, key)
    calls.append(f"{method.__name__}: {key}")
