"""A parameter that there is not is refused on every route: what it asked for would not be done."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.web.conftest import CLUB, Api
from tierline.web.asgi import OPERATIONS
from tierline.web.routes.open_id import CALLBACK
from tierline.web.routing import Operation

ACTIVITIES = "/api/programs/club/activities"
EARN = {"key": "order-1", "customer": "anna", "kind": "earn", "points": 5}
# A provider sends what it likes along.
STRICT = [operation for operation in OPERATIONS if operation.path != CALLBACK]
BODILESS = [
    operation
    for operation in STRICT
    if operation.method != "GET" and operation.body is None and not operation.reads_body
]


def address(operation: Operation) -> str:
    return re.sub(r"\{\w+\}", "anna", operation.path.replace("{program}", "club"))


async def test_an_unknown_parameter_is_refused_everywhere(club: Api) -> None:
    """With the name of each that exists; before anything else is looked at."""
    for operation in STRICT:
        body: Any = {} if operation.body is not None else None
        target = f"{address(operation)}?dry_run=true"
        answered = await club.call(operation.method, target, body)
        assert answered.problem == (400, "invalid", "dry_run"), target
        query: Any = operation.query
        there = () if query is None else query.__struct_encode_fields__
        detail = answered.json["detail"]
        assert detail.endswith(f"this path takes {', '.join(there) or 'none'}."), detail


@pytest.mark.parametrize(
    "query", ["dry_run=true", "dry_run", "=", "a=/activities", f"program={ACTIVITIES}"]
)
async def test_an_activity_with_a_parameter_is_not_recorded(anna: Api, query: str) -> None:
    """Whichever way it comes, also where the short way was gone before."""
    assert (await anna.earn("anna", 1)).status == 200
    lines = {"content-type": "application/x-ndjson"}
    for body, headers in ((EARN, {}), ([EARN], {}), (json.dumps(EARN).encode(), lines)):
        answered = await anna.post(f"{ACTIVITIES}?{query}", body, headers=headers)
        assert answered.problem == (400, "invalid", query.partition("=")[0] or None)
    member = await anna.get("/api/programs/club/members/anna")

    assert member.json["points"]["balance"] == 2
    assert (await anna.post(f"{ACTIVITIES}?", EARN)).json["balance"] == 7


async def test_a_parameter_that_comes_twice_is_refused(club: Api) -> None:
    """Which of the two was meant is not ours to guess."""
    answered = await club.get("/api/customers?limit=1&limit=2")

    assert answered.problem == (400, "invalid", "limit")


async def test_null_is_no_value_of_a_parameter(club: Api) -> None:
    """It would be passed over; what is not meant is left out."""
    for target in (
        "/api/programs/club?version=null",
        "/api/programs/club/members?balance_min=null",
    ):
        answered = await club.get(target)
        assert answered.problem[:2] == (400, "invalid"), target
        assert "leave the parameter out" in answered.json["detail"]


async def test_who_has_no_key_is_not_told_of_parameters(club: Api) -> None:
    """The key comes first."""
    for path in ("/api/customers?x=1", f"{ACTIVITIES}?x=1"):
        method = "POST" if path.startswith(ACTIVITIES) else "GET"
        answered = await club.call(method, path, key="none")
        assert answered.problem[:2] == (401, "unauthorized")


async def test_a_body_that_nobody_reads_is_refused(club: Api) -> None:
    """It would be passed over, too."""
    for operation in BODILESS:
        bodies: tuple[Any, ...] = ({"dry_run": True}, b"x")
        for body in bodies:
            answered = await club.call(operation.method, address(operation), body)
            assert answered.problem == (400, "invalid", None), (operation.path, answered.body)
    assert (await club.get("/api/programs/club")).json["name"] == CLUB["name"]


async def test_an_empty_object_is_no_body(club: Api) -> None:
    """Some clients send one with every request."""
    bodies: tuple[Any, ...] = ({}, b"", b" {}\n")
    for body in bodies:
        assert (await club.post("/api/programs/club/pause", body)).status == 200
