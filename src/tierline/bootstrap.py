"""An installation that is open: its database and its small tables. Every command starts here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tierline.clock import Clock
from tierline.config import Location
from tierline.errors import Conflict
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.projects import NewProject
from tierline.store.catalog.secret_box import KEY_VARIABLE, SecretBox, write_private
from tierline.store.database import Database
from tierline.store.installation import holds_secrets, opened
from tierline.vendors.registry import KEY_KINDS

DEFAULT = "proj_default"
KEYS_FILE = "keys.json"


class Installation(Struct, frozen=True):
    """A database that is open, its small tables, and where its files lie."""

    database: Database
    catalog: Catalog
    files: Path


@asynccontextmanager
async def open_installation(
    location: Location, *, serve: bool = False, migrate: bool = True, create: bool = True
) -> AsyncIterator[Installation]:
    """Open an installation. Errors are those of `store.installation` and `store.secrets`."""
    async with opened(location, serve=serve, migrate=migrate, create=create) as database:
        yield await catalogued(database, location.data_dir, create=create)


async def catalogued(database: Database, data_dir: Path, *, create: bool = True) -> Installation:
    """The catalog of an open database; its secret key lies in the environment or `data_dir`."""
    used = await holds_secrets(database)
    box = SecretBox.load(data_dir, os.environ.get(KEY_VARIABLE), used=used, create=create)
    catalog = await Catalog.open(database, box, KEY_KINDS)
    return Installation(database, catalog, data_dir)


async def first_start(installation: Installation, directory: Path, clock: Clock) -> Path | None:
    """Make what a new installation lacks; the path of the file with the default project's keys,
    or None where nothing was lacking. The file is there before the keys count: interrupted, or
    where it cannot be written, there are none, and the next start makes them."""
    catalog = installation.catalog
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
        "made at the first start",
        clock(),
        lambda made: path.append(_written(directory, project.id, made)),
    )
    return path[0] if path else None


def _written(directory: Path, project: str, made: list[dict[str, Any]]) -> Path:
    native, *vendors = made
    credentials = {"project_id": project, **native, **{key["kind"]: key for key in vendors}}
    path = directory.expanduser().resolve() / KEYS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, msgspec.json.format(msgspec.json.encode(credentials)).decode() + "\n")
    return path
