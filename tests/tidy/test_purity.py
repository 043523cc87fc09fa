"""Pure code has no clock, no chance and no I/O; SQL stands in the store."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.repository import SOURCES, imports, module_of, offences, tree
from tests.tidy.test_imports import PURE, layer

IMPURE_MODULES = {
    *("time", "random", "secrets", "os", "io", "socket", "ssl", "asyncio", "threading"),
    *("subprocess", "pathlib", "tempfile", "shutil", "sys", "logging", "structlog", "asyncpg"),
    *("aiohttp", "starlette", "uvicorn", "urllib.request", "http.client", "concurrent"),
}
IMPURE_CALLS = {
    *("now", "utcnow", "today", "now_in_system_tz", "time_ns", "monotonic", "perf_counter"),
    *("uuid1", "uuid4", "urandom", "token_bytes", "token_hex", "getenv", "getrandbits"),
}
IMPURE_NAMES = {"open", "print", "input"}
SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\s",
    re.DOTALL,
)


def is_impure(module: str) -> bool:
    return any(module == banned or module.startswith(f"{banned}.") for banned in IMPURE_MODULES)


def impurities(path: Path) -> Iterator[str]:
    yield from (module for module in imports(path) if is_impure(module))
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and called.attr in IMPURE_CALLS:
                yield f"line {node.lineno}: .{called.attr}()"
            if isinstance(called, ast.Name) and called.id in IMPURE_NAMES:
                yield f"line {node.lineno}: {called.id}()"


def test_pure_modules_have_no_clock_no_chance_and_no_io() -> None:
    """All that they need is an argument: `now` too."""
    pure = [path for path in SOURCES if layer(module_of(path)) in PURE]
    assert offences(pure, impurities) == []


def statements(path: Path) -> list[str]:
    return [
        f"line {node.lineno}: {node.value.strip()[:40]}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]


def test_sql_lives_in_the_store() -> None:
    """No other layer speaks of tables."""
    others = [path for path in SOURCES if layer(module_of(path)) != "store"]
    assert offences(others, statements) == []
