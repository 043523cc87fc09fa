"""The whole server over real HTTP: every role, a real database, a key that may do everything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tierline.app import Process, serving
from tierline.bootstrap import Installation, catalogued
from tierline.clock import wall
from tierline.config import ServeOptions
from tierline.model.calendar import parse_instant
from tierline.store.catalog.projects import NewProject
from tierline.store.database import Database

SERVING = ServeOptions(port=0, allow=(ip_network("127.0.0.0/8"),), pages_apart=False)
POLICY: dict[str, Any] = {
    "tiers": [
        {"id": "bronze", "name": "Bronze", "from": 0, "to": 99},
        {"id": "silver", "name": "Silver", "from": 100, "to": 499},
        {"id": "gold", "name": "Gold", "from": 500},
    ],
    "metric": {"source": "earned"},
}
CLUB: dict[str, Any] = {"name": "Club", "policy": POLICY}


class Answered:
    """A response that was read whole."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str, str | None]:
        """Status, code and field of a refusal."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        return self.status, self.json["code"], self.json.get("path")


class Api:
    """A caller with a key."""

    def __init__(self, session: aiohttp.ClientSession, process: Process, key: str) -> None:
        self.session = session
        self.process = process
        self.key = key
        self.installation: Installation = process.installation

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> Answered:
        """`body` bytes go as they are, anything else as JSON."""
        headers = {"authorization": f"Bearer {self.key if key is None else key}"}
        headers |= more.pop("headers", {})
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers.setdefault("content-type", "application/json")
        url = f"{self.process.url}{path}"
        async with self.session.request(
            method, URL(url, encoded=True), data=data, headers=headers, **more
        ) as response:
            return Answered(response.status, response.headers, await response.read())

    async def get(self, path: str, **more: Any) -> Answered:
        return await self.call("GET", path, **more)

    async def put(self, path: str, body: Any, **more: Any) -> Answered:
        return await self.call("PUT", path, body, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answered:
        return await self.call("POST", path, body, **more)

    async def earn(self, customer: str, points: int, key: str | None = None) -> Answered:
        activity = {"customer": customer, "kind": "earn", "points": points}
        if key is not None:
            activity["key"] = key
        return await self.post("/api/programs/club/activities", activity)


@asynccontextmanager
async def running(
    database: Database,
    directory: Path,
    *,
    clock: str | None = None,
    options: ServeOptions = SERVING,
) -> AsyncIterator[Api]:
    """A server with one project (a sandbox if `clock`), and a key of it."""
    here = await catalogued(database, directory)
    at = None if clock is None else parse_instant(clock)
    project = await here.catalog.add_project(NewProject("Shop", clock=at), wall())
    new_key = await here.catalog.add_key(project.number, "native", (), "", wall())
    async with (
        serving(here, options) as process,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(90)) as session,
    ):
        yield Api(session, process, new_key["key"])


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    """A server on wall time."""
    async with running(database, tmp_path) as caller:
        yield caller


@pytest.fixture
async def club(api: Api) -> Api:
    """The same, with a program `club`: bronze from 0, silver from 100, gold from 500 earned."""
    answered = await api.put("/api/programs/club", CLUB)
    assert answered.status == 201, answered.body
    return api


@pytest.fixture
async def sandbox(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    """The same in a sandbox, on 1 January 2024."""
    async with running(database, tmp_path, clock="2024-01-01T00:00:00Z") as caller:
        answered = await caller.put("/api/programs/club", CLUB)
        assert answered.status == 201, answered.body
        yield caller


@pytest.fixture
async def anna(club: Api) -> Api:
    """The club with a member who has a point: program, path and key are known to the fast path."""
    assert (await club.earn("anna", 1, "a-0")).status == 200
    return club
