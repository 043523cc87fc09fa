"""An installation is opened the same way wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierline.config import Location
from tierline.store.embedded_postgres import cluster
from tierline.store.errors import DataDirInUse
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
