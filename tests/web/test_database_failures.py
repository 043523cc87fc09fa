"""Whatever fails between the server and its database, nobody is answered 500: a request is taken,
or refused with 503, the time after which to come again, and a sentence.

The failures are PostgreSQL's own, made by its administrator while the API is served by a role of
its own: a limit of connections, a login or a database taken away, statements that are cancelled or
find no disk.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.servers import Server, name_of
from tests.store.test_database import as_user
from tests.web.conftest import CLUB, Answered, Api, running
from tierline.config import ServeOptions, parse_roles
from tierline.store.database import Database

API_ONLY = ServeOptions(port=0, roles=parse_roles("api"))
SHARDS = 16
ACTIVITIES = "/api/programs/club/activities"
Call = Callable[[Api, int], Awaitable[Answered]]


def earn(n: int) -> dict[str, Any]:
    return {"customer": f"c{n}", "kind": "earn", "points": 60, "key": f"k{n}"}


def lines(n: int) -> bytes:
    return b"".join(json.dumps(earn(n + i)).encode() + b"\n" for i in range(20))


CALLS: dict[str, Call] = {
    "activity": lambda api, n: api.post(ACTIVITIES, earn(n)),
    "array": lambda api, n: api.post(ACTIVITIES, [earn(n + i) for i in range(20)]),
    "ndjson": lambda api, n: api.post(
        ACTIVITIES, lines(n), headers={"content-type": "application/x-ndjson"}
    ),
    "transfer": lambda api, n: api.post(
        ACTIVITIES,
        {"customer": "anna", "kind": "transfer", "points": 1, "to": f"t{n}", "key": f"t{n}"},
    ),
    "dry run": lambda api, n: api.post("/api/programs/club/dry-run", earn(n)),
    "profile": lambda api, n: api.put(f"/api/customers/p{n}", {"name": "P"}),
    "customer": lambda api, _: api.get("/api/customers/anna"),
    "enrolment": lambda api, n: api.put(f"/api/programs/club/members/m{n}", {}),
    "override": lambda api, _: api.put(
        "/api/programs/club/members/anna/override", {"kind": "floor", "tier": "silver"}
    ),
    "member": lambda api, _: api.get("/api/programs/club/members/anna"),
    "explain": lambda api, _: api.get("/api/programs/club/members/anna/explain"),
    "program": lambda api, n: api.put("/api/programs/other", {**CLUB, "name": f"Other {n}"}),
    "preview": lambda api, _: api.post("/api/programs/club/preview", CLUB),
    "feed": lambda api, _: api.get("/api/events"),
    "feed since": lambda api, _: api.get("/api/events?since=2024-01-01T00:00:00Z"),
    "endpoint": lambda api, n: api.post("/api/endpoints", {"url": f"https://e{n}.example.com/"}),
    "endpoints": lambda api, _: api.get("/api/endpoints"),
    "project": lambda api, n: api.call("PATCH", "/api/project", {"name": f"Shop {n}"}),
    "new key": lambda api, _: api.post("/api/keys", {}),
    "unknown key": lambda api, _: api.get("/api/project", key="tk_" + "0" * 40),
    "metrics": lambda api, _: api.get("/metrics"),
    "ready": lambda api, _: api.get("/readyz"),
    "healthy": lambda api, _: api.get("/healthz"),
}


class Place:
    """An installation whose processes come as a role of their own, and what goes wrong with it."""

    def __init__(self, server: Server, url: str, role: str) -> None:
        self.server = server
        self.url = as_user(url, role)
        self.role = role
        self.name = name_of(url)

    async def cut(self) -> None:
        """Every connection of the role ends now."""
        await self.server.execute(
            "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE usename = '{self.role}'; END $$"
        )

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Fewer connections than a busy process wants."""
        await self.server.execute(f"ALTER ROLE {self.role} CONNECTION LIMIT 12")
        yield
        await self.server.execute(f"ALTER ROLE {self.role} CONNECTION LIMIT -1")

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """No connection is left for anybody new."""
        await self.server.execute(f"ALTER ROLE {self.role} CONNECTION LIMIT 0")
        await self.cut()
        yield
        await self.server.execute(f"ALTER ROLE {self.role} CONNECTION LIMIT -1")

    @asynccontextmanager
    async def locked_out(self) -> AsyncIterator[None]:
        await self.server.execute(f"ALTER ROLE {self.role} NOLOGIN")
        await self.cut()
        yield
        await self.server.execute(f"ALTER ROLE {self.role} LOGIN")

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """As a database is while it is copied or moved."""
        await self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        await self.cut()
        yield
        await self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")

    @asynccontextmanager
    async def renamed(self) -> AsyncIterator[None]:
        await self.cut()
        for _ in range(100):  # somebody may be back already
            with suppress(asyncpg.ObjectInUseError):
                await self.server.execute(f"ALTER DATABASE {self.name} RENAME TO {self.name}_away")
                break
            await self.cut()
        yield
        await self.server.execute(f"ALTER DATABASE {self.name}_away RENAME TO {self.name}")

    @asynccontextmanager
    async def cancelled(self) -> AsyncIterator[None]:
        """Statements end as those do that took too long: readers and writers wait for locks
        meanwhile."""
        administrator = await asyncpg.connect(self.server.url_of(self.name))
        stop = asyncio.Event()

        async def interrupt() -> None:
            while not stop.is_set():
                await self.server.execute(
                    "DO $$ BEGIN PERFORM pg_cancel_backend(pid) FROM pg_stat_activity"
                    f" WHERE usename = '{self.role}' AND state = 'active'; END $$"
                )

        # What a process meets when its statements are cancelled has code 57014, whoever does it.
        async with administrator.transaction():
            await administrator.execute(
                "LOCK TABLE customer, member, entry, event, shard_head, endpoint, program, project"
            )
            interrupting = asyncio.create_task(interrupt())
            yield
            stop.set()
            await interrupting
        await administrator.close()

    @asynccontextmanager
    async def failing(self, state: str) -> AsyncIterator[None]:
        """Writes fail as PostgreSQL's own do, in the middle of a statement."""
        tables = (
            "entry",
            "customer",
            "member",
            "event",
            "endpoint",
            "program",
            "project",
            "api_key",
        )
        administrator = await asyncpg.connect(self.server.url_of(self.name))
        await administrator.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{state}'; END $$"
        )
        for table in tables:
            with suppress(asyncpg.UndefinedTableError):
                await administrator.execute(
                    f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON {table}"
                    " FOR EACH ROW EXECUTE FUNCTION fail()"
                )
        yield
        await administrator.execute("DROP FUNCTION fail CASCADE")
        await administrator.close()


FAILURES: dict[str, Callable[[Place], AbstractAsyncContextManager[None]]] = {
    "a limit of 12 connections": Place.limited,
    "no connection left": Place.full,
    "a login that is refused": Place.locked_out,
    "a database that takes nobody": Place.closed,
    "a database that is gone": Place.renamed,
    "a full disk": partial(Place.failing, state="53100"),
    "a broken disk": partial(Place.failing, state="58030"),
    "no memory": partial(Place.failing, state="53200"),
}


@pytest.fixture
async def place(server: Server, empty_url: str) -> AsyncIterator[Place]:
    role = f"shop_{secrets.token_hex(6)}"
    await server.execute(f"CREATE ROLE {role} LOGIN")
    await server.execute(f"ALTER DATABASE {name_of(empty_url)} OWNER TO {role}")
    yield Place(server, empty_url, role)
    await server.drop(empty_url)
    await server.execute(f"DROP ROLE {role}")


@pytest.fixture
async def api(place: Place, tmp_path: Path) -> AsyncIterator[Api]:
    async with (
        await Database.open(place.url, shards=SHARDS) as database,
        running(database, tmp_path, options=API_ONLY) as caller,
    ):
        assert (await caller.put("/api/programs/club", CLUB)).status == 201
        assert (await caller.earn("anna", 120)).status == 200
        yield caller


def complain(name: str, answered: Answered) -> None:
    """Raises AssertionError unless it was taken, or refused for now."""
    if answered.status == 503 and name != "ready":
        assert int(answered.headers["retry-after"]) >= 1, name
        assert len(answered.json["detail"]) > 20, name
        assert answered.json["code"] not in ("internal_error", None), name
        return
    assert answered.status < 500 or name == "ready", (name, answered.status, answered.body)
    if answered.headers["content-type"].startswith("application/x-ndjson"):
        for line in answered.body.splitlines():
            assert json.loads(line).get("status", 200) in (200, 503), (name, line)
    elif isinstance(answered.json if name != "metrics" else None, list):
        for item in answered.json:
            assert item.get("status", 200) in (200, 503), (name, item)


@pytest.mark.parametrize("failure", FAILURES)
async def test_no_failure_of_the_database_is_ours(api: Api, place: Place, failure: str) -> None:
    """All kinds of requests at once; when it is over all of them are answered again."""
    async with FAILURES[failure](place), asyncio.timeout(120):
        answers = await asyncio.gather(
            *(call(api, 100 * n) for n, call in enumerate(CALLS.values()))
        )
    for name, answered in zip(CALLS, answers, strict=True):
        complain(name, answered)
    for n, (name, call) in enumerate(CALLS.items()):
        if name != "unknown key":
            again = await call(api, 10_000 + 100 * n)
            assert again.status in (200, 201), (failure, name, again.body)


async def test_a_read_that_takes_too_long_is_to_be_repeated(api: Api, place: Place) -> None:
    """PostgreSQL ends it; a write is tried again by the server itself."""
    reads = ("customer", "member", "explain", "feed")
    async with place.cancelled(), asyncio.timeout(60):
        answers = await asyncio.gather(*(CALLS[name](api, 0) for name in reads))
    for answered in answers:
        assert answered.problem[:2] == (503, "busy")
        assert int(answered.headers["retry-after"]) >= 1


async def test_more_customers_at_once_than_connections(api: Api, place: Place) -> None:
    """A role of twelve connections, sixteen shards, twenty-four customers."""
    async with place.limited():
        await place.cut()
        answers = await asyncio.gather(*(api.post(ACTIVITIES, earn(n)) for n in range(24)))
    for answered in answers:
        complain("activity", answered)
    assert 200 in {answered.status for answered in answers}
