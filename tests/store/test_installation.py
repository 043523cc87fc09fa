"""An installation is opened the same way wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierline.config import Location
from tierline.store.database import Database
from tierline.store.embedded_postgres import cluster
from tierline.store.errors import DataDirInUse, NoInstallation
from tierline.store.installation import opened


async def test_a_data_directory_holds_its_own_database(data_dir: Path) -> None:
    """Made on first use, found again, stopped behind the last."""
    location = Location(data_dir=data_dir, shards=1)
    async with opened(location, serve=True) as first:
        async with opened(location) as beside:
            assert beside.epoch == first.epoch
        with pytest.raises(DataDirInUse):
            async with opened(location, serve=True):
                pass
        assert await first.pool.fetchval("SELECT 1") == 1

    assert cluster.postmaster(data_dir / "postgres") is None


async def test_a_url_names_any_other(database_url: str, tmp_path: Path) -> None:
    """Then no server is started."""
    async with opened(Location(data_dir=tmp_path / "data", database_url=database_url)) as database:
        assert database.shards == 2

    assert not (tmp_path / "data").exists()


async def test_nothing_is_made_where_nobody_may(tmp_path: Path, empty_url: str) -> None:
    """A mistyped directory, or an empty database, stays as it is."""
    missing = Location(data_dir=tmp_path / "typo" / "data")
    for location in (missing, Location(data_dir=tmp_path, database_url=empty_url)):
        with pytest.raises(NoInstallation):
            async with opened(location, create=False):
                pass

    assert list(tmp_path.iterdir()) == []
    async with await Database.open(empty_url) as database:
        assert database.shards == 2
