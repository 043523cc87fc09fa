"""A server with a project that has LoyaltyLion's keys, and a caller who holds them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.vendors.loyaltylion_api.published import as_described, as_published
from tests.web.conftest import SERVING, Answered
from tierline.app import Process, serving
from tierline.bootstrap import catalogued
from tierline.clock import wall
from tierline.model.calendar import parse_instant
from tierline.store.catalog.projects import NewProject
from tierline.store.database import Database

Json = dict[str, Any]
LARGE_BYTES = 1 << 20  # from here on the client wants to read a body piece by piece
CLUB: Json = {
    "format": "loyaltylion",
    "name": "Club",
    "settings": {
        "boundary_mode": "points",
        "membership": {"mode": "rolling", "duration_months": 12},
        "tiers": [
            {"id": 15, "name": "Bronze", "lower_bound": 0},
            {"id": 16, "name": "Silver", "lower_bound": 200},
            {"id": 17, "name": "Gold", "lower_bound": 500},
        ],
    },
}


class Shop:
    """A caller with a program API token, the site's pair, and a native key."""

    def __init__(
        self, session: aiohttp.ClientSession, process: Process, project: str, keys: Json
    ) -> None:
        self.session = session
        self.process = process
        self.catalog = process.installation.catalog
        self.project = project
        self.keys = keys
        self.token = {"authorization": f"Bearer {keys['key']}"}
        pair = f"{keys['site_token']}:{keys['site_secret']}".encode()
        self.basic = {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
        self.native = {"authorization": f"Bearer {keys['native']}"}

    @property
    def number(self) -> int:
        """The project's number inside the installation."""
        project = self.catalog.find_project(self.project)
        assert project is not None
        return project.number

    @property
    def url(self) -> str:
        return str(self.process.url)

    async def with_scopes(self, *scopes: str) -> dict[str, str]:
        """The header of a further key, which may do so much."""
        key = await self.catalog.add_key(self.number, "loyaltylion", scopes, "", wall())
        return {"authorization": f"Bearer {key['key']}"}

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answered:
        """`body` bytes go as they are, anything else as JSON; the key fits the path."""
        if headers is None:
            headers = self.native if path.startswith("/api") else self.token
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers = {"content-type": "application/json"} | headers
        sent = data if data is None or len(data) < LARGE_BYTES else io.BytesIO(data)
        url = URL(path if "://" in path else self.url + path, encoded=True)
        async with self.session.request(method, url, data=sent, headers=headers) as response:
            answered = Answered(response.status, response.headers, await response.read())
        if response.content_type == "application/json" and url.path.startswith(
            ("/v2", "/headless")
        ):
            _check_shape(method, str(url.relative()), answered)
        return answered

    async def good(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON, which must be a good one; of 204, None."""
        answered = await self.call(method, path, body)
        assert answered.status in (200, 201, 202, 204), (
            method,
            path,
            answered.status,
            answered.body,
        )
        if answered.status == 204:
            assert answered.body == b""
            return None
        assert answered.headers["content-type"] == "application/json"
        return answered.json

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        """Status and what stands in the vendor's error body."""
        return error_of(await self.call(method, path, body))

    async def customer(self, name: str) -> Json:
        whole: Json = (await self.good("GET", f"/v2/customers/{name}"))["customer"]
        return whole


def _check_shape(method: str, path: str, answered: Answered) -> None:
    """Every answer is the vendor's object, or its error body."""
    if answered.status in (200, 201, 202):
        as_published(method, path, answered.body)
        as_described(method, path, answered.body)
    else:
        error_of(answered)


def error_of(answered: Answered) -> tuple[int, Json]:
    assert answered.headers["content-type"] == "application/json", answered.body
    (error,) = answered.json.values()
    assert answered.json == {"error": error}
    assert error["message"]
    assert set(error) <= {"message", "details", "code"}
    return answered.status, error


@asynccontextmanager
async def shop_of(
    database: Database, directory: Path, *, clock: str | None = None, time_zone: str = "UTC"
) -> AsyncIterator[Shop]:
    here = await catalogued(database, directory)
    at = None if clock is None else parse_instant(clock)
    new = NewProject("Shop", time_zone=time_zone, clock=at)
    project = await here.catalog.add_project(new, wall())
    keys = await here.catalog.add_key(project.number, "loyaltylion", (), "", wall())
    native = await here.catalog.add_key(project.number, "native", (), "", wall())
    async with (
        serving(here, SERVING) as process,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session,
    ):
        yield Shop(session, process, project.id, {**keys, "native": native["key"]})


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Shop]:
    """On wall time, without a program."""
    async with shop_of(database, tmp_path) as caller:
        yield caller


@pytest.fixture
async def club(shop: Shop) -> Shop:
    """The same with the program `club`: Silver from 200 points in twelve months, Gold from 500."""
    await shop.good("PUT", "/api/programs/club", CLUB)
    return shop


@pytest.fixture
async def sandbox_shop(database: Database, tmp_path: Path) -> AsyncIterator[Shop]:
    """In a sandbox on 1 March 2024, with the program `club`."""
    async with shop_of(database, tmp_path, clock="2024-03-01T10:00:00Z") as caller:
        await caller.good("PUT", "/api/programs/club", CLUB)
        yield caller
