"""An installation that is open: its database and its small tables. Every command starts here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from tierline.config import Place
from tierline.store.catalog import Catalog
from tierline.store.database import Database
from tierline.store.installation import holds_secrets, opened
from tierline.store.secrets import KEY_VARIABLE, SecretBox


class Installation(Struct, frozen=True):
    """A database that is open, and its small tables."""

    database: Database
    catalog: Catalog


@asynccontextmanager
async def installation(
    place: Place, *, serve: bool = False, migrate: bool = True
) -> AsyncIterator[Installation]:
    """Open a place. Errors are those of `store.installation` and `store.secrets`."""
    async with opened(place, serve=serve, migrate=migrate) as database:
        yield await catalogued(database, place.data_dir)


async def catalogued(database: Database, data_dir: Path) -> Installation:
    """The catalog of an open database; its secret key lies in the environment or `data_dir`."""
    used = await holds_secrets(database)
    box = SecretBox.load(data_dir, os.environ.get(KEY_VARIABLE), used=used)
    return Installation(database, await Catalog.open(database, box))
