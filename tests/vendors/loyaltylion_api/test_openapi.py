"""`/openapi/loyaltylion.json`: the vendor's routes, described by their own table."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tests.vendors.loyaltylion_api.conftest import Shop
from tierline.app import vendor_documents
from tierline.vendors.loyaltylion.api import DESCRIBED, OPEN_OPERATIONS, OPERATIONS
from tierline.vendors.loyaltylion.api.description import EXAMPLES, SENTENCES, TAGS
from tierline.vendors.loyaltylion.api.headless import post_other_rule, post_reward

DOCUMENT: dict[str, Any] = json.loads(vendor_documents()["loyaltylion"]())
ALL = (*OPERATIONS, *OPEN_OPERATIONS)


def described() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    ]


def test_every_route_is_described() -> None:
    """Once, with a name of its own, a tag, a sentence and the vendor's error."""
    routes = [(method, path) for method, path, _ in described()]
    names = [operation["operationId"] for _, _, operation in described()]

    assert sorted(routes) == sorted((each.method, each.path) for each in ALL)
    assert len(set(names)) == len(names)
    assert {tag for _, _, operation in described() for tag in operation["tags"]} == set(TAGS)
    for method, path, operation in described():
        assert operation["summary"].endswith("."), (method, path)
        (refusal,) = operation["responses"]["default"]["content"].values()
        assert refusal["schema"] == {"$ref": "#/components/schemas/LionErrorBody"}


def test_every_answer_has_a_type() -> None:
    """But of routes that only refuse: there are no rewards, nor rules of those kinds."""
    untyped = {
        each.handler
        for each in DESCRIBED.operations
        if each.answer is None and each.status != 204 and not each.other_answers
    }

    assert untyped == {post_other_rule, post_reward}


def test_examples_are_what_routes_read() -> None:
    """And no sentence speaks of nothing."""
    bodies = {each.handler.__name__: each.body for each in ALL if each.body is not None}
    for name, examples in EXAMPLES.items():
        for example in examples.values():
            msgspec.convert(example, bodies[name])
    schemas = DOCUMENT["components"]["schemas"]
    fields = {field for schema in schemas.values() for field in schema.get("properties", {})}
    parameters = [each for _, _, item in described() for each in item["parameters"]]
    fields |= {f"path.{each['name']}" for each in parameters if each["in"] == "path"}
    fields |= {each["name"] for each in parameters}

    assert SENTENCES.keys() - fields == set()


async def test_the_document_is_served(shop: Shop) -> None:
    """Without a key, as the native one."""
    answered = await shop.call("GET", "/openapi/loyaltylion.json", headers={})

    assert answered.json == DOCUMENT
