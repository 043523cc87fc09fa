"""Changes of programs that a second person approves: who may, and which way round it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.web.browser import Browser, joined
from tests.web.conftest import CLUB, Api
from tierline.clock import wall
from tierline.errors import NotFound
from tierline.rules.program import Rules
from tierline.store.catalog import change_requests
from tierline.store.catalog.audit import acting, user_actor
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.change_requests import ApprovalNeeded, ProposedChange
from tierline.store.catalog.closures import StateChange
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import ProjectChange
from tierline.store.retention import RetentionSql

PROGRAM = "/api/programs/club"
PROPOSE = f"{PROGRAM}/change-requests"
CHANGES = "/api/change-requests"
OTHER = CLUB | {"name": "Other"}
ASKED = {"program_approval": True}
FALLING = {"tiers": [{"id": "a", "name": "A", "from": 9}, {"id": "b", "name": "B", "from": 3}]}


@pytest.fixture
async def careful(club: Api) -> Api:
    """The club, whose programs change only with a second person."""
    answered = await club.call("PATCH", "/api/project", ASKED)
    assert (answered.status, answered.json["program_approval"]) == (200, True)
    return club


@pytest.fixture
async def maya(careful: Api) -> Browser:
    return await joined(careful, "maya@example.com", "manager")


@pytest.fixture
async def noor(careful: Api) -> Browser:
    return await joined(careful, "noor@example.com", "manager")


async def proposed(by: Any, **more: Any) -> str:
    answered = await by.post(PROPOSE, OTHER | more)
    assert answered.status == 201, answered.body
    return str(answered.json["id"])


async def name_of(api: Api) -> str:
    return str((await api.get(PROGRAM)).json["name"])


async def kinds(api: Api) -> list[tuple[str, str]]:
    """What the audit log says of programs, the oldest first, and who did it."""
    lines = (await api.get("/api/audit?kind=program")).json["changes"]
    return [(line["kind"], line["actor"]) for line in reversed(lines)]


async def test_one_proposes_and_another_one_approves(
    careful: Api, maya: Browser, noor: Browser
) -> None:
    """The change is in force when the approval is answered, and the audit log names both."""
    id_ = await proposed(maya, reason="for spring")
    assert await name_of(careful) == CLUB["name"]
    users = [(await each.get("/api/session")).json["user"] for each in (maya, noor)]
    (line,) = (await careful.get(f"{CHANGES}?state=open")).json["changes"]
    assert (line["id"], line["proposer"], line["reason"]) == (id_, users[0], "for spring")
    assert (line["outdated"], line["based_on"], line["state"]) == (False, 1, "open")

    answered = await noor.post(f"{CHANGES}/{id_}/approve")

    assert answered.status == 200, answered.body
    assert (answered.json["state"], answered.json["version"]) == ("approved", 2)
    assert (answered.json["decider"], answered.json["rules"]["name"]) == (users[1], "Other")
    assert await name_of(careful) == "Other"
    assert (await kinds(careful))[-3:] == [
        ("program.proposed", users[0]),
        ("program.approved", users[1]),
        ("program.changed", users[1]),
    ]
    again = await noor.post(f"{CHANGES}/{id_}/approve")
    assert again.problem[:2] == (409, "change_outdated")
    assert (await careful.get(f"{CHANGES}?state=open")).json["changes"] == []


async def test_every_door_asks_for_it(careful: Api, maya: Browser) -> None:
    """A key, a user, a vendor's words, a new program, and the catalog itself; what changes nothing
    is answered as ever."""
    vendor = (await careful.post("/api/keys", {"kind": "voucherify"})).json
    headers = {"x-app-id": vendor["app_id"], "x-app-token": vendor["app_token"]}
    refused = [
        await careful.put(PROGRAM, OTHER),
        await careful.put(PROGRAM, OTHER | {"based_on": 1, "supersede": True}),
        await careful.put("/api/programs/new", CLUB),
        await maya.call("PUT", PROGRAM, OTHER),
    ]
    assert {each.problem[:2] for each in refused} == {(409, "approval_needed")}
    campaign = await careful.call("POST", "/v1/campaigns", {"name": "C"}, key="", headers=headers)
    assert campaign.status == 400
    assert "needs a second person's approval" in campaign.json["details"]
    assert (await careful.put(PROGRAM, CLUB)).status == 200
    catalog = careful.installation.catalog
    rules = (await catalog.need_program(1, "club"))[1].versions[0].rules
    other = Rules("Other", rules.policy)
    with pytest.raises(ApprovalNeeded), acting(user_actor("somebody")):
        await catalog.put_program(1, "club", NewVersion(other, "{}"), wall())
    assert len((await careful.get(PROGRAM)).json["versions"]) == 1
    assert len((await careful.get("/api/programs")).json["programs"]) == 1


async def test_nobody_approves_their_own(careful: Api, maya: Browser, noor: Browser) -> None:
    """Neither as who proposed it, nor by a key, nor what a key of theirs proposed."""
    own = await proposed(maya)
    assert (await maya.post(f"{CHANGES}/{own}/approve")).problem[:2] == (403, "own_change")
    assert (await careful.post(f"{CHANGES}/{own}/approve")).problem[:2] == (403, "person_needed")
    adam = await joined(careful, "adam@example.com", "admin")
    key = (await adam.post("/api/keys", {"scopes": ["read_programs", "write_programs"]})).json
    answered = await careful.post(PROPOSE, OTHER, key=key["key"])
    assert answered.json["proposer"] == key["id"]
    by_key = f"{CHANGES}/{answered.json['id']}/approve"
    assert (await adam.post(by_key)).problem[:2] == (403, "own_change")
    assert (await careful.post(by_key, key=key["key"])).problem[:2] == (403, "person_needed")
    assert await name_of(careful) == CLUB["name"]
    assert (await noor.post(by_key)).status == 200


async def test_who_made_a_key_is_never_forgotten(careful: Api, noor: Browser) -> None:
    """Neither behind another key, nor when the audit log of that time is gone."""
    adam = await joined(careful, "adam@example.com", "admin")
    scopes = ["read_programs", "write_programs"]
    first = (await adam.post("/api/keys", {"scopes": [*scopes, "manage_keys"]})).json
    second = (await careful.post("/api/keys", {"scopes": scopes}, key=first["key"])).json
    id_ = (await careful.post(PROPOSE, OTHER, key=second["key"])).json["id"]
    own = await adam.post(f"{CHANGES}/{id_}/approve")
    kinds_before = await kinds(careful)
    await careful.installation.database.pool.execute(RetentionSql.drop_audit, "aud_z")
    later = await adam.post(f"{CHANGES}/{id_}/approve")
    assert kinds_before
    assert await kinds(careful) == []
    assert [each.problem[:2] for each in (own, later)] == [(403, "own_change")] * 2
    assert (await noor.post(f"{CHANGES}/{id_}/approve")).status == 200


async def test_nothing_is_proposed_in_a_deleted_project(careful: Api) -> None:
    """Neither by a process that has not heard of it yet."""
    catalog = careful.installation.catalog
    project = catalog.project(1)
    await catalog.change_state(StateChange(1, "deleted"))
    new = ProposedChange("club", "{}", "{}", None, "next_assessment", supersede=False, reason="")
    with pytest.raises(NotFound):
        async with catalog.changing() as (connection, _):
            await change_requests.add(connection, project, new, 0)
    count = "SELECT count(*) FROM change_request"
    assert await careful.installation.database.pool.fetchval(count) == 0


@pytest.mark.parametrize("role", ["viewer", "support"])
async def test_it_takes_a_role_that_changes_programs(
    careful: Api, maya: Browser, role: str
) -> None:
    """Who reads programs sees what is proposed, and no more."""
    id_ = await proposed(maya)
    vera = await joined(careful, "vera@example.com", role)
    assert (await vera.get(f"{CHANGES}/{id_}")).status == 200
    for path in (f"{CHANGES}/{id_}/approve", f"{CHANGES}/{id_}/turn-down"):
        assert (await vera.post(path)).problem[:2] == (403, "forbidden")
    assert (await vera.post(PROPOSE, OTHER)).problem[:2] == (403, "forbidden")


async def test_who_is_bound_by_it_cannot_end_it(careful: Api, maya: Browser) -> None:
    """The setting is an admin's, either way; whatever else of the project is changed, it stays."""
    for value in (False, None):
        answered = await maya.call("PATCH", "/api/project", {"program_approval": value})
        assert answered.status == (403 if value is False else 200)
    assert (await maya.call("PATCH", "/api/project", ASKED | {"name": "Shop 2"})).status == 200
    assert (await careful.get("/api/project")).json["program_approval"] is True
    off = await careful.call("PATCH", "/api/project", {"program_approval": False})
    assert off.status == 200
    (line, *_) = (await careful.get("/api/audit?kind=project.changed")).json["changes"]
    assert (line["before"], line["after"]) == (
        {"program_approval": True},
        {"program_approval": False},
    )
    assert (await careful.put(PROGRAM, OTHER)).status == 200


async def test_another_process_cannot_undo_the_setting(careful: Api) -> None:
    """One that has not heard of it yet writes no version, and changes nothing else than it said."""
    here = careful.installation
    stale = await Catalog.open(here.database, here.catalog.box)
    project = here.catalog.project(1)
    await stale.change_project(1, ProjectChange(program_approval=False))
    stale._projects[1] = here.catalog.project(1)
    await here.catalog.change_project(1, ProjectChange(program_approval=True))
    await stale.change_project(1, ProjectChange(name="Renamed"))
    assert here.catalog.project(1).program_approval is project.program_approval is True
    stale._projects[1] = here.catalog.project(1)
    rules = (await here.catalog.need_program(1, "club"))[1].versions[0].rules
    new = NewVersion(Rules("Other", rules.policy), "{}")
    with pytest.raises(ApprovalNeeded):
        await stale.put_program(1, "club", new, wall())


async def test_what_another_change_overtook_is_refused(
    careful: Api, maya: Browser, noor: Browser
) -> None:
    """It says so in the list, too, and can be turned down."""
    first, second = await proposed(maya), await proposed(maya, name="Second")
    assert (await noor.post(f"{CHANGES}/{second}/approve")).status == 200
    answered = await noor.post(f"{CHANGES}/{first}/approve")
    assert answered.problem == (409, "change_outdated", "change")
    assert (await careful.get(f"{CHANGES}/{first}")).json["outdated"] is True
    assert await name_of(careful) == "Second"
    late = await maya.post(PROPOSE, OTHER | {"based_on": 1})
    assert late.problem == (409, "change_outdated", "based_on")
    assert (await noor.post(f"{CHANGES}/{first}/turn-down")).json["state"] == "rejected"
    soon = await proposed(maya, effective_at="2199-01-01T00:00:00Z")
    await careful.installation.database.pool.execute(
        "UPDATE change_request SET effective_at = 1 WHERE id = $1", soon
    )
    assert (await noor.post(f"{CHANGES}/{soon}/approve")).problem == (
        *(400, "invalid"),
        "effective_at",
    )
    assert (await maya.post(f"{CHANGES}/{soon}/turn-down")).json["state"] == "withdrawn"


async def test_only_one_decision_counts(careful: Api, maya: Browser, noor: Browser) -> None:
    """Two who approve at once make one version; what is decided stays so."""
    omar = await joined(careful, "omar@example.com", "manager")
    id_ = await proposed(maya)
    answers = await asyncio.gather(
        *(each.post(f"{CHANGES}/{id_}/approve") for each in (noor, omar, noor, omar))
    )
    assert sorted(each.status for each in answers) == [200, 409, 409, 409]
    assert len((await careful.get(PROGRAM)).json["versions"]) == 2
    gone = await proposed(maya, name="Third")
    assert (await noor.post(f"{CHANGES}/{gone}/turn-down")).json["state"] == "rejected"
    for path in ("approve", "turn-down"):
        answer = await noor.post(f"{CHANGES}/{gone}/{path}")
        assert answer.problem == (409, "change_decided", "change")
    assert (await noor.post(f"{CHANGES}/none/approve")).problem[:2] == (404, "not_found")


async def test_a_program_begins_by_a_change_too(careful: Api, maya: Browser, noor: Browser) -> None:
    """And a change may come into force later: its instant is as it was proposed."""
    new = (await maya.post("/api/programs/vip/change-requests", CLUB)).json
    assert (new["based_on"], (await careful.get("/api/programs/vip")).status) == (0, 404)
    assert (await noor.post(f"{CHANGES}/{new['id']}/approve")).json["version"] == 1
    assert (await careful.get("/api/programs/vip")).status == 200
    at = "2199-01-01T00:00:00.000Z"
    id_ = await proposed(maya, effective_at=at, on_change="rejudge")
    assert (await noor.post(f"{CHANGES}/{id_}/approve")).status == 200
    newest = (await careful.get(PROGRAM)).json["versions"][0]
    assert (newest["effective_at"], newest["on_change"]) == (at, "rejudge")
    assert await name_of(careful) == CLUB["name"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (CLUB, (409, "nothing_proposed", "policy")),
        ({"name": "x"}, (400, "invalid", "policy")),
        (OTHER | {"effective_at": "soon"}, (400, "invalid", "effective_at")),
        (OTHER | {"reason": "x" * 2001}, (400, "invalid", "reason")),
        (OTHER | {"reason": "\x07"}, (400, "invalid", "reason")),
        (OTHER | {"policy": FALLING}, (422, "rules_invalid", "policy.tiers[1].from")),
    ],
)
async def test_what_a_put_would_refuse_cannot_be_proposed(
    careful: Api, maya: Browser, body: Any, problem: Any
) -> None:
    assert (await maya.post(PROPOSE, body)).problem == problem
    assert (await careful.get(CHANGES)).json["changes"] == []


async def test_so_many_wait_and_are_listed_in_pages(careful: Api, maya: Browser) -> None:
    """The newest first; of one project alone."""
    ids = [await proposed(maya, name=f"N{n}") for n in range(5)]
    pages, after = [], ""
    while True:
        page = (await careful.get(f"{CHANGES}?limit=2{after}&program=club")).json
        pages += [line["id"] for line in page["changes"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert pages == ids[::-1]
    for query in ("program=%00", "after=%00", "state=none", "limit=0", "limit=101", "colour=red"):
        assert (await careful.get(f"{CHANGES}?{query}")).status == 400, query
    assert (await careful.get(f"{CHANGES}?after=chg_")).json == {"changes": [], "next": None}
    await careful.installation.database.pool.execute(
        "INSERT INTO change_request SELECT (jsonb_populate_record(c, jsonb_build_object('id',"
        " 'chg_' || n))).* FROM change_request c, generate_series(1, 95) n WHERE c.id = $1",
        ids[0],
    )
    assert (await maya.post(PROPOSE, OTHER)).problem[:2] == (413, "too_large")
