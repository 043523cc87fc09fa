"""The first start: a default project and its keys, so that a newcomer has something to call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tierline.clock import Clock
from tierline.errors import Conflict
from tierline.installed import Installation
from tierline.store.keys import KINDS
from tierline.store.projects import NewProject
from tierline.store.secrets import write_private

DEFAULT = "proj_default"
KEYS_FILE = "keys.json"


async def first_start(here: Installation, directory: Path, clock: Clock) -> Path | None:
    """Make what a new installation lacks; the path of the file with the default project's keys,
    or None where nothing was lacking. The file is there before the keys count: interrupted, or
    where it cannot be written, there are none, and the next start makes them."""
    catalog = here.catalog
    if not catalog.projects():
        try:
            await catalog.add_project(NewProject("Default", id=DEFAULT), clock())
        except Conflict:
            await catalog.refresh()  # another process starts at this moment
    project = catalog.find_project(DEFAULT)
    if project is None or catalog.keys(project.number):
        return None
    path: list[Path] = []
    await catalog.add_first_keys(
        project.number,
        KINDS,
        "made at the first start",
        clock(),
        lambda made: path.append(_written(directory, project.id, made)),
    )
    return path[0] if path else None


def _written(directory: Path, project: str, made: list[dict[str, Any]]) -> Path:
    native, *vendors = made
    shown = {"project_id": project, **native, **{key["kind"]: key for key in vendors}}
    path = directory.expanduser().resolve() / KEYS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, msgspec.json.format(msgspec.json.encode(shown)).decode() + "\n")
    return path
