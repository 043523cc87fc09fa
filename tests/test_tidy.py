"""The repository polices itself: who may import whom, sizes, purity, leftovers. A rule that needs a
reviewer's memory belongs here."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "tierline"
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# Layer → the layers that it may import. `leaf`: errors, clock, config, histogram and the package.
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
    "transport": {"leaf", "model", "transport"},
    "endpoints": {"leaf", "model", "rules", "engine", "vendors", "store", "transport", "endpoints"},
    "delivery": {
        *("leaf", "model", "rules", "engine", "vendors", "store", "transport", "endpoints"),
        "delivery",
    },
    "reshard": {"leaf", "model", "store", "endpoints", "reshard"},
    "proposals": {"leaf", "model", "rules", "analysis", "ledger", "vendors", "proposals"},
}
PARTS = {*MAY_IMPORT, "web", "api", "cli"}
MAY_IMPORT["web"] = PARTS - {"transport", "delivery", "reshard", "api", "cli"}
MAY_IMPORT["api"] = MAY_IMPORT["web"] | {"api"}
MAY_IMPORT["cli"] = PARTS
LEAVES = {"", "errors", "clock", "config", "histogram"}
PURE = {"model", "rules", "engine", "analysis", "vendors"}
# Errors are values as much as exceptions: pure code raises them too.
ALSO = {
    **{pure: {"tierline.errors"} for pure in ("model", "rules", "engine", "analysis")},
    "vendors": {"tierline.errors", "tierline"},
}

IMPURE_MODULES = {
    *(
        "time",
        "random",
        "secrets",
        "os",
        "io",
        "socket",
        "ssl",
        "asyncio",
        "threading",
        "subprocess",
    ),
    *("pathlib", "tempfile", "shutil", "sys", "logging", "structlog", "asyncpg", "aiohttp"),
    *("starlette", "uvicorn", "urllib.request", "http.client", "concurrent"),
}
IMPURE_CALLS = {
    *("now", "utcnow", "today", "now_in_system_tz", "time_ns", "monotonic", "perf_counter"),
    *("uuid1", "uuid4", "urandom", "token_bytes", "token_hex", "getenv", "getrandbits"),
}
IMPURE_NAMES = {"open", "print", "input"}
EMPTY_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|service|base|misc|common)$")
LEFTOVERS = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b"
)
SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\s",
    re.DOTALL,
)


def python_files(*folders: str) -> list[Path]:
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.is_file()
    )


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def layer(module: str) -> str:
    """The layer of `tierline.…`."""
    parts = module.split(".")[1:]
    if not parts or parts[0] in LEAVES:
        return "leaf"
    if parts[0] == "vendors":
        return "api" if "api" in parts else "vendors"
    return parts[0] if parts[0] in MAY_IMPORT else "cli"


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """The modules that a file names, relative ones resolved."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                inner = SOURCE.parent.joinpath(*source.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                yield f"{source}.{alias.name}" if is_module else source


SOURCES = python_files("src")
TEXTS = python_files("src", "tests", "benchmarks")


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    """Each layer imports only what the table allows."""
    here = layer(module_of(path))
    wrong = [
        module
        for module in imports(path)
        if module.split(".")[0] == "tierline"
        and layer(module) not in MAY_IMPORT[here]
        and module not in ALSO.get(here, ())
    ]

    assert wrong == [], f"{here} may import {sorted(MAY_IMPORT[here])}"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if layer(module_of(path)) in PURE], ids=name
)
def test_pure_modules_have_no_clock_no_chance_and_no_io(path: Path) -> None:
    """Everything that they know is an argument: `now` too."""
    wrong = [module for module in imports(path) if impure(module)]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and called.attr in IMPURE_CALLS:
                wrong.append(f"line {node.lineno}: .{called.attr}()")
            if isinstance(called, ast.Name) and called.id in IMPURE_NAMES:
                wrong.append(f"line {node.lineno}: {called.id}()")

    assert wrong == []


def impure(module: str) -> bool:
    return any(module == banned or module.startswith(f"{banned}.") for banned in IMPURE_MODULES)


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if layer(module_of(path)) != "store"], ids=name
)
def test_sql_lives_in_the_store(path: Path) -> None:
    """No other layer knows that there are tables."""
    wrong = [
        f"line {node.lineno}: {node.value.strip()[:40]}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]

    assert wrong == []


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file that grows past this wants a second name, a function a leaf."""
    text = path.read_text()
    lines = text.splitlines()
    wrong = [f"{len(lines)} lines"] if len(lines) > FILE_LINES_MAX else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                wrong.append(f"line {node.lineno}: {node.name} has {length} lines")

    assert wrong == []


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_nothing_is_left_over(path: Path) -> None:
    """No note to oneself is committed, and no test is skipped for later."""
    with tokenize.open(path) as file:
        comments = [
            f"line {token.start[0]}: {token.string}"
            for token in tokenize.generate_tokens(file.readline)
            if token.type in {tokenize.COMMENT, tokenize.STRING} and LEFTOVERS.search(token.string)
        ]

    assert comments == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_names_say_something(path: Path) -> None:
    """A file called after nothing in the field collects everything."""
    assert not EMPTY_NAMES.search(path.stem)


def test_lock_files_name_no_address() -> None:
    """Everybody's own package index must serve; the hashes say what is right."""
    for path in ROOT.glob("requirements*.txt"):
        lines = path.read_text().splitlines()
        pinned = [line for line in lines if "==" in line]

        assert pinned
        assert [line for line in lines if "://" in line or line.startswith("-")] == []
        assert all(line.endswith("\\") for line in pinned), f"{path.name}: a pin without a hash"
