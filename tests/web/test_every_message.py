"""Wrong values in every field of every operation, as the document lists them: no message speaks of
the machinery, and none is a fault of ours."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.web.conftest import Answered, Api
from tests.web.schema_walk import body_with, places

# Python's and msgspec's words, regular expressions, and what JSON has other words for.
MACHINERY = re.compile(
    r"\b(str|int|float|bool|dict|tuple|array|NoneType|None|True|False)\b|(expected|found) list"
    r"|msgspec|regex|Traceback|<class|object at 0x|Error\b|isoformat|strptime|[Ee]xpected `?Object"
    r"|\\[ZdwsS]|\[\^|\^\[|\(\?|\]\{\d"
)
WRONG: tuple[Any, ...] = (
    None, True, -1, 1.5, 19.99, 1e300, 2**70, -(2**63), "", "x", "x" * 400, "12 months",
    "2024-02-30", "2024-01-01T00:00:00", "31.12.", "19,99", "XYZ", "\u0000", ".",
    "http://localhost:1/", "https://b\u00fccher.example/", "a b", [], [None], ["x", "x"], {},
    {"a": None}, {"": 1}, {"type": "no_such"},
)  # fmt: skip
EXCLUDED = {"post_clock", "delete_key", "delete_endpoint", "delete_member"}
Names = dict[str, str]  # of the parts of a path


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["operationId"] not in EXCLUDED
    ]


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def address(path: str, names: Names) -> str:
    """The path with names that are there."""
    return re.sub(r"\{(\w+)\}", lambda part: names.get(part[1], "x"), path)


def complain(answered: Answered, sent: object) -> None:
    """Raises AssertionError where a refusal is not for people."""
    assert answered.status < 500, (sent, answered.body)
    if answered.status >= 400:
        problem = answered.json
        texts = [problem["detail"], *(finding["reason"] for finding in problem.get("errors", ()))]
        for text in texts:
            assert not MACHINERY.search(text), (sent, text)


@pytest.fixture
async def document(anna: Api) -> dict[str, Any]:
    whole: dict[str, Any] = (await anna.get("/openapi.json", key="")).json
    return whole


@pytest.fixture
async def names(anna: Api) -> Names:
    made = await anna.post("/api/endpoints", {"url": "http://127.0.0.1:1/"})
    return {"program": "club", "source_id": "anna", "run": "1", "endpoint": made.json["id"]}


async def test_no_field_of_a_body_is_refused_in_pythons_words(
    anna: Api, document: dict[str, Any], names: Names
) -> None:
    """Each field alone is wrong, in many ways."""
    fields = 0
    for method, path, operation in operations(document):
        for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for place in dict.fromkeys(places(document, content["schema"])):
                fields += 1
                for value in WRONG:
                    body = json.dumps(body_with(place, value)).encode()
                    headers = {"content-type": content_type}
                    answered = await anna.call(method, address(path, names), body, headers=headers)
                    complain(answered, (method, path, body))
    assert fields > 300


async def test_no_parameter_is_refused_in_pythons_words(
    anna: Api, document: dict[str, Any], names: Names
) -> None:
    """Of a query, or in a path."""
    count = 0
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            count += 1
            for value in map(as_text, WRONG):
                target = address(path, names)
                if parameter["in"] == "query":
                    target += f"?{parameter['name']}={quote(value, safe='')}"
                else:
                    here = f"{{{parameter['name']}}}"
                    target = address(path.replace(here, quote(value, safe="")), names)
                body = b"{}" if "requestBody" in operation else None
                complain(await anna.call(method, target, body), (method, target))
    assert count > 50
