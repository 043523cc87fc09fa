"""Who may import whom: layers by a table, files by the order in `docs/architecture.md`, and
nobody in a circle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.tidy.architecture import DRAWN
from tests.tidy.repository import IMPORTS, MODULES, SOURCES, imports, module_of, offences

# Layer → the layers that it may import. `leaf`: the first files of the map, and the package.
# `vendors` are a vendor's pure modules, `api` its HTTP; `proposals` what a body proposes, whoever
# brings it. `cli` is all else: where parts meet.
MAY_IMPORT = {
    "leaf": {"leaf"},
    "model": {"model"},
    "rules": {"model", "rules"},
    "engine": {"model", "rules", "engine"},
    "analysis": {"model", "rules", "engine", "analysis"},
    "vendors": {"model", "rules", "engine", "vendors"},
    "store": {"leaf", "model", "rules", "engine", "store"},
    "ledger": {"leaf", "model", "rules", "engine", "analysis", "store", "ledger"},
    "people": {"leaf", "model", "store", "people"},
    "transport": {"leaf", "model", "transport"},
    "endpoints": {"leaf", "model", "rules", "engine", "vendors", "store", "transport", "endpoints"},
    "delivery": {
        *("leaf", "model", "rules", "engine", "vendors", "store", "transport", "endpoints"),
        "delivery",
    },
    "reshard": {"leaf", "model", "store", "endpoints", "reshard"},
    "proposals": {"leaf", "model", "rules", "analysis", "ledger", "vendors", "proposals"},
}
PARTS = {*MAY_IMPORT, "web", "api", "console", "cli"}
MAY_IMPORT["web"] = PARTS - {"transport", "delivery", "reshard", "api", "console", "cli"}
MAY_IMPORT["api"] = MAY_IMPORT["web"] | {"api"}
MAY_IMPORT["console"] = MAY_IMPORT["web"] | {"console"}
MAY_IMPORT["cli"] = PARTS
LEAVES = {"", "errors", "clock", "config", "histogram", "logging"}
PURE = {"model", "rules", "engine", "analysis", "vendors"}
# Errors are values as much as exceptions: pure code raises them too.
ALSO = {
    **{pure: {"tierline.errors"} for pure in ("model", "rules", "engine", "analysis")},
    "vendors": {"tierline.errors", "tierline"},
}


def layer(module: str) -> str:
    """The layer of `tierline.…`."""
    parts = module.split(".")[1:]
    if not parts or parts[0] in LEAVES:
        return "leaf"
    if parts[0] == "vendors":
        return "api" if "api" in parts else "vendors"
    return parts[0] if parts[0] in MAY_IMPORT else "cli"


def forbidden(path: Path) -> list[str]:
    here = layer(module_of(path))
    return [
        f"{here} may not import {module}"
        for module in imports(path)
        if module.split(".")[0] == "tierline"
        and layer(module) not in MAY_IMPORT[here]
        and module not in ALSO.get(here, ())
    ]


def test_layers_import_one_way() -> None:
    """Each layer imports only what the table allows."""
    assert offences(SOURCES, forbidden) == []


def test_files_import_only_what_stands_above_them() -> None:
    """The map's order is the order of reading: state before the rules that move it."""
    place = {drawn: number for number, drawn in enumerate(DRAWN)}
    wrong = [
        f"{module} imports {inner}"
        for module in sorted(set(MODULES) & set(DRAWN))
        for inner in IMPORTS[module]
        if inner in place and place[inner] > place[module]
    ]

    assert wrong == []


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Returns the nodes that reach themselves, one list for each set that reach one another."""
    reach = dict(graph)
    for middle in graph:
        for node, targets in reach.items():
            if middle in targets:
                reach[node] = targets | reach[middle]
    looped = sorted(node for node, targets in reach.items() if node in targets)
    groups = {
        tuple(other for other in looped if other in reach[node] and node in reach[other])
        for node in looped
    }
    return sorted(list(group) for group in groups)


def test_no_circle_of_imports() -> None:
    """Type-only imports count: a circle of types is a circle of thoughts."""
    assert circles(IMPORTS) == []


def test_a_circle_is_seen_through_any_number_of_files() -> None:
    """And whoever only leads into it stays out of the report."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b"}, "e": set(), "f": {"f"}}

    assert circles(graph) == [["b", "c", "d"], ["f"]]
