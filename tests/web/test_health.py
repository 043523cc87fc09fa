"""Whether the server lives, is ready, what it counts, and what it says of itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.web.conftest import SERVING, Api, running
from tierline.app import serving
from tierline.bootstrap import catalogued
from tierline.clock import wall
from tierline.config import ServeOptions, parse_roles
from tierline.store.catalog.projects import NewProject
from tierline.store.database import Database
from tierline.web.asgi import OPERATIONS

ENDPOINT = {"url": "https://hooks.example.com/tiers", "kinds": ["endpoint.failing"]}


async def test_the_server_is_alive_and_ready(api: Api) -> None:
    """Without a key."""
    assert (await api.get("/healthz", key="")).json == {"status": "ok"}
    ready = {"status": "ready", "missing": [], "details": []}
    assert (await api.get("/readyz", key="")).json == ready


@pytest.mark.parametrize(
    ("loop", "missing"),
    [
        ("Catalog.watch", "catalog"),
        ("GroupCommit.run", "api"),
        ("Sweeper._keep_sweeping", "sweeper"),
        ("Dispatcher._reconciling", "sender"),
        ("ShardFetcher._read", "sender"),
        ("Committer._loop", "sender"),
    ],
)
async def test_a_loop_that_ended_is_missing(api: Api, loop: str, missing: str) -> None:
    """Whatever ended it, the server says that it does not do all of its work any more."""
    for task in asyncio.all_tasks():
        if getattr(task.get_coro(), "__qualname__", "") == loop:
            task.cancel()
    answered = await api.get("/readyz", key="")

    assert answered.status == 503
    assert (answered.json["status"], answered.json["missing"]) == ("not_ready", [missing])
    assert len(answered.json["details"]) == 1


async def test_metrics_tell_how_late_the_sweep_is(api: Api) -> None:
    """For each shard that this process sweeps."""
    metric = "tierline_sweep_lag_seconds{shard="
    while metric not in (text := (await api.get("/metrics", key="")).body.decode()):
        await asyncio.sleep(0)

    assert f'{metric}"0"}} 0.0' in text or f'{metric}"1"}} 0.0' in text


async def test_metrics_count_requests_by_path(club: Api) -> None:
    """The path as the table has it, so that labels are few."""
    await club.earn("anna", 100)
    text = (await club.get("/metrics", key="")).body.decode()

    line = 'tierline_requests_total{path="/api/programs/{program}/activities",status="200"} 1.0'
    assert line in text
    assert "tierline_commands_waiting 0.0" in text
    assert "anna" not in text


async def test_metrics_need_a_key_when_others_can_connect(
    database: Database, tmp_path: Path
) -> None:
    """Bound to loopback they need none. The key shows its own project's endpoints only."""
    options = ServeOptions(host="0.0.0.0", port=0, allow=SERVING.allow)  # noqa: S104
    async with running(database, tmp_path, options=options) as api:
        api.process.url = api.process.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104

        assert (await api.get("/metrics", key="")).problem[:2] == (401, "unauthorized")
        bare = (await api.post("/api/keys", {"scopes": ["read_programs"]})).json["key"]
        assert (await api.get("/metrics", key=bare)).problem[:2] == (403, "forbidden")
        mine = (await api.post("/api/endpoints", ENDPOINT)).json["id"]
        other = await api.installation.catalog.add_project(NewProject("Other"), wall())
        theirs_key = await api.installation.catalog.add_key(other.number, "native", (), "", wall())
        theirs = (await api.post("/api/endpoints", ENDPOINT, key=theirs_key["key"])).json["id"]

        text = (await api.get("/metrics")).body.decode()
        assert f'tierline_lag_events{{endpoint="{mine}"}}' in text
        assert "tierline_commands_waiting" in text
        assert theirs not in text
        assert theirs in (await api.get("/metrics", key=theirs_key["key"])).body.decode()
        assert (await api.get("/healthz", key="")).status == 200


@pytest.mark.parametrize("roles", ["api", "sender", "sweeper", "sender,sweeper"])
async def test_every_role_says_how_it_is_on_its_port(
    database: Database, tmp_path: Path, roles: str
) -> None:
    """Without the role `api` that is all it says."""
    options = ServeOptions(port=0, roles=parse_roles(roles))
    async with running(database, tmp_path, options=options) as api:
        assert (await api.get("/healthz", key="")).json == {"status": "ok"}
        assert (await api.get("/readyz", key="")).status == 200
        assert b"tierline_requests_total" in (await api.get("/metrics", key="")).body
        others = {(await api.get(path)).status for path in ("/api/project", "/openapi.json", "/")}
        activity = await api.earn("anna", 1)

    assert others == {200 if roles == "api" else 404}
    assert activity.problem[1] == ("not_found" if roles == "api" else "api_elsewhere")


async def test_a_role_that_nobody_has_is_told_by_everybody(
    database: Database, tmp_path: Path
) -> None:
    """A sender is missed once there is an endpoint. The process itself does its work: it stays in
    service."""
    serving_api = ServeOptions(port=0, roles=parse_roles("api"))
    others = ServeOptions(port=0, roles=parse_roles("sweeper,sender"))
    async with running(database, tmp_path, options=serving_api) as api:
        assert await _readiness(api) == (200, "degraded", ["sweeper"])
        await api.post("/api/endpoints", ENDPOINT)
        assert await _readiness(api) == (200, "degraded", ["sender", "sweeper"])
        details = (await api.get("/readyz", key="")).json["details"]
        assert "webhooks wait" in details[0]
        async with serving(await catalogued(database, tmp_path), others):
            assert await _readiness(api) == (200, "ready", [])
        assert await _readiness(api) == (200, "degraded", ["sender", "sweeper"])


async def _readiness(api: Api) -> tuple[int, str, list[str]]:
    answered = await api.get("/readyz", key="")
    return answered.status, answered.json["status"], answered.json["missing"]


async def test_an_operators_key_reads_the_metrics_of_the_whole_installation(
    database: Database, tmp_path: Path
) -> None:
    """And nothing else; no project's key has that right, or can give it to itself."""
    options = ServeOptions(host="0.0.0.0", port=0, allow=SERVING.allow)  # noqa: S104
    async with running(database, tmp_path, options=options) as api:
        api.process.url = (api.process.url or "").replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        catalog = api.installation.catalog
        other = await catalog.add_project(NewProject("Other"), wall())
        theirs_key = await catalog.add_key(other.number, "native", (), "", wall())
        body = await catalog.add_key(other.number, "native", ["read_metrics"], "", wall())
        operator = body["key"]
        mine = (await api.post("/api/endpoints", ENDPOINT)).json["id"]
        theirs = (await api.post("/api/endpoints", ENDPOINT, key=theirs_key["key"])).json["id"]

        text = (await api.get("/metrics", key=operator)).body.decode()
        assert mine in text
        assert theirs in text
        assert "tierline_commands_waiting" in text
        for path in ("/api/endpoints", "/api/programs", "/api/keys", "/api/customers"):
            assert (await api.get(path, key=operator)).status == 403
        refusal = await api.post("/api/keys", {"scopes": ["read_metrics"]})
        assert refusal.problem[:2] == (403, "forbidden")
        plain = (await api.post("/api/keys", {})).json
        assert "read_metrics" not in plain["scopes"]


async def test_openapi_lists_every_operation(api: Api) -> None:
    """Made from the same table that routes requests; every reference resolves."""
    document = (await api.get("/openapi.json", key="")).json
    operations = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    schemas = document["components"]["schemas"]

    assert operations == {(operation.method, operation.path) for operation in OPERATIONS}
    assert document["openapi"].startswith("3.1")
    for name in _references(document):
        assert name in schemas
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        references = {value["$ref"].rpartition("/")[2]} if "$ref" in value else set()
        return references.union(*map(_references, value.values()))
    if isinstance(value, list):
        return set().union(*map(_references, value))
    return set()
