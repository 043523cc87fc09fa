"""What published objects are made of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Id = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Number = Annotated[int, Meta(ge=1)]
At = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z\Z")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
Money = Annotated[str, Meta(pattern=r"^-?\d+\.\d{2}\Z")]
Cursor = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z")]


class Published(Struct, forbid_unknown_fields=True):
    """An object with exactly these keys."""
