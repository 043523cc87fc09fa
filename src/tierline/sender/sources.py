"""What the sender needs from elsewhere, as small protocols: the catalog and the formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from tierline.engine.announcement import Project
from tierline.engine.policy import Program
from tierline.vendors.format import Format

Formats = Mapping[str, Format]


class EndpointRow(Struct, frozen=True):
    """An endpoint as stored. `secrets` is the opened JSON; `revision` rises with every change."""

    number: int
    id: str
    project: int
    body: str
    secrets: bytes
    state: str  # active | paused | deleted: what people decided; health is the sender's own
    revision: int
    start_at: int


class Catalog(Protocol):
    """The small tables, cached: reads are at once, `refresh` fetches what changed since."""

    async def refresh(self) -> int:
        """Read what changed; returns the revision that the cache is at now."""
        ...

    def endpoints(self) -> Iterable[EndpointRow]:
        """All of them, deleted ones too (as long as the cache remembers them)."""
        ...

    def project_by_number(self, number: int) -> Project:
        """KeyError when it is not known (yet)."""
        ...

    def program_by_number(self, number: int) -> Program:
        """With every version; KeyError when it is not known (yet)."""
        ...

    def signing(self, project: int) -> Mapping[str, str]:
        """The project's vendor secrets, named `<format>.<what>`."""
        ...
