"""What `tierline doctor` says of the installation, as the console shows it: looked over at most
once in half a minute, however many people ask."""

from __future__ import annotations

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from tierline.model.tenant import Project
from tierline.store.database import Database
from tierline.store.diagnostics import Diagnosis, findings
from tierline.web.dependencies import Dependencies

KEPT_MS: Final = 30_000
_ENDPOINT: Final = "endpoint "


class Examination(Struct, frozen=True):
    at: int  # wall time
    diagnoses: tuple[Diagnosis, ...]


_latest: WeakKeyDictionary[Database, asyncio.Task[Examination]] = WeakKeyDictionary()


async def examination(parts: Dependencies) -> Examination:
    """The latest one, where it is not too old. Who asks meanwhile waits for the same."""
    now, task = parts.clock(), _latest.get(parts.database)
    if task is None or (task.done() and (_failed(task) or now - task.result().at > KEPT_MS)):
        task = asyncio.create_task(_examine(parts, now), name="diagnoses")
        _latest[parts.database] = task
    return await asyncio.shield(task)


async def _examine(parts: Dependencies, now: int) -> Examination:
    return Examination(now, tuple(await findings(parts.database, parts.catalog, now)))


def _failed(task: asyncio.Task[Examination]) -> bool:
    return task.cancelled() or task.exception() is not None


def for_project(seen: Examination, parts: Dependencies, project: Project) -> list[Diagnosis]:
    """What concerns a project's people: the installation, and their own endpoints."""
    own = {f"{_ENDPOINT}{e.id}" for e in parts.catalog.endpoints() if e.project == project.number}
    return [d for d in seen.diagnoses if not d.about.startswith(_ENDPOINT) or d.about in own]
