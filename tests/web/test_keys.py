"""Who may do what: keys, scopes, and what is open."""

from __future__ import annotations

import json
import re

import pytest

from tests.web.conftest import Api
from tierline.clock import wall
from tierline.store.catalog.projects import NewProject
from tierline.web.asgi import OPERATIONS


async def key_with(api: Api, *scopes: str) -> str:
    answered = await api.post("/api/keys", {"scopes": list(scopes)})
    assert answered.status == 201
    made: str = answered.json["key"]
    return made


@pytest.mark.parametrize("key", ["", "tk_wrong", "tk_" + "0" * 64], ids=["none", "short", "other"])
async def test_without_a_good_key_nothing_is_told(club: Api, key: str) -> None:
    """Every operation that is not open asks for one."""
    for operation in OPERATIONS:
        if operation.open:
            continue
        path = re.sub(r"{\w+}", "club", operation.path)
        answered = await club.call(operation.method, path, key=key)
        assert answered.problem[:2] == (401, "unauthorized"), path
        assert answered.headers["www-authenticate"].startswith("Bearer")


async def test_every_operation_asks_for_its_scopes(club: Api) -> None:
    """A key with none of them is told which it lacks. A token has no more rights than its key."""
    bare = await key_with(club, "manage_keys")
    for operation in OPERATIONS:
        if operation.open or operation.scopes == ("manage_keys",):
            continue
        if operation.path.startswith("/api/tokens"):
            continue
        path = re.sub(r"{\w+}", "club", operation.path)
        answered = await club.call(operation.method, path, key=bare)
        assert answered.problem[:2] == (403, "forbidden"), path


async def test_a_key_passes_on_only_what_it_holds(api: Api) -> None:
    """Nobody makes themselves more than they are."""
    modest = await key_with(api, "manage_keys", "read_programs")
    more = await api.post("/api/keys", {"scopes": ["write_programs"]}, key=modest)
    same = await api.post("/api/keys", {}, key=modest)

    assert more.problem == (403, "forbidden", "scopes")
    assert same.json["scopes"] == ["read_programs", "manage_keys"]


async def test_who_may_only_write_customers_does_not_read_them(club: Api) -> None:
    """Neither by a change that changes nothing nor by enrolling who is enrolled."""
    writer = await key_with(club, "write_customers")
    full = await club.put("/api/customers/anna", {"email": "anna@example.com"})
    put = await club.put("/api/customers/anna", {}, key=writer)
    enrolled = await club.put("/api/programs/club/members/anna", {}, key=writer)

    assert (put.status, put.json) == (
        200,
        {name: full.json[name] for name in ("id", "number", "source_id")},
    )
    assert (enrolled.json["tier"], enrolled.json["balance"]) == ("bronze", 0)
    assert "customer_id" not in enrolled.json
    assert "progress" in (await club.put("/api/programs/club/members/anna", {})).json


async def test_a_disabled_key_is_refused_at_once(api: Api) -> None:
    """And stays in the list, without its secret."""
    made = (await api.post("/api/keys", {})).json
    assert (await api.get("/api/project", key=made["key"])).status == 200

    assert (await api.call("DELETE", f"/api/keys/{made['id']}")).status == 204
    refused = await api.get("/api/project", key=made["key"])
    listed = await api.get("/api/keys")

    assert refused.problem[:2] == (401, "unauthorized")
    line = next(line for line in listed.json["keys"] if line["id"] == made["id"])
    assert line["disabled_at"] is not None
    assert made["key"] not in listed.body.decode()


async def test_a_key_of_another_project_is_not_ours_to_disable(api: Api) -> None:
    """It is not even there."""
    other = await api.installation.catalog.add_project(NewProject("Other"), wall())
    theirs = await api.installation.catalog.add_key(other.number, "native", (), "", wall())
    answered = await api.call("DELETE", f"/api/keys/{theirs['id']}")

    assert answered.problem[:2] == (404, "not_found")
    assert (await api.get("/api/project", key=theirs["key"])).status == 200


async def test_a_vendor_key_opens_no_native_door(api: Api) -> None:
    """Each kind has doors of its own."""
    made = (await api.post("/api/keys", {"kind": "loyaltylion"})).json
    answered = await api.get("/api/project", key=made["key"])

    assert answered.problem[:2] == (401, "unauthorized")


@pytest.mark.parametrize("kind", ["voucherify", "loyaltylion"])
async def test_a_vendor_keys_secret_needs_what_it_may_sign(api: Api, kind: str) -> None:
    """It signs what customers do, so that only who may read customers is shown it."""
    keeper = await key_with(api, "manage_keys", "manage_endpoints", "write_customers")
    reader = await key_with(api, "manage_keys", "read_customers")
    refused = await api.post("/api/keys", {"kind": kind}, key=keeper)
    listed = (await api.get("/api/keys")).json["keys"]
    made = await api.post("/api/keys", {"kind": kind}, key=reader)

    assert refused.problem == (403, "forbidden", "kind")
    assert "read_customers" in refused.json["detail"]
    assert kind not in {line["kind"] for line in listed}
    assert made.status == 201
    assert made.json["scopes"][:2] == ["read_customers", "manage_keys"]
    assert not {"write_customers", "write_orders"} & set(made.json["scopes"])


async def test_a_door_that_keys_share_opens_no_more_than_its_viewer_may(api: Api) -> None:
    """LoyaltyLion's site token came with the first key and its scopes; who makes another key is
    shown it, and would be raised by it."""
    first = (await api.post("/api/keys", {"kind": "loyaltylion"})).json
    modest = await key_with(api, "manage_keys", "read_customers")
    refused = await api.post("/api/keys", {"kind": "loyaltylion"}, key=modest)
    again = await api.post("/api/keys", {"kind": "loyaltylion"})

    assert refused.problem == (403, "forbidden", "kind")
    assert first["site_token"] not in refused.body.decode()
    assert again.json["site_token"] == first["site_token"]


async def test_projects_do_not_see_each_other(club: Api) -> None:
    """The same ids mean other things under another key."""
    other = await club.installation.catalog.add_project(NewProject("Other"), wall())
    theirs = (await club.installation.catalog.add_key(other.number, "native", (), "", wall()))[
        "key"
    ]
    await club.earn("anna", 500)

    assert (await club.get("/api/programs/club", key=theirs)).status == 404
    assert (await club.get("/api/customers/anna", key=theirs)).status == 404
    assert (await club.get("/api/events", key=theirs)).json["events"] == []


async def test_a_key_shows_how_it_begins_and_when_it_was_used(api: Api) -> None:
    """Never more of it; a call is noted by whichever way it comes."""
    made = (await api.post("/api/keys", {"scopes": ["read_programs"]})).json
    lines = {each["id"]: each for each in (await api.get("/api/keys")).json["keys"]}
    assert (lines[made["id"]]["beginning"], lines[made["id"]]["last_used_at"]) == (
        made["key"][:9],
        None,
    )
    assert (await api.get("/api/project", key=made["key"])).status == 200
    after = {each["id"]: each for each in (await api.get("/api/keys")).json["keys"]}
    assert after[made["id"]]["last_used_at"] is not None
    assert made["key"] not in json.dumps(after)
