"""What the sender needs from elsewhere, as small protocols: the catalog and the formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.catalog.programs import ProgramRow
from tierline.vendors.vendor import Format

Formats = Mapping[str, Format[Any]]


class Catalog(Protocol):
    """The small tables, cached: reads are at once, `refresh` fetches what changed since."""

    async def refresh(self) -> bool: ...

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call back after every refresh that found a change."""
        ...

    def endpoints(self) -> Iterable[EndpointRow]:
        """All but deleted ones."""
        ...

    def endpoint_numbered(self, number: int) -> EndpointRow | None: ...

    def project(self, number: int) -> Project: ...

    def programs(self, project: int) -> Iterable[ProgramRow]: ...

    def project_secrets(self, project: int) -> Mapping[str, str]:
        """The project's vendor secrets, named `<format>.<what>`."""
        ...

    def cached_program(self, number: int) -> Program | None: ...

    async def program_numbered(self, number: int, latest: int = 0) -> Program:
        """With at least the version `latest`."""
        ...

    async def load_programs(self, numbers: Iterable[int]) -> None:
        """At once, what of these is not in memory."""
        ...
