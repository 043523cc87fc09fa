"""The audit log: who changed what, in the transaction of the change, and nothing that is secret."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import CLUB, POLICY, Api, running
from tests.web.test_names import id_of
from tierline.clock import wall
from tierline.store import audit as store
from tierline.store.audit import AuditFilter
from tierline.store.catalog.projects import NewProject
from tierline.store.database import Database
from tierline.web.asgi import OPERATIONS

HOOK = "https://127.0.0.1:9/hooks/s3cret?token=s3cret"
ACTIVITIES = "/api/programs/club/activities"
MEMBER = "/api/programs/club/members/anna"
# What is told of no operator: facts about customers, and what changes nothing that lasts.
ELSEWHERE = {
    *("PUT /api/customers/{source_id}", "PUT /api/programs/{program}/members/{source_id}"),
    "DELETE /api/programs/{program}/members/{source_id}",
    "PUT /api/programs/{program}/members/{source_id}/attributes",
    *("POST /api/programs/{program}/preview", "POST /api/programs/{program}/dry-run"),
    "POST /api/endpoints/{endpoint}/test",
    "POST /api/project/delete",  # ends the key that asks: tests/web/test_deletion.py
    "POST /api/orders",  # activities, of a project
    "POST /api/tokens",  # of a key's rights, for a quarter of an hour
    # By one person and another: tests/web/test_change_requests.py.
    "POST /api/programs/{program}/change-requests",
    *("POST /api/change-requests/{change}/approve", "POST /api/change-requests/{change}/turn-down"),
    # Of people, by people: tests/web/test_sign_in.py.
    *("POST /api/sign-in", "POST /api/sign-out", "POST /api/join", "POST /join"),
    *("DELETE /api/sessions/{session}", "POST /api/users/{user}/reset"),
    *("PATCH /api/users/{user}", "DELETE /api/users/{user}", "DELETE /api/users/{user}/sessions"),
    "POST /api/users",
}


async def changes(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"/api/audit?limit=1000{query}")
    assert answer.status == 200, answer.body
    lines: list[dict[str, Any]] = answer.json["changes"]
    return lines


async def kinds(api: Api, query: str = "") -> list[str]:
    """Oldest first."""
    return [line["kind"] for line in reversed(await changes(api, query))]


async def own_key(api: Api) -> str:
    """The id of the key that calls."""
    return str((await api.get("/api/keys")).json["keys"][0]["id"])


async def make_endpoint(api: Api) -> str:
    body = {
        "url": HOOK,
        "filter": {"profile.email": "anna@example.com"},
        "headers": {"X-A": "s3cret"},
    }
    answer = await api.post("/api/endpoints", body)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


async def test_every_operation_that_changes_something_leaves_a_line(sandbox: Api) -> None:
    """By the key that called; a new operation is added here or to ELSEWHERE."""
    api, endpoint = sandbox, await make_endpoint(sandbox)
    await api.earn("anna", 10, "a-1")
    key = (await api.post("/api/keys", {"scopes": ["read_programs"]})).json["id"]
    token = (await api.post("/api/tokens", {})).json["token"]
    one, club = f"/api/endpoints/{endpoint}", "/api/programs/club"
    replay = {"everything": True, "rate_per_s": 0.001}
    done = [
        ("PUT", "/api/programs/{program}", "/api/programs/other", CLUB),
        ("PATCH", "/api/project", "/api/project", {"name": "Another"}),
        ("POST", "/api/keys", "/api/keys", {}),
        ("DELETE", "/api/keys/{key}", f"/api/keys/{key}", None),
        ("POST", "/api/tokens/revoke", "/api/tokens/revoke", {"token": token}),
        ("POST", "/api/clock", "/api/clock", {"advance_to": "2024-02-01T00:00:00Z"}),
        ("POST", "/api/endpoints", "/api/endpoints", {"url": HOOK}),
        ("PATCH", "/api/endpoints/{endpoint}", one, {"timeout_ms": 900}),
        ("POST", "/api/endpoints/{endpoint}/pause", f"{one}/pause", None),
        ("POST", "/api/endpoints/{endpoint}/resume", f"{one}/resume", None),
        ("POST", "/api/endpoints/{endpoint}/retry", f"{one}/retry", None),
        ("POST", "/api/endpoints/{endpoint}/rotate", f"{one}/rotate", None),
        ("POST", "/api/endpoints/{endpoint}/replay", f"{one}/replay", replay),
        ("DELETE", "/api/endpoints/{endpoint}/replay/{run}", f"{one}/replay/1", None),
        ("POST", "/api/endpoints/{endpoint}/rewind", f"{one}/rewind",
         {"since": "2026-01-01T00:00:00Z"}),
        ("DELETE", "/api/endpoints/{endpoint}", one, None),
        ("POST", "/api/programs/{program}/activities", ACTIVITIES,
         {"kind": "adjust", "customer": "anna", "points": 5}),
        ("PUT", "/api/programs/{program}/members/{source_id}/override", f"{MEMBER}/override",
         {"kind": "pin", "tier": "gold"}),
        ("DELETE", "/api/programs/{program}/members/{source_id}/override", f"{MEMBER}/override",
         None),
        ("POST", "/api/customers/{source_id}/erase", "/api/customers/anna/erase", None),
        ("POST", "/api/programs/{program}/pause", f"{club}/pause", None),
        ("POST", "/api/programs/{program}/end", f"{club}/end", None),
        ("POST", "/api/programs/{program}/resume", f"{club}/resume", None),
        ("POST", "/api/programs/{program}/delete", f"{club}/delete", {"confirm": "club"}),
        ("POST", "/api/project/pause", "/api/project/pause", None),
        ("POST", "/api/project/resume", "/api/project/resume", None),
    ]  # fmt: skip
    driven = {f"{method} {path}" for method, path, _, _ in done}
    changing = {f"{o.method} {o.path}" for o in OPERATIONS if o.method != "GET"}
    assert changing == driven | ELSEWHERE
    caller = await own_key(api)
    for method, path, target, body in done:
        before = await changes(api)
        answer = await api.call(method, target, body)
        assert answer.status < 300, (path, answer.body)
        fresh = [line for line in await changes(api) if line not in before]
        assert len(fresh) == 1, (method, path, fresh)
        assert (fresh[0]["actor_kind"], fresh[0]["actor"]) == ("key", caller)


async def test_a_line_says_what_was_and_what_is(club: Api) -> None:
    await club.earn("anna", 100, "a-1")
    await club.post(ACTIVITIES, {"kind": "adjust", "customer": "anna", "points": -30, "key": "x"})
    await club.put(f"{MEMBER}/override", {"kind": "pin", "tier": "gold", "reason": "Anna asked"})
    await club.put(
        "/api/programs/club",
        {"name": "Club", "policy": {**POLICY, "metric": {"source": "balance"}}},
    )
    program, override, adjust = (await changes(club))[:3]

    assert (adjust["kind"], adjust["object"]) == ("member.adjusted", await id_of(club, "anna"))
    assert (adjust["program"], adjust["entry"]) == ("club", 3)
    assert adjust["before"] == {"balance": 100, "tier": "silver"}
    assert adjust["after"] == {"balance": 70, "tier": "silver", "points": -30}
    assert override["before"] == {"tier": "silver", "overrides": []}
    assert override["after"]["tier"] == "gold"
    assert override["after"]["overrides"][0]["kind"] == "pin"
    assert (program["kind"], program["object"]) == ("program.changed", "club")
    assert (program["before"], program["after"]["version"]) == ({"version": 1}, 2)


async def test_nothing_secret_and_nothing_of_customers_is_in_it(club: Api) -> None:
    """Also where a value changes from one secret to another."""
    endpoint = await make_endpoint(club)
    key = (await club.post("/api/keys", {"kind": "voucherify"})).json
    secret = (await club.post(f"/api/endpoints/{endpoint}/rotate")).json
    await club.call("PATCH", f"/api/endpoints/{endpoint}", {
        "url": HOOK.replace("9", "8"), "description": "of Anna",
        "filter": {"profile.email": "anna@other.example"}, "metadata": {"of": "Anna"},
    })  # fmt: skip
    await club.call("PATCH", "/api/project", {"presentations": {"loyaltylion": {"x": "Anna"}}})
    await club.earn("anna", 5)
    reason = {"kind": "pin", "tier": "gold", "reason": "Anna", "actor": "Anna"}
    await club.put(f"{MEMBER}/override", reason)
    pool = club.installation.database.pool
    rows = [
        *await pool.fetch("SELECT * FROM audit"),
        *await pool.fetch("SELECT * FROM member_audit"),
    ]
    text = json.dumps([[str(value) for value in row.values()] for row in rows])

    assert len(rows) >= 7
    for word in ("s3cret", "anna", "Anna", club.key, secret["secret"], *key.values()):
        if isinstance(word, str) and word not in ("voucherify", key["id"], key["project_id"]):
            assert word not in text, word


async def test_what_is_refused_leaves_no_line(club: Api) -> None:
    """Nor what is repeated, nor what changes nothing."""
    await club.earn("anna", 5)
    body = {"kind": "adjust", "customer": "anna", "points": 5, "key": "adjust-1"}
    assert (await club.post(ACTIVITIES, body)).status == 200
    before = await changes(club)
    refused = [
        await club.post(ACTIVITIES, {**body, "points": 6}),
        await club.post(ACTIVITIES, {"kind": "adjust", "customer": "anna", "points": 0}),
        await club.put(f"{MEMBER}/override", {"kind": "pin", "tier": "none"}),
        await club.call("DELETE", "/api/keys/key_0000000000000000"),
        await club.call("PATCH", "/api/project", {"currency": "EUR"}),
    ]
    same = [
        await club.post(ACTIVITIES, body),
        await club.put("/api/programs/club", CLUB),
        await club.call("PATCH", "/api/project", {"name": "Shop"}),
        await club.post("/api/programs/club/dry-run", {**body, "key": "adjust-2"}),
    ]

    assert [a.status for a in refused] == [409, 400, 400, 404, 409]
    assert [a.status for a in same] == [200] * 4
    assert await changes(club) == before


async def test_without_its_line_there_is_no_change(club: Api) -> None:
    """They are one transaction, in the small tables and in a member's shard."""
    await club.earn("anna", 5)
    pool = club.installation.database.pool
    for table in ("audit", "member_audit"):
        await pool.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    adjust = {"kind": "adjust", "customer": "anna", "points": 5}
    failed = [
        await club.call("PATCH", "/api/project", {"name": "Other"}),
        await club.post(ACTIVITIES, adjust),
    ]
    for table in ("audit", "member_audit"):
        await pool.execute(f"ALTER TABLE {table}_away RENAME TO {table}")

    assert [answer.status for answer in failed] == [500, 500]
    assert (await club.get("/api/project")).json["name"] == "Shop"
    assert (await club.get(MEMBER)).json["points"]["balance"] == 5
    assert (await club.post(ACTIVITIES, adjust)).status == 200


async def test_adjustments_leave_lines_whichever_way_they_come(club: Api) -> None:
    """One, an array, NDJSON, over a connection that is warm; and no other activity does."""
    await club.earn("anna", 50)
    adjust = {"kind": "adjust", "customer": "anna", "points": 1}
    await club.earn("anna", 50)
    await club.post(ACTIVITIES, adjust)
    await club.post(ACTIVITIES, [adjust, {**adjust, "kind": "earn"}, adjust])
    lines = b"\n".join(json.dumps(each).encode() for each in [adjust, {**adjust, "kind": "redeem"}])
    await club.post(ACTIVITIES, lines, headers={"content-type": "application/x-ndjson"})
    lines_of_members = await changes(club, "&kind=member")

    assert [line["after"]["points"] for line in lines_of_members] == [1] * 4
    assert {line["actor"] for line in lines_of_members} == {await own_key(club)}


async def test_pages_and_filters(club: Api) -> None:
    endpoint = await make_endpoint(club)
    for name in ("anna", "bob"):
        await club.earn(name, 10)
        await club.post(ACTIVITIES, {"kind": "adjust", "customer": name, "points": 1})
    await club.post(f"/api/endpoints/{endpoint}/pause")
    whole, walked, query = await changes(club), [], ""
    while True:
        page = (await club.get(f"/api/audit?limit=2{query}")).json
        walked += page["changes"]
        if page["next"] is None:
            break
        query = f"&after={page['next']}"
    anna = await id_of(club, "anna")
    middle = whole[2]["at"]

    assert walked == whole
    assert [line["id"] for line in whole] == sorted((w["id"] for w in whole), reverse=True)
    assert await kinds(club, "&kind=endpoint") == ["endpoint.created", "endpoint.paused"]
    assert await kinds(club, "&kind=endpoint.paused") == ["endpoint.paused"]
    assert await kinds(club, f"&object={endpoint}") == ["endpoint.created", "endpoint.paused"]
    for query in ("&customer=anna", f"&customer={anna}", f"&object={anna}"):
        assert [line["object"] for line in await changes(club, query)] == [anna]
    assert await changes(club, f"&actor={await own_key(club)}&kind=program") != []
    assert await changes(club, "&actor=key_nobody") == []
    assert [w for w in whole if w["at"] >= middle] == await changes(club, f"&since={middle}")
    assert [w for w in whole if w["at"] < middle] == await changes(club, f"&until={middle}")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        *(("after=", "after"), ("after=aud_x", "after"), ("limit=0", "limit")),
        *(("since=now", "since"), ("until=1", "until"), ("colour=red", "colour")),
        ("object=a&customer=b", "object"),
    ],
)
async def test_wrong_questions_are_refused(club: Api, query: str, path: str) -> None:
    answer = await club.get(f"/api/audit?{query}")
    assert (answer.status, answer.json["path"]) == (400, path)


async def test_projects_do_not_see_each_others(club: Api) -> None:
    catalog = club.installation.catalog
    other = await catalog.add_project(NewProject("Other"), wall())
    key = (await catalog.add_key(other.number, "native", (), "", wall()))["key"]
    answer = await club.get("/api/audit", key=key)

    assert [line["kind"] for line in answer.json["changes"]] == ["key.created", "project.created"]
    assert all(line["actor_kind"] == "system" for line in answer.json["changes"])
    narrow = await club.post("/api/keys", {"scopes": ["read_customers", "write_customers"]})
    refused = await club.get("/api/audit", key=narrow.json["key"])
    assert refused.problem[:2] == (403, "forbidden")


@pytest.mark.parametrize("database", [7], indirect=True)
async def test_many_shards_and_two_processes(database: Database, tmp_path: Path) -> None:
    """One list, of all shards and both processes, and none of it missing."""
    async with running(database, tmp_path) as one, running(database, tmp_path) as two:
        await one.put("/api/programs/club", CLUB)
        callers = [(one, two)[n % 2] for n in range(40)]
        other = await one.installation.catalog.add_key(1, "native", (), "", wall())
        two.key = other["key"]
        assert (await two.get("/api/project")).status == 200
        adjust = {"kind": "adjust", "points": 3}
        answers = await asyncio.gather(*(
            api.post(ACTIVITIES, {**adjust, "customer": f"c{n}"}) for n, api in enumerate(callers)
        ))  # fmt: skip
        lines = await store.page(database, AuditFilter(kind="member.adjusted"), 1_000)

        assert {answer.status for answer in answers} == {200}
        assert len({line.object for line in lines}) == len(lines) == 40
        assert len({line.actor for line in lines}) == 2
