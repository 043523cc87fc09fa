"""The map names every file."""

from __future__ import annotations

from collections import Counter

from tests.tidy.architecture import DRAWN
from tests.tidy.repository import MODULES

FILES = {
    module: path
    for module, path in MODULES.items()
    if path.name != "__init__.py" and "migrations" not in path.parts
}


def test_the_map_names_every_module_once() -> None:
    """And none that is not there."""
    assert set(FILES) - set(DRAWN) == set()
    assert set(DRAWN) - set(FILES) == set()
    assert [module for module, count in Counter(DRAWN).items() if count > 1] == []
