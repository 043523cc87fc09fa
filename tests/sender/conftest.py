"""Fixtures of the sender's tests."""

from __future__ import annotations

import pytest

from tests.sender.world import World, make_world
from tierline.store.database import Database


@pytest.fixture
async def world(database: Database) -> World:
    """An installation with a project and a program; see `world.py`."""
    return await make_world(database)
