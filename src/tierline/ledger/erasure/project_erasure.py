"""Erasing a whole project: it is shut, then its customers are erased one by one.

First the project is noted as being erased. From then on its programs take nothing new, and whoever
sweeps goes on where somebody was stopped. Keys are disabled and endpoints deleted, so the customers
that are left get fewer. Each is erased as alone, so the log stays without gaps for other projects.
A while after nobody is left a sweep looks once more, and notes the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog
from msgspec import Struct

from tierline.clock import wall
from tierline.errors import NotFound, TierlineError
from tierline.ledger.erasure.erasures import AGAIN_MS, ErasureCatalog, Erasures
from tierline.model.tenant import Project
from tierline.store import erasures as store
from tierline.store.catalog.closures import StateChange
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.catalog.keys import Key
from tierline.store.database import Database

AT_ONCE: Final = 4  # customers
PAGE: Final = 200
_log = structlog.get_logger("tierline.ledger")


class ProjectNotErased(TierlineError):
    """Some of the project's customers could not be erased yet ({left}); a server that runs goes on,
    or run it again in a minute."""

    code = "project_not_erased"
    status = 503


class ProjectCatalog(ErasureCatalog, Protocol):
    """What erasing a project asks of the catalog."""

    def keys(self, project: int) -> tuple[Key, ...]: ...
    def endpoints(self) -> tuple[EndpointRow, ...]: ...
    async def disable_key(self, key_id: str, now: int, project: int | None = None) -> None: ...
    async def change_state(self, change: StateChange) -> None: ...


class ProjectErased(Struct, frozen=True):
    """What a run did; `customers` is 0 where nobody was left."""

    keys: int
    endpoints: int
    customers: int


async def erase_project(
    catalog: ProjectCatalog,
    erasures: Erasures,
    project: Project,
    on_progress: Callable[[int], None] = lambda _: None,
) -> ProjectErased:
    """Raises ProjectNotErased where somebody is left who cannot be erased now."""
    await catalog.change_state(StateChange(project.number, "erasing"))
    keys, endpoints = await shut(catalog, project)
    erased, before, left = 0, -1, 0
    while erased > before:  # again: somebody may have come in while it was being shut
        before, left = erased, 0
        async for page in _pages(erasures, project):
            done = await _erase(erasures, project, page)
            erased += done
            left += len(page) - done
            on_progress(erased)
    if left:
        raise ProjectNotErased(left=left)
    await _forget(erasures.database, project)
    return ProjectErased(keys, endpoints, erased)


async def shut(catalog: ProjectCatalog, project: Project) -> tuple[int, int]:
    """Of a project that is being erased: nothing new comes in, and nothing goes out. Returns how
    many keys and endpoints ended."""
    endpoints = [row for row in catalog.endpoints() if row.project == project.number]
    keys = [key for key in catalog.keys(project.number) if key.disabled_at is None]
    for key in keys:
        with suppress(NotFound):  # somebody else was first
            await catalog.disable_key(key.id, wall(), project.number)
    for row in endpoints:
        with suppress(NotFound):
            await catalog.delete_endpoint(row.number, wall())
    return len(keys), len(endpoints)


async def _pages(erasures: Erasures, project: Project) -> AsyncIterator[list[int]]:
    """The customers who are not erased, or not to the end, some at a time."""
    database = erasures.database
    for shard in range(database.shards):
        after = 0
        while True:
            async with database.pool.acquire() as connection:
                page = await store.not_erased(connection, shard, project.number, after, PAGE)
            for start in range(0, len(page), AT_ONCE):
                yield page[start : start + AT_ONCE]
            if len(page) < PAGE:
                break
            after = page[-1]


async def _erase(erasures: Erasures, project: Project, page: list[int]) -> int:
    """Returns how many of some customers were erased; none of them is under way any more."""
    works = [erasures.erase_numbered(project, customer) for customer in page]
    erased = 0
    for customer, outcome in zip(
        page, await asyncio.gather(*works, return_exceptions=True), strict=True
    ):
        if isinstance(outcome, TierlineError):
            _log.warning("erasure_left_open", customer=customer, error=outcome.code)
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            erased += 1
    return erased


async def end(catalog: ProjectCatalog, database: Database, project: Project, now: int) -> bool:
    """Notes that all of a project's people are erased, a while after that began: other processes
    have heard of it by then. Somebody who is left keeps it from its end. Returns whether it has."""
    async with database.pool.acquire() as connection:
        since = await store.erasing_since(connection, project.number)
        if since is None:
            return True
        if now < since + AGAIN_MS:
            return False
        for shard in range(database.shards):
            if await store.not_erased(connection, shard, project.number, 0, 1):
                return False
        customers = await store.erased_since(connection, database.shards, project.number, since)
    await _forget(database, project)
    await catalog.change_state(StateChange(project.number, "erased", customers=customers))
    return True


async def _forget(database: Database, project: Project) -> None:
    """Orders of people who never were customers; and the fingerprints, for nobody is kept out of a
    project that is no more."""
    async with database.pool.acquire() as connection:
        for shard in range(database.shards):
            await store.forget_project(connection, shard, project.number)
