"""`/openapi.json`, made from the same table of operations that routes requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tierline.web.problem import CONTENT_TYPE, Problem
from tierline.web.routing import JSON, Operation

_PARAMETER = re.compile(r"{([a-z_]+)}")
_REF = "#/components/schemas/{name}"


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of these operations."""
    types = list(_types(operations))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = {id(type_): schema for type_, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for operation in operations:
        entry = _operation(operation, by_type, components)
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    bearer = {"type": "http", "scheme": "bearer", "description": "A native key, `tk_…`."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tierline", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"key": bearer}},
    }


def _types(operations: Iterable[Operation]) -> Iterable[Any]:
    yield Problem
    for operation in operations:
        for type_ in (operation.body, operation.answer, operation.query):
            if type_ is not None:
                yield type_


def _operation(
    operation: Operation, schemas: dict[int, Any], components: dict[str, Any]
) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        answer["content"] = {JSON: {"schema": schemas[id(operation.answer)]}}
    problem = {"schema": _at("Problem")}
    entry: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": operation.about,
        "parameters": [*_in_path(operation.path), *_in_query(operation, schemas, components)],
        "responses": {
            str(operation.status): answer,
            "default": {"description": "A problem.", "content": {CONTENT_TYPE: problem}},
        },
    }
    if operation.body is not None:
        content: dict[str, Any] = {JSON: {"schema": schemas[id(operation.body)]}}
        content |= {kind: {"schema": {"type": "string"}} for kind in operation.also}
        entry["requestBody"] = {"required": not operation.optional, "content": content}
    if not operation.open:
        entry["security"] = [{"key": []}]
        entry["x-scopes"] = list(operation.scopes)
    return entry


def _in_path(path: str) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(
    operation: Operation, schemas: dict[int, Any], components: dict[str, Any]
) -> Iterable[dict[str, Any]]:
    if operation.query is None:
        return
    reference: str = schemas[id(operation.query)]["$ref"]
    schema = components[reference.rpartition("/")[2]]
    for name, property_ in schema["properties"].items():
        required = name in schema.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": property_}


def _at(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}
