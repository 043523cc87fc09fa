"""A server with a project that has Voucherify's keys, and a caller who holds them."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.vendors.voucherify_api import answers
from tests.web.conftest import SERVING, Answered
from tierline.app import Process, serving
from tierline.bootstrap import catalogued
from tierline.clock import wall
from tierline.model.calendar import parse_instant
from tierline.store.catalog.projects import NewProject
from tierline.store.database import Database

Json = dict[str, Any]
LARGE_BYTES = 1 << 20  # from here on the client wants to read a body piece by piece


class Shop:
    """A caller with the application's key, the management's, and a native one."""

    def __init__(
        self, session: aiohttp.ClientSession, process: Process, project: str, keys: Json
    ) -> None:
        self.session = session
        self.process = process
        self.catalog = process.installation.catalog
        self.project = project
        self.keys = keys
        self.app = {"x-app-id": keys["app_id"], "x-app-token": keys["app_token"]}
        self.management = {
            "x-management-id": keys["management_id"],
            "x-management-token": keys["management_token"],
        }
        self.client = {
            "x-client-application-id": keys["client_application_id"],
            "x-client-token": keys["client_token"],
            "origin": "https://shop.example",
        }
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

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answered:
        """`body` bytes go as they are, anything else as JSON; the key fits the path. What a route
        of the vendor's answers must be an object of the vendor's."""
        if headers is None:
            headers = self.app
            if path.startswith("/management"):
                headers = self.management
            elif path.startswith("/client"):
                headers = self.client
            elif path.startswith("/api"):
                headers = self.native
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers = {"content-type": "application/json"} | headers
        sent = data if data is None or len(data) < LARGE_BYTES else io.BytesIO(data)
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, data=sent, headers=headers) as response:
            answered = Answered(response.status, response.headers, await response.read())
        answers.check(method, path, answered)
        return answered

    async def configure(self, **settings: Any) -> None:
        """Sets the project's `presentations.voucherify`."""
        await self.good("PATCH", "/api/project", {"presentations": {"voucherify": settings}})

    async def good(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON, which must be a good one."""
        answered = await self.call(method, path, body)
        assert answered.status == 200, (method, path, answered.status, answered.body)
        assert answered.headers["content-type"] == "application/json"
        return answered.json

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        """Status, key and details of the vendor's error body."""
        answered = await self.call(method, path, body)
        return error_of(answered)


def error_of(answered: Answered) -> tuple[int, str, str]:
    assert answered.headers["content-type"] == "application/json"
    body = answered.json
    assert body["code"] == answered.status, body
    assert body["message"]
    assert body["request_id"].startswith("v-")
    return answered.status, body["key"], body["details"]


@asynccontextmanager
async def shop_of(
    database: Database, directory: Path, *, clock: str | None = None, time_zone: str = "UTC"
) -> AsyncIterator[Shop]:
    here = await catalogued(database, directory)
    at = None if clock is None else parse_instant(clock)
    new = NewProject("Shop", time_zone=time_zone, clock=at)
    project = await here.catalog.add_project(new, wall())
    keys = await here.catalog.add_key(project.number, "voucherify", (), "", wall())
    native = await here.catalog.add_key(project.number, "native", (), "", wall())
    async with (
        serving(here, SERVING) as process,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session,
    ):
        yield Shop(session, process, project.id, {**keys, "native": native["key"]})


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Shop]:
    """On wall time."""
    async with shop_of(database, tmp_path) as caller:
        yield caller


@pytest.fixture
async def sandbox_shop(database: Database, tmp_path: Path) -> AsyncIterator[Shop]:
    """In a sandbox in Warsaw, on 10 November 2022."""
    place = {"clock": "2022-11-10T09:00:00Z", "time_zone": "Europe/Warsaw"}
    async with shop_of(database, tmp_path, **place) as caller:
        yield caller
