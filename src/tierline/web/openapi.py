"""`/openapi.json` and its like of the vendors, each made from the table of operations that routes
its requests.

Types give the schemas, `field_descriptions` the sentences, `openapi_examples` the bodies; the
webhooks of a format come from its vendor's own types. A vendor whose package `api` has a
`DESCRIBED` gets a document of its own, `/openapi/<vendor>.json`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from tierline.vendors import registry
from tierline.vendors.vendor import Format, kind_names
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
_WORDS = re.compile(r"[a-z0-9]+")
_REF = "#/components/schemas/{name}"


class DescribedApi(Struct, frozen=True):
    """What a document says of an API besides its operations. `tag`, `security` and `statuses` say
    it of one operation: the tag, the ways to prove who calls, and the statuses of refusals."""

    title: str
    about: str
    tags: Mapping[str, str]
    tag: Callable[[Operation], str]
    schemes: Mapping[str, Any]
    security: Callable[[Operation], list[dict[str, list[str]]]]
    statuses: Callable[[Operation], list[int]]
    refusal: type
    refusal_type: str  # the content type
    formats: tuple[Format[Any], ...]  # whose events are its webhooks
    sentences: tuple[Mapping[str, str], ...]
    examples: Mapping[str, Mapping[str, Any]]
    operations: tuple[Operation, ...] = ()  # of a vendor
    refers_to: tuple[type, ...] = ()  # types that schemas name and no field holds


def document(
    operations: Sequence[Operation], version: str, api: DescribedApi | None = None
) -> dict[str, Any]:
    """Returns OpenAPI 3.1 of these operations; without an `api`, of the native one."""
    return _Document(NATIVE if api is None else api, operations).whole(version)


class _Document:
    """One document in the making."""

    def __init__(self, api: DescribedApi, operations: Sequence[Operation]) -> None:
        self.api = api
        self.operations = operations
        self.names = _names(operations)
        types = list({id(type_): type_ for type_ in self._types()}.values())
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self.schemas = {id(type_): schema for type_, schema in zip(types, schemas, strict=True)}

    def whole(self, version: str) -> dict[str, Any]:
        api, paths = self.api, dict[str, Any]()
        for operation in self.operations:
            item = self._operation(operation)
            paths.setdefault(operation.path, {})[operation.method.lower()] = item
        webhooks = dict(self._webhooks())
        for name, component in self.components.items():
            self._describe(component, name)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": api.title,
                "version": version,
                "description": api.about,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": text} for name, text in api.tags.items()],
            "paths": paths,
            "webhooks": webhooks,
            "components": {"schemas": self.components, "securitySchemes": api.schemes},
        }

    def _types(self) -> Iterator[Any]:
        yield self.api.refusal
        for operation in self.operations:
            for type_ in (operation.body, operation.answer, operation.query):
                if type_ is not None:
                    yield type_
            for _, type_ in operation.other_bodies:
                yield type_
            for answer in operation.other_answers:
                yield from answer.types
            yield from operation.refers_to
        for format_ in self.api.formats:
            yield from format_.body_types
        yield from self.api.refers_to

    def _operation(self, operation: Operation) -> dict[str, Any]:
        name, api = self.names[operation.method, operation.path], self.api
        item: dict[str, Any] = {
            "operationId": name,
            "tags": [api.tag(operation)],
            "summary": operation.about,
            "description": operation.details or operation.about,
            "parameters": [*self._in_path(operation.path), *self._in_query(operation)],
            "responses": self._responses(operation),
        }
        if operation.body is not None:
            bodies = ((JSON, operation.body), *operation.other_bodies)
            content: dict[str, Any] = {
                kind: {"schema": self.schemas[id(type_)]} for kind, type_ in bodies
            }
            for title, value in api.examples.get(operation.handler.__name__, {}).items():
                content[JSON].setdefault("examples", {})[title] = {"value": value}
            item["requestBody"] = {"required": not operation.optional, "content": content}
        item["security"] = [] if operation.open else api.security(operation)
        if not operation.open:
            item["x-scopes"] = list(operation.scopes)
        return item

    def _responses(self, operation: Operation) -> dict[str, Any]:
        responses: dict[str, Any] = {str(operation.status): _success(operation.status)}
        if operation.answer is not None:
            content = {JSON: {"schema": self.schemas[id(operation.answer)]}}
            responses[str(operation.status)]["content"] = content
        for answer in operation.other_answers:
            response = responses.setdefault(str(answer.status), _success(answer.status))
            if answer.about:
                response["description"] = answer.about
            refs = [self.schemas[id(type_)] for type_ in answer.types]
            several = {"anyOf": refs}
            schema = {"type": "string"} if not refs else refs[0] if len(refs) == 1 else several
            response.setdefault("content", {})[answer.content_type] = {"schema": schema}
        problem = {self.api.refusal_type: {"schema": self.schemas[id(self.api.refusal)]}}
        for status in self.api.statuses(operation):
            response = responses.setdefault(str(status), {"description": f"{_title(status)}."})
            response.setdefault("content", {}).update(problem)
            if status == HTTPStatus.SERVICE_UNAVAILABLE:
                response["headers"] = {"Retry-After": _header("integer", "Seconds to wait.")}
            if status == HTTPStatus.UNAUTHORIZED and self.api is NATIVE:
                response["headers"] = {"WWW-Authenticate": _header("string", "`Bearer`.")}
        responses["default"] = {"description": "Any other problem.", "content": problem}
        return responses

    def _webhooks(self) -> Iterator[tuple[str, Any]]:
        """One for every event that a format has a shape for, `<format>: <name on the wire>`."""
        for format_ in self.api.formats:
            content_type = format_.content_type.partition(";")[0]
            content = {content_type: {"schema": self.schemas[id(format_.body_types[0])]}}
            for kind, wire_name in kind_names(format_).items():
                operation = {
                    "operationId": f"{format_.name}_{kind}",
                    "summary": f"{wire_name}, sent to endpoints of the format `{format_.name}`.",
                    "description": "Signed with the endpoint's secret (Standard Webhooks) and, "
                    "where the format has a signature of its own, with that one too.",
                    "requestBody": {"required": True, "content": content},
                    "responses": {"2XX": {"description": "Anything else is tried again."}},
                }
                yield f"{format_.name}: {wire_name}", {"post": operation}

    def _in_path(self, path: str) -> Iterator[dict[str, Any]]:
        for name in _PARAMETER.findall(path):
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": self._sentence("path", name),
                "schema": {"type": "string", "minLength": 1},
            }

    def _in_query(self, operation: Operation) -> Iterator[dict[str, Any]]:
        if operation.query is None:
            return
        reference: str = self.schemas[id(operation.query)]["$ref"]
        name = reference.rpartition("/")[2]
        schema = self.components[name]
        for field, property_ in schema["properties"].items():
            required = field in schema.get("required", ())
            parameter = {"name": field, "in": "query", "required": required}
            yield {**parameter, "description": self._sentence(name, field), "schema": property_}

    def _describe(self, component: dict[str, Any], name: str) -> None:
        """Every property gets its sentence. A default that is an object stands there, too, for
        generators of clients stumble over such defaults."""
        for field, property_ in component.get("properties", {}).items():
            property_.setdefault("description", self._sentence(name, field))
            if isinstance(property_.get("default"), (dict, list)):
                default = msgspec.json.encode(property_.pop("default")).decode()
                property_["description"] += f" By default `{default}`."

    def _sentence(self, component: str, field: str) -> str:
        for key in (f"{component}.{field}", field):
            for sentences in self.api.sentences:
                if key in sentences:
                    return sentences[key]
        return field.replace("_", " ").capitalize() + "."  # a vendor's that says no more of it


def _names(operations: Sequence[Operation]) -> dict[tuple[str, str], str]:
    """What each operation is called: as its handler, or where several have that one, by method and
    path."""
    counts = Counter(operation.handler.__name__ for operation in operations)
    names: dict[tuple[str, str], str] = {}
    for operation in operations:
        name, path = operation.handler.__name__, operation.path
        if counts[name] > 1:
            name = "_".join([operation.method.lower(), *_WORDS.findall(path)])
        names[operation.method, path] = name
    return names


# The native API ---------------------------------------------------------------------------------


def _tag(operation: Operation) -> str:
    for word, tag in (
        ("activities", "activities"), ("dry-run", "activities"), ("members", "members"),
        ("orders", "orders"),
        ("programs", "programs"), ("customers", "customers"), ("events", "events"),
        ("endpoints", "endpoints"), ("project", "project"), ("keys", "project"),
        ("clock", "project"), ("audit", "project"), ("users", "people"), ("session", "people"),
        ("sign-", "people"), ("join", "people"),
    ):  # fmt: skip
        if f"/{word}" in operation.path:
            return tag
    return "server"


def _success(status: int) -> dict[str, Any]:
    return {"description": f"{_title(status)}."}


def _title(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase


def _header(type_: str, description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": type_}}


def _problem_statuses(operation: Operation) -> list[int]:
    still = operation.path in {"/", "/healthz"} or operation.path.startswith("/openapi")
    statuses = set() if still else {503}
    if not operation.open:
        statuses |= {400, 401, 403}
    if "{" in operation.path:
        statuses |= {404}
    if operation.method != "GET":
        statuses |= {409, 422}
    if operation.body is not None:
        statuses |= {413, 415}
    return sorted(statuses)


NATIVE = DescribedApi(
    title="Tierline",
    about="A loyalty tier engine: it keeps points, decides tiers, and announces every change by "
    "webhook. Money is in minor units; instants are ISO 8601 in UTC.",
    tags=TAGS,
    tag=_tag,
    schemes={
        "key": {"type": "http", "scheme": "bearer", "description": "A native key, `tk_…`."},
        "session": {
            "type": "apiKey", "in": "cookie", "name": COOKIE,
            "description": "Of `POST /api/sign-in`; a change needs `X-CSRF-Token` too.",
        },
    },
    security=lambda _: [{"key": []}, {"session": []}],
    statuses=_problem_statuses,
    refusal=Problem,
    refusal_type=CONTENT_TYPE,
    formats=tuple(registry.FORMATS.values()),
    sentences=(DESCRIPTIONS, registry.DESCRIPTIONS),
    examples=EXAMPLES,
)  # fmt: skip
