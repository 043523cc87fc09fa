"""Every field of a schema, and how a body gets there, to send wrong values everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Step(NamedTuple):
    """A field of an object, or 0: an entry of a list."""

    name: str | int
    beside: tuple[tuple[str, Any], ...] = ()  # the constants that choose this branch


Place = tuple[Step, ...]
ANY_NAME = "a"


def places(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[Place]:
    """The way to each field of a schema; of one that is used in many places, to the first."""
    seen: set[str] = set()
    yield from _places(document["components"]["schemas"], schema, (), seen)


def body_with(place: Sequence[Step], value: Any) -> Any:
    """The smallest body that has a value at a place."""
    for step in reversed(place):
        if isinstance(step.name, int):
            value = [value]
        else:
            value = {**dict(step.beside), step.name: value}
    return value


def _places(
    schemas: dict[str, Any], schema: dict[str, Any], place: Place, seen: set[str]
) -> Iterator[Place]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            seen.add(name)
            yield from _places(schemas, schemas[name], place, seen)
        return
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _places(schemas, branch, place, seen)
    properties = schema.get("properties", {})
    constants = {n: values[0] for n, p in properties.items() if len(values := _constants(p)) == 1}
    steps = [(inner, (*place, _field(name, constants))) for name, inner in properties.items()]
    for keyword, name in (("items", 0), ("additionalProperties", ANY_NAME)):
        if isinstance(schema.get(keyword), dict):
            steps.append((schema[keyword], (*place, Step(name))))
    for inner, there in steps:
        yield there
        yield from _places(schemas, inner, there, seen)


def _field(name: str, constants: dict[str, Any]) -> Step:
    return Step(name, tuple((other, v) for other, v in constants.items() if other != name))


def _constants(schema: dict[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
