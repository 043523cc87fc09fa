"""`/openapi.json`, made from the same table of operations that routes requests.

Types give the schemas, `field_descriptions` the sentences, `openapi_examples` the bodies; the
webhooks of every format come from the vendors' own types.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from tierline.vendors import registry
from tierline.vendors.vendor import kind_names
from tierline.web.auth import COOKIE
from tierline.web.field_descriptions import DESCRIPTIONS
from tierline.web.openapi_examples import EXAMPLES
from tierline.web.problem import CONTENT_TYPE, TITLES, Problem
from tierline.web.routing import JSON, Operation

TAGS = {
    "programs": "Rules of a loyalty program, in versions; and what other rules would do.",
    "customers": "People: their profiles and the names they are known by.",
    "members": "Customers in a program: joining and leaving, where they stand, and why.",
    "activities": "What happened outside: points earned and spent, orders, refunds.",
    "orders": "Orders that a shop tells whole, as they were last told.",
    "events": "Changes of tiers, pulled from the log.",
    "endpoints": "Where webhooks go, how they are going, and what was sent.",
    "project": "The project that a key speaks for, its keys, and a sandbox's clock.",
    "people": "Users, their roles and sessions.",
    "server": "Whether the server lives, and what it can do.",
}
_PARAMETER = re.compile(r"{([a-z_]+)}")
_REF = "#/components/schemas/{name}"


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Returns OpenAPI 3.1 of these operations."""
    types = list({id(type_): type_ for type_ in _types(operations)}.values())
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = {id(type_): schema for type_, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for operation in operations:
        item = _operation(operation, by_type, components)
        paths.setdefault(operation.path, {})[operation.method.lower()] = item
    webhooks = dict(_webhooks(by_type))
    for name, component in components.items():
        _describe(component, name)
    bearer = {"type": "http", "scheme": "bearer", "description": "A native key, `tk_…`."}
    about = "Of `POST /api/sign-in`; a change needs `X-CSRF-Token` too."
    cookie = {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": about}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tierline",
            "version": version,
            "description": "A loyalty tier engine: it keeps points, decides tiers, and announces "
            "every change by webhook. Money is in minor units; instants are ISO 8601 in UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": bearer, "session": cookie},
        },
    }


def _types(operations: Iterable[Operation]) -> Iterator[Any]:
    yield Problem
    for operation in operations:
        for type_ in (operation.body, operation.answer, operation.query):
            if type_ is not None:
                yield type_
        for _, type_ in operation.other_bodies:
            yield type_
        for answer in operation.other_answers:
            yield from answer.types
        yield from operation.refers_to
    for format_ in registry.FORMATS.values():
        yield from format_.body_types


def _operation(
    operation: Operation, schemas: dict[int, Any], components: dict[str, Any]
) -> dict[str, Any]:
    item: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "tags": [_tag(operation.path)],
        "summary": operation.about,
        "description": operation.details or operation.about,
        "parameters": [*_in_path(operation.path), *_in_query(operation, schemas, components)],
        "responses": _responses(operation, schemas),
    }
    if operation.body is not None:
        content: dict[str, Any] = {JSON: {"schema": schemas[id(operation.body)]}}
        content |= {kind: {"schema": schemas[id(type_)]} for kind, type_ in operation.other_bodies}
        examples = EXAMPLES.get(operation.handler.__name__, {})
        for name, value in examples.items():
            content[JSON].setdefault("examples", {})[name] = {"value": value}
        item["requestBody"] = {"required": not operation.optional, "content": content}
    if operation.open:
        item["security"] = []
    else:
        item["security"] = [{"key": []}, {"session": []}]
        item["x-scopes"] = list(operation.scopes)
    return item


def _tag(path: str) -> str:
    for word, tag in (
        ("activities", "activities"), ("dry-run", "activities"), ("members", "members"),
        ("orders", "orders"),
        ("programs", "programs"), ("customers", "customers"), ("events", "events"),
        ("endpoints", "endpoints"), ("project", "project"), ("keys", "project"),
        ("clock", "project"), ("audit", "project"), ("users", "people"), ("session", "people"),
        ("sign-", "people"), ("join", "people"),
    ):  # fmt: skip
        if f"/{word}" in path:
            return tag
    return "server"


def _responses(operation: Operation, schemas: dict[int, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {str(operation.status): _success(operation.status)}
    if operation.answer is not None:
        content = {JSON: {"schema": schemas[id(operation.answer)]}}
        responses[str(operation.status)]["content"] = content
    for answer in operation.other_answers:
        response = responses.setdefault(str(answer.status), _success(answer.status))
        if answer.about:
            response["description"] = answer.about
        refs = [schemas[id(type_)] for type_ in answer.types]
        schema = {"type": "string"} if not refs else refs[0] if len(refs) == 1 else {"anyOf": refs}
        response.setdefault("content", {})[answer.content_type] = {"schema": schema}
    problem = {CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    for status in _problem_statuses(operation):
        response = responses.setdefault(str(status), {"description": f"{_title(status)}."})
        response.setdefault("content", {}).update(problem)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            response["headers"] = {"Retry-After": _header("integer", "Seconds to wait.")}
        if status == HTTPStatus.UNAUTHORIZED:
            response["headers"] = {"WWW-Authenticate": _header("string", "`Bearer`.")}
    responses["default"] = {"description": "Any other problem.", "content": problem}
    return responses


def _success(status: int) -> dict[str, Any]:
    return {"description": f"{_title(status)}."}


def _title(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase


def _header(type_: str, description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": type_}}


def _problem_statuses(operation: Operation) -> list[int]:
    statuses = set() if operation.path in {"/", "/healthz", "/openapi.json"} else {503}
    if not operation.open:
        statuses |= {400, 401, 403}
    if "{" in operation.path:
        statuses |= {404}
    if operation.method != "GET":
        statuses |= {409, 422}
    if operation.body is not None:
        statuses |= {413, 415}
    return sorted(statuses)


def _webhooks(schemas: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """One for every event that a format has a shape for, `<format>: <name on the wire>`."""
    for format_ in registry.FORMATS.values():
        content_type = format_.content_type.partition(";")[0]
        content = {content_type: {"schema": schemas[id(format_.body_types[0])]}}
        for kind, wire_name in kind_names(format_).items():
            operation = {
                "operationId": f"{format_.name}_{kind}",
                "summary": f"{wire_name}, sent to endpoints of the format `{format_.name}`.",
                "description": "Signed with the endpoint's secret (Standard Webhooks) and, where "
                "the format has a signature of its own, with that one too.",
                "requestBody": {"required": True, "content": content},
                "responses": {"2XX": {"description": "Anything else is tried again."}},
            }
            yield f"{format_.name}: {wire_name}", {"post": operation}


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": DESCRIPTIONS[f"path.{name}"],
            "schema": {"type": "string", "minLength": 1},
        }


def _in_query(
    operation: Operation, schemas: dict[int, Any], components: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if operation.query is None:
        return
    reference: str = schemas[id(operation.query)]["$ref"]
    name = reference.rpartition("/")[2]
    schema = components[name]
    for field, property_ in schema["properties"].items():
        required = field in schema.get("required", ())
        parameter = {"name": field, "in": "query", "required": required}
        yield {**parameter, "description": _sentence(name, field), "schema": property_}


def _describe(component: dict[str, Any], name: str) -> None:
    """Every property gets its sentence. A default that is an object stands there, too, for
    generators of clients stumble over such defaults."""
    for field, property_ in component.get("properties", {}).items():
        property_.setdefault("description", _sentence(name, field))
        if isinstance(property_.get("default"), (dict, list)):
            default = msgspec.json.encode(property_.pop("default")).decode()
            property_["description"] += f" By default `{default}`."


def _sentence(component: str, field: str) -> str:
    for key in (f"{component}.{field}", field):
        for sentences in (DESCRIPTIONS, registry.DESCRIPTIONS):
            if key in sentences:
                return sentences[key]
    return field.replace("_", " ").capitalize() + "."  # a vendor's that says no more of it
