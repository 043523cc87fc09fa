"""Bad input gets a clear error that names the field, and nothing is half-applied."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest

from tests.web.conftest import CLUB, Api

ACTIVITIES = "/api/programs/club/activities"


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    """The club's program with one thing different."""
    body = copy.deepcopy(CLUB)
    inner: Any = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return body


TIER1 = ["policy", "tiers", 1]


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (changed([*TIER1, "from"], 99), "rules_invalid", "policy.tiers[1].from"),
        (changed([*TIER1, "from"], -5), "rules_invalid", "policy.tiers[1].from"),
        (changed([*TIER1, "from"], 2**60), "invalid", "policy.tiers[1].from"),
        (changed([*TIER1, "from"], "100"), "invalid", "policy.tiers[1].from"),
        (changed([*TIER1, "from"], 100.5), "invalid", "policy.tiers[1].from"),
        (changed([*TIER1, "id"], "gold"), "rules_invalid", "policy.tiers[2].id"),
        (changed([*TIER1, "colour"], "red"), "invalid", "policy.tiers[1].colour"),
        (changed(["policy", "metric", "source"], "karma"), "invalid", "policy.metric.source"),
        (
            changed(["policy", "window"], {"type": "rolling", "length": "1 year"}),
            "invalid",
            "policy.window.length",
        ),
        (
            changed(
                ["policy", "window"], {"type": "cycle", "length": "P1Y", "anchor": "2024-02-30"}
            ),
            "rules_invalid",
            "policy.window.anchor",
        ),
        (changed([*TIER1, "entry"], {"type": "range", "metric": "x"}), "rules_invalid",
         "policy.tiers[1].entry"),
        (changed(["effective_at"], "2020-01-01T00:00:00Z"), "invalid", "effective_at"),
        (changed(["effective_at"], "tomorrow"), "invalid", "effective_at"),
        ({"name": "Club"}, "invalid", "policy"),
        ({"policy": CLUB["policy"]}, "invalid", "name"),
        ({"name": "x", "format": "punchcard", "settings": {}}, "invalid", "format"),
        ({"name": "x", "settings": {}}, "invalid", "settings"),
        ([], "invalid", None),
    ],
)  # fmt: skip
async def test_a_wrong_program_names_the_field(
    api: Api, body: Any, code: str, path: str | None
) -> None:
    """And no program is made."""
    answered = await api.put("/api/programs/club", body)

    assert answered.problem[1:] == (code, path), answered.body
    assert (await api.get("/api/programs/club")).status == 404


async def test_every_finding_of_a_wrong_ladder_is_told_at_once(api: Api) -> None:
    """One wrong tier does not hide the next."""
    body = changed([*TIER1, "from"], 50)
    body["policy"]["tiers"][2]["id"] = "bronze"
    answered = await api.put("/api/programs/club", body)

    assert [error["path"] for error in answered.json["errors"]] == [
        "policy.tiers[2].id",
        "policy.tiers[1].from",
    ]


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (b'{"customer":"a","kind":"earn","points":-1}', "invalid", "points"),
        (b'{"customer":"a","kind":"earn","points":0}', "invalid", "points"),
        (b'{"customer":"a","kind":"earn","points":1e400}', "invalid", "points"),
        (b'{"customer":"a","kind":"earn","points":123456789012345678901}', "invalid", "points"),
        (b'{"customer":"a","kind":"earn","points":NaN}', "invalid", "points"),
        (b'{"customer":"a","kind":"earn","points":1.5}', "invalid", "points"),
        (b'{"customer":"a","kind":"earn","points":true}', "invalid", "points"),
        (b'{"customer":"a","kind":"earn"}', "invalid", "points"),
        (b'{"customer":"","kind":"earn","points":1}', "invalid", "customer"),
        (b'{"customer":"a\\u0000","kind":"earn","points":1}', "invalid", "customer"),
        (b'{"customer":"a","kind":"steal","points":1}', "invalid", "kind"),
        (b'{"customer":"a","kind":"earn","points":1,"x":1}', "invalid", "x"),
        (b'{"customer":"a","kind":"order","amount":5,"currency":"EUR"}', "invalid", "currency"),
        (b'{"customer":"a","kind":"earn","points":1,"occurred_at":"2999-01-01T00:00:00Z"}',
         "invalid", "occurred_at"),
        (b'{"customer":"a","kind":"earn","points":1,"occurred_at":"2024-13-01"}',
         "invalid", "occurred_at"),
        (b'{"customer":"a","kind":"earn","points":1,"metadata":{"k":"\\ud800"}}',
         "invalid", "metadata.k"),
    ],
)  # fmt: skip
async def test_a_wrong_activity_names_the_field(
    club: Api, raw: bytes, code: str, path: str
) -> None:
    """And makes no member."""
    answered = await club.post(ACTIVITIES, raw)

    assert answered.problem == (400, code, path), answered.body
    assert (await club.get("/api/programs/club/members/a")).status == 404


@pytest.mark.parametrize(
    "raw",
    [b'{"customer":"a\xff\xfe","kind":"earn","points":1}', b'{"customer":', b"", b"null"],
    ids=["broken UTF-8", "cut short", "empty", "null"],
)
@pytest.mark.parametrize("path", [ACTIVITIES, "/api/programs/other", "/api/customers/a"])
async def test_what_is_no_json_is_refused_everywhere(club: Api, path: str, raw: bytes) -> None:
    """With words, not with a trace."""
    answered = await club.call("POST" if path == ACTIVITIES else "PUT", path, raw)

    assert answered.problem[:2] == (400, "invalid"), answered.body
    assert answered.json["detail"]


async def test_duplicate_keys_are_refused_in_configuration(api: Api) -> None:
    """Which of the two was meant is not ours to guess."""
    raw = b'{"name":"Club","policy":{"tiers":[{"id":"a","name":"A","id":"b"}]}}'
    answered = await api.call("PUT", "/api/programs/club", raw)

    assert answered.problem == (400, "invalid", "policy.tiers[0].id")


async def test_the_last_of_duplicate_keys_counts_in_activities(club: Api) -> None:
    """As every JSON reader does."""
    raw = b'{"customer":"a","kind":"earn","points":1,"points":2}'
    answered = await club.post(ACTIVITIES, raw)

    assert answered.json["points"] == 2


@pytest.mark.parametrize("path", [ACTIVITIES, "/api/programs/other", "/api/customers/a"])
async def test_a_body_of_ten_megabytes_is_too_large(club: Api, path: str) -> None:
    """Said by its length, or found while reading."""
    method = "POST" if path == ACTIVITIES else "PUT"

    async def pieces() -> Any:
        for _ in range(160):
            yield b" " * 65_536

    for data in (pieces(), b"x" * 10_485_760):
        headers = {"content-type": "application/json", "authorization": f"Bearer {club.key}"}
        body = _file(data) if isinstance(data, bytes) else data
        url = f"{club.process.url}{path}"
        async with club.session.request(method, url, data=body, headers=headers) as response:
            assert response.status == 413
            assert (await response.json(content_type=None))["code"] == "too_large"


async def test_a_form_is_no_json(club: Api) -> None:
    """What a browser sends by itself does nothing here."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for path in (ACTIVITIES, "/api/endpoints"):
        answered = await club.post(path, b"a=1", headers=headers)
        assert answered.problem[:2] == (415, "unsupported_media_type")


async def test_unknown_paths_and_methods_say_what_there_is(api: Api) -> None:
    """A problem like any other; who knows no path at all begins at the root."""
    root = await api.get("/", key="none")
    missing = await api.get(root.json["api"] + "/nothing")
    wrong = await api.call("DELETE", "/api/programs/club")

    assert missing.problem[:2] == (404, "no_such_path")
    assert wrong.problem[:2] == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "PUT, GET"


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("POST", "/api/programs/a%ffb/activities", "program"),
        ("GET", "/api/programs/a%ffb", "program"),
        ("PUT", "/api/customers/a%ffb", "source_id"),
    ],
)
async def test_a_name_in_a_path_is_utf_8(api: Api, method: str, path: str, field: str) -> None:
    """On the hot route as everywhere."""
    answered = await api.call(method, path, None if method == "GET" else {})

    assert answered.problem == (400, "invalid", field)


async def test_too_many_headers_are_refused(api: Api) -> None:
    """A hundred fields are plenty."""
    answered = await api.get("/healthz", headers={f"x-{i}": "1" for i in range(120)})

    assert answered.problem[:2] == (413, "too_large")


def _file(data: bytes) -> Any:
    return io.BytesIO(data)
