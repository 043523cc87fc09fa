"""What the tidy tests read: the repository's files, their modules and what they import."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "tierline"
DOCS = ROOT / "docs"


def python_files(*folders: str) -> list[Path]:
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.is_file()
    )


SOURCES = python_files("src")
TEXTS = python_files("src", "tests", "benchmarks", "examples")


def name(path: Path) -> str:
    """Returns a file's path from the root, with slashes: a test's id."""
    return path.relative_to(ROOT).as_posix()


def offences(paths: Iterable[Path], rule: Callable[[Path], Iterable[str]]) -> list[str]:
    """What breaks a rule, and where. One test for all files: thousands of tests cost more time to
    collect than to run."""
    return [f"{name(path)}: {offence}" for path in paths for offence in rule(path)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def module_of(path: Path) -> str:
    """Returns `tierline.…`, as an import names the file."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yields the modules that a file of the source names anywhere in it, `if TYPE_CHECKING` and
    inside functions included. Relative names are resolved."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                inner = SOURCE.parent.joinpath(*source.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                yield f"{source}.{alias.name}" if is_module else source


MODULES = {module_of(path): path for path in SOURCES}
# Module → the project's modules that it imports.
IMPORTS = {
    module: {inner for inner in imports(path) if inner in MODULES and inner != module}
    for module, path in MODULES.items()
}


def package_of(module: str) -> str:
    """Returns the folder directly below `tierline`, or the file's own name at the top."""
    return [*module.split("."), ""][1]
