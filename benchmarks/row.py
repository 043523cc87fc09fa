"""A line of the table."""

from __future__ import annotations

from msgspec import Struct


class Row(Struct, frozen=True):
    work: str
    figure: str
    floor: str = ""
    ratio: str = ""
    goal: str = ""
    notes: str = ""
