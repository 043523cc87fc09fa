"""Bad input: what is wrong is said with its field, and nothing of it is applied.

Each case is sent to a running server; afterwards everything that can be read is as it was before.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Struct

from tests.e2e.caller import STAIRS, Caller, Json
from tests.e2e.process import Served, tierline

PROGRAM = "/api/programs/bad"
ACTIVITIES = f"{PROGRAM}/activities"
NDJSON = "application/x-ndjson"
GOOD = {"customer": "anna", "kind": "earn", "points": 5}
DEEP = b'{"customer":"anna","kind":"earn","points":5,"metadata":{"k":%s}}'


class Case(Struct, frozen=True):
    """A request, and what the answer must say: status, code, field."""

    name: str
    method: str
    path: str
    body: Any
    status: int
    code: str
    field: str | None


def earn(name: str, field: str | None, code: str = "invalid", **changed: Any) -> Case:
    """An activity that is right but for one thing."""
    return Case(name, "POST", ACTIVITIES, {**GOOD, **changed}, 400, code, field)


def raw(name: str, text: bytes, field: str | None, code: str = "invalid") -> Case:
    """An activity as bytes, for what no JSON writer would write."""
    return Case(name, "POST", ACTIVITIES, text, 413 if code == "too_large" else 400, code, field)


def program(name: str, field: str | None, code: str = "invalid", **policy: Any) -> Case:
    """The stairs with a part of the policy that is wrong."""
    body = {**STAIRS, "policy": {**STAIRS["policy"], **policy}}
    return Case(name, "PUT", PROGRAM, body, 422 if code == "rules_invalid" else 400, code, field)


def tiers(*bounds: tuple[Any, Any]) -> list[Json]:
    return [
        {"id": f"t{i}", "name": f"T{i}", "from": from_} | ({} if to is None else {"to": to})
        for i, (from_, to) in enumerate(bounds)
    ]


UNKNOWN = [
    Case("program of an activity", "POST", "/api/programs/none/activities", GOOD,
         404, "not_found", "program"),
    Case("program", "GET", "/api/programs/none", None, 404, "not_found", "program"),
    Case("member", "GET", f"{PROGRAM}/members/nobody", None, 404, "not_found", "source_id"),
    Case("customer", "GET", "/api/customers/nobody", None, 404, "not_found", "source_id"),
    Case("endpoint", "GET", "/api/endpoints/ep_none", None, 404, "not_found", "endpoint"),
    Case("key", "DELETE", "/api/keys/key_none", None, 404, "not_found", None),
    Case("path", "GET", "/api/nothing", None, 404, "no_such_path", None),
    Case("original", "POST", ACTIVITIES, {"customer": "anna", "kind": "void", "of": "none"},
         409, "unknown_original", "of"),
    Case("program of an endpoint", "POST", "/api/endpoints",
         {"url": "http://127.0.0.1:1/", "program": "none"}, 404, "not_found", "programs[0]"),
    Case("cursor", "GET", "/api/events?after=x", None, 400, "invalid", "after"),
]  # fmt: skip
LADDERS = [
    program("overlapping tiers", "policy.tiers[1].from", "rules_invalid",
            tiers=tiers((0, 99), (99, None))),
    program("a tier inside another", "policy.tiers[1].from", "rules_invalid",
            tiers=tiers((0, 500), (100, 200))),
    program("a tier that ends before it begins", "policy.tiers[0].to", "rules_invalid",
            tiers=tiers((100, 50))),
    program("a negative bound", "policy.tiers[1].from", "rules_invalid",
            tiers=tiers((0, 99), (-5, None))),
    program("a huge bound", "policy.tiers[0].from", tiers=tiers((10**30, None))),
    program("a fractional bound", "policy.tiers[0].from", tiers=tiers((0.5, None))),
    program("a bound as text", "policy.tiers[0].from", tiers=tiers(("100", None))),
    program("an unknown metric", "policy.metric.source", metric={"source": "karma"}),
    program("an unknown part", "policy.colour", colour="red"),
    program("a length that is none", "policy.window.length", "rules_invalid",
            metric={"source": "earned"}, window={"type": "rolling", "length": "P0D"}),
    program("a length without end", "policy.window.length", metric={"source": "earned"},
            window={"type": "rolling", "length": "P999999999Y"}),
    Case("duplicate keys", "PUT", PROGRAM,
         b'{"name":"a","policy":{"tiers":[{"id":"a","name":"A","from":1,"from":2}]}}',
         400, "invalid", "policy.tiers[0].from"),
    Case("not a number", "PUT", PROGRAM,
         b'{"name":"a","policy":{"tiers":[{"id":"a","name":"A","from":NaN}]}}',
         400, "invalid", "policy.tiers[0].from"),
    Case("NUL in a name", "PUT", PROGRAM, {**STAIRS, "name": "a\0b"}, 400, "invalid", "name"),
    Case("NUL in a tier's name", "PUT", PROGRAM,
         {**STAIRS, "policy": {"tiers": [{"id": "a", "name": "A\0"}]}},
         400, "invalid", "policy.tiers[0].name"),
    Case("no such format", "PUT", PROGRAM, {"name": "a", "format": "punchcard", "settings": {}},
         400, "invalid", "format"),
]  # fmt: skip
ACTIVITY = [
    earn("negative points", "points", points=-1),
    earn("no points", "points", points=0),
    earn("huge points", "points", points=10**18),
    earn("points beyond 64 bits", "points", points=10**30),
    earn("a fraction of a point", "points", points=1.5),
    earn("a float", "points", points=1e300),
    earn("points as text", "points", points="5"),
    earn("points that are true", "points", points=True),
    raw("not a number", b'{"customer":"anna","kind":"earn","points":NaN}', "points"),
    raw("infinite points", b'{"customer":"anna","kind":"earn","points":-Infinity}', "points"),
    raw("beyond any double", b'{"customer":"anna","kind":"earn","points":1e999}', "points"),
    earn("a kind that is none", "kind", kind="steal"),
    earn("a field that is none", "pints", pints=5),
    earn("an empty customer", "customer", customer=""),
    earn("a customer of 201 characters", "customer", customer="x" * 201),
    earn("NUL in the customer", "customer", customer="an\0na"),
    earn("a line end in the key", "key", key="a\nb"),
    earn("an empty key", "key", key=""),
    earn("NUL in the key that it speaks of", "of", kind="void", points=None, of="a\0"),
    earn("wrong currency", "currency", kind="order", points=5, amount=100, currency="EUR"),
    earn("negative money", "amount", kind="order", points=5, amount=-100),
    earn("an instant without a zone", "occurred_at", occurred_at="2024-01-01T00:00:00"),
    earn("a day that is none", "occurred_at", occurred_at="2024-02-30T00:00:00Z"),
    earn("tomorrow", "occurred_at", occurred_at="2199-01-01T00:00:00Z"),
    earn("NUL in metadata", "metadata.a.b[1]", metadata={"a": {"b": ["x", "y\0"]}}),
    earn("NUL in a name of metadata", "metadata", metadata={"a\0": 1}),
    earn("half a character in metadata", "metadata.a", metadata={"a": "\ud800"}),
    raw("a number of metadata that is none", DEEP % b"1e999", "metadata.k"),
    raw(
        "metadata of 30 levels",
        DEEP % (b"[" * 30 + b"]" * 30),
        f"metadata.k{'[0]' * 15}",
        "too_large",
    ),
    raw("metadata of 100,000 levels", DEEP % (b"[" * 100_000 + b"]" * 100_000), None),
    raw("metadata of 100 kB", DEEP % (b'"' + b"x" * 100_000 + b'"'), "metadata", "too_large"),
    raw("broken UTF-8", b'{"customer":"an\xffna","kind":"earn","points":5}', None),
    raw("cut short", b'{"customer":"anna","kind":"ea', None),
    raw("nothing", b"", None),
    raw("a number", b"5", None),
    raw("two objects", b'{"customer":"anna","kind":"earn","points":5}{}', None),
    raw("10 MB", b" " * (10 << 20), None, "too_large"),
    raw("an object of 2 MB", b'{"customer":"' + b"x" * (2 << 20) + b'"}', None, "too_large"),
]
OTHER = [
    Case("wrong time zone", "PATCH", "/api/project", {"time_zone": "Mars/Phobos"},
         400, "invalid", "time_zone"),
    Case("a time zone by its offset", "PATCH", "/api/project", {"time_zone": "+02:00"},
         400, "invalid", "time_zone"),
    Case("a path as a time zone", "PATCH", "/api/project", {"time_zone": "../../etc/passwd"},
         400, "invalid", "time_zone"),
    Case("wrong currency", "PATCH", "/api/project", {"currency": "dollars"},
         400, "invalid", "currency"),
    Case("broken UTF-8", "PUT", "/api/customers/anna", b'{"name":"\xff"}', 400, "invalid", None),
    Case("duplicate keys", "PUT", "/api/customers/anna", b'{"name":"a","name":"b"}',
         400, "invalid", "name"),
    Case("10 MB", "PUT", "/api/customers/anna", b" " * (10 << 20), 413, "too_large", None),
    Case("a clock on wall time", "POST", "/api/clock", {"advance_to": "2030-01-01T00:00:00Z"},
         422, "refused", "advance_to"),
    Case("a private address", "POST", "/api/endpoints", {"url": "http://10.0.0.1/"},
         400, "invalid", "url"),
    Case("no address", "POST", "/api/endpoints", {"url": "nonsense"}, 400, "invalid", "url"),
    Case("a kind that is none", "POST", "/api/endpoints",
         {"url": "http://127.0.0.1:1/", "kinds": ["upgraded", "promoted"]},
         400, "invalid", "kinds[1]"),
    Case("a scope that is none", "POST", "/api/keys", {"scopes": ["everything"]},
         403, "forbidden", "scopes"),
    Case("a page too large", "GET", "/api/events?limit=5000", None, 400, "invalid", "limit"),
    Case("a tier that is none", "PUT", f"{PROGRAM}/members/anna", {"tier": "platinum"},
         400, "invalid", "tier"),
    Case("a number beyond any ledger", "PUT", f"{PROGRAM}/members/anna/attributes",
         {"attributes": {"vip": True, "age": 2**70}}, 400, "invalid", "attributes.age"),
    Case("NUL in an email", "POST", "/api/users", {"email": "a\0@b.c", "role": "admin"},
         400, "invalid", "email"),
    Case("NUL in a label", "POST", "/api/keys", {"label": "a\0"}, 400, "invalid", "label"),
    Case("NUL in a path", "PUT", "/api/customers/a%00b", {}, 400, "invalid", "source_id"),
]  # fmt: skip
CASES = [*UNKNOWN, *LADDERS, *ACTIVITY, *OTHER]


async def everything(caller: Caller) -> Any:
    """What can be read of the project; a change anywhere shows here. When a key was used last is
    no change."""
    paths = ("project", "programs", "programs/bad", "endpoints", "customers/anna")
    read = [await caller.get(f"/api/{path}") for path in paths]
    keys = await caller.get("/api/keys")
    read.append({key["id"]: key["disabled_at"] for key in keys["keys"]})
    member = await caller.get(f"{PROGRAM}/members/anna")
    member.pop("at")
    return [*read, member, await caller.feed()]


@pytest.fixture
async def stairs(caller: Caller) -> Caller:
    """The program `bad`, with a member who has 60 points."""
    await caller.put(PROGRAM, STAIRS)
    await caller.post(ACTIVITIES, GOOD | {"points": 60, "key": "first"})
    return caller


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path}: {case.name}")
async def test_what_is_wrong_is_named_and_nothing_is_written(stairs: Caller, case: Case) -> None:
    """A problem with a stable code and the field's path, in words; the project is as before."""
    before = await everything(stairs)
    answered = await stairs.call(case.method, case.path, case.body)

    assert answered.problem == (case.status, case.code, case.field), answered.body
    problem = answered.json
    assert problem["status"] == case.status
    assert problem["type"].endswith(case.code)
    assert len(problem["detail"]) > 15
    assert "Traceback" not in problem["detail"]
    assert "msgspec" not in problem["detail"]
    assert await everything(stairs) == before


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"points": -1}, "points"),
        ({"customer": ""}, "customer"),
        ({"metadata": {"a": "\0"}}, "metadata.a"),
    ],
)
async def test_one_bad_item_of_an_array_stops_all(
    stairs: Caller, position: int, bad: Json, field: str
) -> None:
    """Wherever it stands: its path has its number, and the good ones are not recorded."""
    sent = [GOOD, GOOD, GOOD]
    sent[position] = {**GOOD, **bad}
    before = await everything(stairs)
    answered = await stairs.call("POST", ACTIVITIES, sent)

    assert answered.problem == (400, "invalid", f"activities[{position}].{field}")
    assert await everything(stairs) == before


async def test_a_refused_item_of_an_array_is_answered_in_its_place(stairs: Caller) -> None:
    """What is well-formed but impossible stops nobody; exactly the others are recorded."""
    sent: list[Json] = [GOOD, GOOD | {"kind": "redeem", "points": 10**9}, GOOD]
    answers = await stairs.post(ACTIVITIES, sent)

    assert [answer.get("code") for answer in answers] == [None, "insufficient_points", None]
    assert answers[2]["balance"] == answers[0]["balance"] + 5
    assert await stairs.balance("bad", "anna") == answers[2]["balance"]


async def test_a_bad_line_of_ndjson_is_answered_in_its_place(stairs: Caller) -> None:
    """Each line is its own: broken UTF-8 in one does not hurt the next."""
    before = await stairs.balance("bad", "anna")
    good = json.dumps(GOOD).encode()
    lines = [good, b'{"customer":"\xff"}', b"[]", good]
    answered = await stairs.call("POST", ACTIVITIES, b"\n".join(lines), content_type=NDJSON)
    answers = [json.loads(line) for line in answered.body.splitlines()]

    assert [line.get("code") for line in answers] == [None, "invalid", "invalid", None]
    assert answers[1]["path"].startswith("lines[1]")
    assert await stairs.balance("bad", "anna") == before + 10


def test_a_wrong_project_on_the_command_line_is_one_sentence(standing_server: Served) -> None:
    """Wrong zone, currency or clock: said with its value, and no project is made."""
    place = standing_server.data_dir
    before = tierline("project", "list", "--json", data_dir=place).stdout
    wrong = {"--time-zone": "Mars/Phobos", "--currency": "dollars", "--clock": "yesterday"}
    for option, value in wrong.items():
        refused = tierline("project", "create", "X", option, value, data_dir=place)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert value in refused.stderr or option in refused.stderr

    assert tierline("project", "list", "--json", data_dir=place).stdout == before
