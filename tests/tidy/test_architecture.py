"""The map names every file."""

from __future__ import annotations

from collections import Counter

from tests.tidy import not_yet
from tests.tidy.architecture import DRAWN
from tests.tidy.repository import MODULES, package_of

FILES = {
    module: path
    for module, path in MODULES.items()
    if path.name != "__init__.py" and "migrations" not in path.parts
}


def settled(modules: set[str]) -> set[str]:
    return {module for module in modules if package_of(module) not in not_yet.UNDRAWN}


def test_the_map_names_every_module_once() -> None:
    """And none that is not there."""
    assert settled(set(FILES) - set(DRAWN)) == set()
    assert settled(set(DRAWN) - set(FILES)) == set()
    assert [module for module, count in Counter(DRAWN).items() if count > 1] == []
