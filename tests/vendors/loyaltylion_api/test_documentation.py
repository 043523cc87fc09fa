"""`docs/loyaltylion.md` lists every route, and says of each whether it is there."""

from __future__ import annotations

import re
from pathlib import Path

from tierline.vendors.loyaltylion.api import OPEN_OPERATIONS, OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "loyaltylion.md").read_text()
ROW = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) (\S+)`.*? \| (.*) \|$", re.MULTILINE)


def same(path: str) -> str:
    """A path whose parameters have no names."""
    return re.sub(r"{\w+}", "{}", path)


def test_what_works_is_what_is_there() -> None:
    """No route is missing from the page, and none works on paper alone."""
    rows = ROW.findall(PAGE)
    works = {
        (method, same(path))
        for method, path, here in rows
        if here.startswith(("works", "extension"))
    }

    assert works == {(each.method, same(each.path)) for each in (*OPERATIONS, *OPEN_OPERATIONS)}
    assert len({row[:2] for row in rows}) == len(rows)
