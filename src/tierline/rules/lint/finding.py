"""What is to be said about rules before anybody is judged by them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """`path` is the field, `reason` says what is wrong and what would be right."""

    path: str
    reason: str
    severity: Literal["error", "warning"] = "error"


def warning(path: str, reason: str) -> Finding:
    return Finding(path, reason, "warning")
