"""`/openapi.json` leaves nothing to guess: every body, answer, status and word of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.web.conftest import Api
from tierline.vendors import registry
from tierline.vendors.vendor import kind_names
from tierline.web.asgi import OPERATIONS
from tierline.web.field_descriptions import DESCRIPTIONS
from tierline.web.openapi import TAGS, document
from tierline.web.openapi_examples import EXAMPLES
from tierline.web.routing import Operation

DOCUMENT: dict[str, Any] = json.loads(msgspec.json.encode(document(OPERATIONS, "1")))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]
# Free JSON: the caller's own facts, a vendor's settings, templates; and what only a vendor says.
FREE = {
    *("metadata", "not_metadata", "presentations", "settings", "filter", "mapping", "data"),
    *("properties", "referred_by", "voucher", "config", "points", "names"),
    # What is handed over of a person, in the shapes in which it is stored.
    *("customer", "memberships", "entries", "orders", "transfers_under_way", "events"),
    *("deliveries", "changes"),
}


def operations() -> Iterator[dict[str, Any]]:
    for item in (*DOCUMENT["paths"].values(), *DOCUMENT["webhooks"].values()):
        yield from item.values()


def schemas(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every schema below a node, with the name of the property that holds it."""
    if isinstance(node, list):
        for each in node:
            yield from schemas(each, name)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        closed = key == "additionalProperties" and value is False
        if key in {"schema", "items", "additionalProperties"} and not closed:
            yield name, value
        if key == "properties" and isinstance(value, dict):
            for field, schema in value.items():
                yield field, schema
                yield from schemas(schema, field)
        elif key not in {"example", "examples", "enum", "const", "default"}:
            yield from schemas(value, name)


def test_every_operation_is_described() -> None:
    """A tag, a summary, a description, and a sentence for each parameter and each answer."""
    for operation in operations():
        assert operation["summary"].endswith(".")
        assert operation["description"].endswith(".")
        assert set(operation.get("tags", [])) <= set(TAGS)
        for parameter in operation.get("parameters", []):
            assert parameter["description"].endswith("."), parameter
        for response in operation["responses"].values():
            assert response["description"].endswith("."), response
    assert {tag for item in operations() for tag in item.get("tags", [])} == set(TAGS)


def test_every_property_is_described() -> None:
    """Each by a sentence that somebody wrote, and no sentence is left over."""
    used = {f"path.{name}" for name in ("program", "source_id", "endpoint", "key", "run", "vendor")}
    used |= {"path.user", "path.session", "path.order", "path.change"}
    for name, component in SCHEMAS.items():
        for field in component.get("properties", {}):
            own = f"{name}.{field}"
            key = own if own in DESCRIPTIONS or own in registry.DESCRIPTIONS else field
            assert key in DESCRIPTIONS or key in registry.DESCRIPTIONS, own
            used.add(key)

    assert (DESCRIPTIONS.keys() | registry.DESCRIPTIONS.keys()) - used == set()


def test_every_schema_says_something() -> None:
    """None is empty, none forbids its items, and an object without fields is free JSON."""
    for name, schema in schemas(DOCUMENT):
        assert schema is not False
        bare = schema in ({}, True) or (
            isinstance(schema, dict)
            and schema.get("type") == "object"
            and not schema.keys() & {"properties", "additionalProperties", "$ref"}
        )
        assert not bare or name in FREE, (name, schema)


def test_every_status_and_content_type_is_listed() -> None:
    """A PUT that makes something, lines, text, a server that is not ready, and every refusal."""
    paths = DOCUMENT["paths"]
    program = "/api/programs/{program}"
    activities = paths[f"{program}/activities"]["post"]
    lines, json_ = "application/x-ndjson", "application/json"

    assert {"200", "201"} <= paths[program]["put"]["responses"].keys()
    assert {"200", "201"} <= paths["/api/customers/{source_id}"]["put"]["responses"].keys()
    assert activities["requestBody"]["content"].keys() == {json_, lines}
    assert activities["responses"]["200"]["content"].keys() == {json_, lines}
    preview = paths[f"{program}/preview"]["post"]["responses"]["200"]["content"]
    assert preview.keys() == {json_, lines}
    assert paths["/metrics"]["get"]["responses"]["200"]["content"].keys() == {"text/plain"}
    assert json_ in paths["/readyz"]["get"]["responses"]["503"]["content"]
    refusals = {"400", "401", "403", "404", "409", "413", "415", "422", "503", "default"}
    assert refusals <= activities["responses"].keys()


def test_every_event_of_every_format_is_a_webhook() -> None:
    """With the type of its body."""
    webhooks = DOCUMENT["webhooks"]
    names = {
        f"{format_.name}: {wire_name}"
        for format_ in registry.FORMATS.values()
        for wire_name in kind_names(format_).values()
    }

    assert webhooks.keys() == names
    for item in webhooks.values():
        (content,) = item["post"]["requestBody"]["content"].values()
        assert content["schema"]["$ref"].rpartition("/")[2] in SCHEMAS


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda each: each.handler.__name__)
def test_every_body_has_an_example_that_can_be_sent(operation: Operation) -> None:
    """It is what the operation reads."""
    examples = EXAMPLES[operation.handler.__name__]

    assert examples
    for example in examples.values():
        msgspec.convert(example, operation.body)


async def test_the_document_is_served(api: Api) -> None:
    """Without a key, as it is made here."""
    answer = await api.get("/openapi.json", key="")

    assert answer.status == 200
    assert answer.json["paths"].keys() == DOCUMENT["paths"].keys()
