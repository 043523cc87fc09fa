"""`/openapi/voucherify.json`: the vendor's routes, described by their own table."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tests.vendors.voucherify_api import answers
from tests.vendors.voucherify_api.conftest import Shop
from tierline.app import vendor_documents
from tierline.vendors.voucherify.api import OPERATIONS
from tierline.vendors.voucherify.api.description import EXAMPLES, SENTENCES

DOCUMENT: dict[str, Any] = json.loads(vendor_documents()["voucherify"]())


PAIRS = {
    "management": ("management_id", "management_token"),
    "client": ("client_application_id", "client_token"),
}


def described() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    ]


def test_every_route_is_described() -> None:
    """Once, with a name of its own, a tag, sentences, its keys and the vendor's error."""
    routes = [(method, path) for method, path, _ in described()]
    names = [operation["operationId"] for _, _, operation in described()]
    tags = {tag["name"] for tag in DOCUMENT["tags"]}

    assert sorted(routes) == sorted((each.method, each.path) for each in OPERATIONS)
    assert len(set(names)) == len(names)
    assert {tag for _, _, operation in described() for tag in operation["tags"]} == tags
    for method, path, operation in described():
        pair = PAIRS.get(path.split("/")[1], ("app_id", "app_token"))
        assert operation["security"] == [{name: [] for name in pair}]
        assert operation["summary"].endswith("."), (method, path)
        (refusal,) = operation["responses"]["default"]["content"].values()
        assert refusal["schema"] == {"$ref": "#/components/schemas/ErrorBody"}


def test_every_answer_has_a_type() -> None:
    """On the route's own line."""
    untyped = [
        f"{each.method} {each.path}"
        for each in OPERATIONS
        if each.answer is None
        and each.status != 204
        and not isinstance(answers.ANSWERS[each.method, each.path], answers.Never)
    ]
    assert not untyped


def test_examples_are_what_routes_read() -> None:
    """And no sentence speaks of nothing."""
    bodies = {each.handler.__name__: each.body for each in OPERATIONS if each.body is not None}
    for name, examples in EXAMPLES.items():
        for example in examples.values():
            msgspec.convert(example, bodies[name])
    fields = {
        key
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field in schema.get("properties", {})
        for key in (field, f"{name}.{field}")
    }
    parameters = [each for _, _, item in described() for each in item["parameters"]]
    fields |= {f"path.{each['name']}" for each in parameters if each["in"] == "path"}
    fields |= {each["name"] for each in parameters}
    assert SENTENCES.keys() - fields == set()


async def test_the_document_is_served(shop: Shop) -> None:
    """Without a key, as the native one; of a vendor without an API there is none."""
    answered = await shop.call("GET", "/openapi/voucherify.json", headers={})
    missing = [
        await shop.call("GET", f"/openapi/{name}.json", headers={})
        for name in ("standard", "x", "..", "%00")
    ]

    assert answered.json == DOCUMENT
    assert [each.status for each in missing] == [404, 404, 400, 400]
