"""Programs that are deleted: what goes, what stays, and who is told what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.receiver import Receiver
from tests.web.conftest import CLUB, Api
from tierline.clock import wall
from tierline.errors import NotFound
from tierline.ledger.project_removal import ProjectRemoval
from tierline.ledger.rebuild import verify
from tierline.ledger.removals import AGAIN_MS, Removals
from tierline.ledger.writer import Writer
from tierline.store.catalog.closures import StateChange
from tierline.store.catalog.projects import NewProject

PROGRAM = "/api/programs/club"
DELETE = f"{PROGRAM}/delete"
CONFIRMED = {"confirm": "club"}
GONE = (
    *("member", "entry", "points_line", "order_booking", "intent", "arrival"),
    *("tier_count", "tier_move", "points_list"),
)


async def removed(api: Api, later: int = 0) -> int:
    """Removes what is due so many milliseconds later."""
    here = api.installation
    shards = range(here.database.shards)
    clock = lambda: wall() + later  # noqa: E731
    return sum([await Removals(here.database, here.catalog, s, clock).go_on() for s in shards])


async def rows(api: Api, table: str, program: int = 1) -> int:
    query = f"SELECT count(*) FROM {table} WHERE program = {program}"  # noqa: S608
    return int(await api.installation.database.pool.fetchval(query))


async def feed(api: Api) -> list[Any]:
    answered = await api.get("/api/events")
    assert answered.status == 200, answered.body
    return list(answered.json["events"])


@pytest.fixture
async def two(club: Api) -> Api:
    """The club with three members, one of whom told an order; and a second program."""
    for name, points in (("anna", 150), ("ben", 10), ("eve", 600)):
        await club.earn(name, points)
    order = {"kind": "order", "order": "1001", "customer": "anna", "total": 900, "paid": 900}
    assert (await club.post(f"{PROGRAM}/activities", order)).status == 200
    assert (await club.get(f"{PROGRAM}/points")).status == 200
    assert (await club.put("/api/programs/other", CLUB)).status == 201
    earn = {"kind": "earn", "customer": "anna", "points": 120}
    assert (await club.post("/api/programs/other/activities", earn)).status == 200
    return club


async def test_a_dry_run_says_what_would_go_and_nothing_goes(two: Api) -> None:
    endpoint = {"url": "https://example.com/h", "programs": ["club"]}
    id_ = (await two.post("/api/endpoints", endpoint)).json["id"]
    before = [await rows(two, table) for table in GONE]
    answered = await two.post(DELETE, {"dry_run": True})

    assert answered.json == {
        "program": "club",
        "deleted": False,
        "members": 3,
        "entries": 7,
        "transfers": 0,
        "versions_kept": 1,
        "events_kept": 3,
        "endpoints": [id_],
    }
    assert await removed(two) == 0
    assert [await rows(two, table) for table in GONE] == before
    assert (await two.get(f"{PROGRAM}/members/anna")).status == 200


async def test_all_that_is_of_the_program_goes_and_the_rest_stays(two: Api) -> None:
    """The feed says what it said, the customers and the other program are untouched."""
    log = await feed(two)
    other = [await rows(two, table, program=2) for table in GONE]
    answered = await two.post(DELETE, CONFIRMED)
    assert (answered.status, answered.json["deleted"], answered.json["members"]) == (200, True, 3)
    await removed(two)

    assert [await rows(two, table) for table in GONE] == [0] * len(GONE)
    assert [await rows(two, table, program=2) for table in GONE] == other
    assert await feed(two) == log
    assert {event["tier_to"]["id"] for event in log} >= {"silver", "gold"}
    assert (await two.get("/api/customers/eve")).status == 200
    assert (await two.get("/api/programs/other/members/anna")).json["points"]["balance"] == 120
    assert (await two.get("/api/orders/1001")).json["programs"] == []
    assert [p["id"] for p in (await two.get("/api/programs")).json["programs"]] == ["other"]
    here = two.installation
    assert [str(d) async for d in verify(here.database, here.catalog)] == []
    (line,) = (await two.get("/api/audit?kind=program.deleted")).json["changes"]
    assert (line["object"], line["before"]["state"], line["after"]["state"]) == (
        *("club", "active", "deleted"),
    )


async def test_nobody_finds_it_and_nothing_brings_it_back(two: Api) -> None:
    assert (await two.post(DELETE, CONFIRMED)).status == 200
    earn = {"kind": "earn", "customer": "anna", "points": 5}
    answers = [
        await two.get(PROGRAM),
        await two.get(f"{PROGRAM}/state"),
        await two.get(f"{PROGRAM}/summary"),
        await two.get(f"{PROGRAM}/members/anna"),
        await two.post(f"{PROGRAM}/activities", earn),
        await two.post(f"{PROGRAM}/dry-run", earn),
        await two.post(f"{PROGRAM}/pause"),
        await two.post(f"{PROGRAM}/resume"),
        await two.post(f"{PROGRAM}/end"),
        await two.post(DELETE, CONFIRMED),
        await two.post(DELETE, {"dry_run": True}),
    ]
    assert {answer.problem[:2] for answer in answers} == {(404, "not_found")}
    assert (await two.put(PROGRAM, CLUB)).problem == (409, "program_deleted", "program")
    order = {"kind": "order", "order": "1001", "customer": "anna", "paid": 900, "refunded": 900}
    answered = await two.post("/api/orders", order)
    assert (answered.status, answered.json.get("refunded")) == (200, 900), answered.body
    assert await rows(two, "member") <= 3


UNNAMED: list[tuple[Any, str]] = [
    (None, "confirm"),
    ({}, "confirm"),
    ({"confirm": "Club"}, "confirm"),
    ({"confirm": None}, "confirm"),
    ({"confirm": 1}, "confirm"),
    ({"confirm": "club", "force": True}, "force"),
    ({"dry_run": None}, "dry_run"),
]


async def test_it_must_be_named_again(anna: Api) -> None:
    for body, path in UNNAMED:
        assert (await anna.post(DELETE, body)).problem == (400, "invalid", path), body
    assert (await anna.get(f"{PROGRAM}/members/anna")).status == 200


async def test_it_takes_a_scope_of_its_own(anna: Api) -> None:
    scopes = ["read_programs", "write_programs", "read_customers", "write_customers"]
    narrow = (await anna.post("/api/keys", {"scopes": scopes})).json["key"]
    answered = await anna.post(DELETE, {"dry_run": True}, key=narrow)
    assert answered.problem[:2] == (403, "forbidden")


async def test_vendors_and_endpoints_that_named_it_go_on(two: Api, receiver: Receiver) -> None:
    """A vendor's routes name it no more. Endpoints still get what was told, and can be changed."""
    assert (await two.call("PATCH", "/api/project", {"loyaltylion_program": "club"})).status == 200
    assert (await two.post(DELETE, CONFIRMED)).status == 200
    await removed(two)
    body = {"url": receiver.url, "programs": ["club"], "since": "2020-01-01T00:00:00Z"}
    made = await two.post("/api/endpoints", body)
    assert made.status == 201, made.body
    arrived = await receiver.wait(3)

    assert {json.loads(each.body)["type"] for each in arrived} == {"tier.joined"}
    changed = await two.call("PATCH", f"/api/endpoints/{made.json['id']}", {"rate_per_s": 9})
    assert changed.status == 200
    assert (await two.get("/api/project")).json["loyaltylion_program"] is None


async def test_what_another_process_still_wrote_is_looked_for_later(two: Api) -> None:
    """Cut off after one page, begun again, and once more a minute later; then never again."""
    pool = two.installation.database.pool
    stale = [dict(row) for row in await pool.fetch("SELECT * FROM member WHERE program = 1")]
    assert (await two.post(DELETE, CONFIRMED)).status == 200
    await removed(two)
    assert await removed(two) == 0
    names = ", ".join(stale[0])
    values = ", ".join(f"${i + 1}" for i in range(len(stale[0])))
    await pool.execute(f"INSERT INTO member ({names}) VALUES ({values})", *stale[0].values())  # noqa: S608

    line = (stale[0]["shard"], 1, 9, 9 << 16, 0, 0, "points.earned", 5, 0, None, None)
    await pool.copy_records_to_table("points_line", records=[line])  # of somebody who is gone

    assert await removed(two) == 0  # not yet
    assert await removed(two, later=AGAIN_MS + 1000) == 1
    assert [await rows(two, table) for table in ("member", "points_line")] == [0, 0]
    passes = await pool.fetch("SELECT DISTINCT pass FROM removal")
    assert [row["pass"] for row in passes] == [2]


PROJECT = "/api/project/delete"


async def departed(api: Api) -> int:
    """What a sweep does for deleted projects, until nobody is left; how many were erased."""
    here = api.installation
    await removed(api)

    writer = Writer(here.database, here.catalog, lambda _: None)

    async def opened() -> Writer:
        if writer.closed:
            await writer.start()
        return writer

    erased = 0
    for shard in range(here.database.shards):
        removal = ProjectRemoval(here.database, here.catalog, shard, opened)
        while count := await removal.go_on():
            erased += count
    await writer.stop()
    return erased


async def test_a_project_goes_with_all_that_it_holds(two: Api, receiver: Receiver) -> None:
    """Its key ends, its people are erased, another project and the log's places stay."""
    await two.put("/api/customers/anna", {"name": "Zqanna", "email": "zqanna@example.com"})
    await two.post("/api/endpoints", {"url": receiver.url})
    here = two.installation
    other = await here.catalog.add_project(NewProject("Other"), wall())
    key = (await here.catalog.add_key(other.number, "native", (), "", wall()))["key"]
    assert (await two.put("/api/programs/club", CLUB, key=key)).status == 201
    earn = {"kind": "earn", "customer": "anna", "points": 100}
    assert (await two.post(f"{PROGRAM}/activities", earn, key=key)).status == 200
    id_ = (await two.get("/api/project")).json["id"]
    narrow = (await two.post("/api/keys", {"scopes": ["delete_programs"]})).json["key"]

    assert (await two.post(PROJECT, {"confirm": id_}, key=narrow)).problem[:2] == (403, "forbidden")
    for body in (None, {}, {"confirm": "Shop"}, {"confirm": other.id}):
        assert (await two.post(PROJECT, body)).problem == (400, "invalid", "confirm")
    planned = (await two.post(PROJECT, {"dry_run": True})).json
    assert (planned["deleted"], planned["customers"], planned["programs"]) == (
        *(False, 3),
        ["club", "other"],
    )
    assert (planned["members"], planned["keys"], len(planned["endpoints"])) == (4, 2, 1)
    gone = await two.post(PROJECT, {"confirm": id_})
    assert gone.json == planned | {"deleted": True}
    assert (await two.get("/api/programs")).status == 401
    assert (await two.post(PROJECT, {"confirm": id_})).status == 401

    await departed(two)
    pool = here.database.pool
    left = "SELECT count(*) FROM customer WHERE project = 1 AND erased_at IS NULL"
    assert await pool.fetchval(left) == 0
    for table in ("member", "entry", "tier_count"):
        assert [await rows(two, table, n) for n in (1, 2)] == [0, 0]
    for query in (
        "SELECT count(*) FROM event WHERE project = 1 AND profile IS NOT NULL",
        "SELECT count(*) FROM alias WHERE project = 1",
        "SELECT count(*) FROM order_state WHERE project = 1",
    ):
        assert await pool.fetchval(query) == 0, query
    places = await pool.fetch('SELECT count(*) n, max("offset") last FROM event GROUP BY shard')
    assert all(row["n"] == row["last"] for row in places)
    assert (await two.get(f"{PROGRAM}/members/anna", key=key)).json["points"]["balance"] == 100
    assert [str(d) async for d in verify(here.database, here.catalog)] == []
    audit = "SELECT actor_kind FROM audit WHERE kind = 'project.deleted'"
    assert [row["actor_kind"] for row in await pool.fetch(audit)] == ["key"]
    for action in ("deleted", "resumed"):
        with pytest.raises(NotFound):
            await here.catalog.change_state(StateChange(1, action))
    assert here.catalog.project(1).state == "deleted"
    assert [project.id for project in here.catalog.projects()] == [other.id]
