"""The API's document as pages show it: operations in their groups, and types as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from msgspec import Struct

from tierline import __version__
from tierline.errors import NoSuchRecord
from tierline.web import openapi
from tierline.web.asgi import OPERATIONS
from tierline.web.routing import Operation

JSON: Final = "application/json"
SCHEMAS_MAX: Final = 40  # that one operation's page explains
_COMPONENT: Final = "#/components/schemas/"
Json = dict[str, Any]


class FieldView(Struct, frozen=True):
    """A field, a parameter: what it is called, what it may be, and what it means."""

    name: str
    type: str
    about: str
    required: bool = False
    place: str = ""  # of a parameter: `path` or `query`


class SchemaView(Struct, frozen=True):
    name: str
    about: str
    fields: tuple[FieldView, ...]


class OperationView(Struct, frozen=True):
    """An operation. `body` is an example of what is sent; None: nothing is. `runs`: the page can
    try it."""

    id: str
    method: str
    path: str
    tag: str
    about: str
    details: str
    scopes: tuple[str, ...]
    parameters: tuple[FieldView, ...]
    body: str | None
    sent: str
    answer: str
    schemas: tuple[SchemaView, ...]
    runs: bool


class Reference(Struct, frozen=True):
    """All of it. `groups`: name, description, and the operations in the document's order."""

    groups: tuple[tuple[str, str, tuple[OperationView, ...]], ...]

    def find(self, id_: str) -> OperationView:
        for _, _, operations in self.groups:
            for operation in operations:
                if operation.id == id_:
                    return operation
        raise NoSuchRecord(what="operation", name=id_, path="operation")


@cache
def reference() -> Reference:
    """Made once: it takes some tenths of a second."""
    document = openapi.document(OPERATIONS, __version__)
    table = {(op.method.lower(), op.path): op for op in OPERATIONS}
    views = [
        _operation(document, table[method, path], facts)
        for path, methods in document["paths"].items()
        for method, facts in methods.items()
    ]
    groups = tuple(
        (tag["name"], tag["description"], tuple(v for v in views if v.tag == tag["name"]))
        for tag in document["tags"]
    )
    return Reference(groups)


def _operation(document: Json, operation: Operation, facts: Json) -> OperationView:
    content = facts.get("requestBody", {}).get("content", {})
    sent = content.get(JSON, {})
    answer: Json = next(
        (
            one.get("content", {}).get(JSON, {}).get("schema", {})
            for status, one in facts["responses"].items()
            if status.startswith("2")
        ),
        {},
    )
    schema = sent.get("schema", {})
    return OperationView(
        id=facts["operationId"], method=operation.method, path=operation.path,
        tag=facts["tags"][0], about=operation.about, details=operation.details,
        scopes=operation.scopes, parameters=tuple(_parameters(facts)),
        body=_example(sent) if operation.body is not None else None,
        sent=type_text(schema) if schema else "", answer=type_text(answer) if answer else "",
        schemas=tuple(_schemas(document, (schema, answer))),
        runs=not (operation.open or operation.reads_body),
    )  # fmt: skip


def _parameters(facts: Json) -> Iterator[FieldView]:
    for one in facts.get("parameters", ()):
        yield FieldView(
            one["name"], type_text(one.get("schema", {})), one.get("description", ""),
            required=one.get("required", False), place=one["in"],
        )  # fmt: skip


def _example(content: Json) -> str:
    examples = content.get("examples", {})
    first = next(iter(examples.values()))["value"] if examples else None
    value = content.get("example", first)
    return json.dumps({} if value is None else value, indent=2, ensure_ascii=False)


def _schemas(document: Json, roots: tuple[Json, ...]) -> Iterator[SchemaView]:
    """Those that are named by the roots, and by these again."""
    components = document["components"]["schemas"]
    waiting = [name for root in roots for name in _names(root)]
    seen: set[str] = set()
    while waiting and len(seen) < SCHEMAS_MAX:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        schema = components[name]
        waiting += _names(schema)
        required = schema.get("required", ())
        fields = tuple(
            FieldView(field, type_text(inner), inner.get("description", ""), field in required)
            for field, inner in schema.get("properties", {}).items()
        )
        about = " ".join(schema.get("description", "").split())
        yield SchemaView(name, about or type_text(schema), fields)


def _names(schema: Any) -> list[str]:
    """Of the components that a schema refers to, in its own order."""
    if isinstance(schema, dict):
        here = schema.get("$ref")
        own = [here.removeprefix(_COMPONENT)] if isinstance(here, str) else []
        return own + [name for inner in schema.values() for name in _names(inner)]
    if isinstance(schema, list):
        return [name for inner in schema for name in _names(inner)]
    return []


def type_text(schema: Json) -> str:
    """A schema in a few words: `string or null`, `array of TierLine`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_COMPONENT)
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            texts = dict.fromkeys(type_text(inner) for inner in schema[several])
            return " or ".join(texts)
    if schema.get("type") == "array":
        return f"array of {type_text(schema.get('items', {}))}"
    kind = schema.get("type", "anything")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
