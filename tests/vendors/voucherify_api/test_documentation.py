"""`docs/voucherify.md` lists every route, and says of each whether it is there."""

from __future__ import annotations

import re
from pathlib import Path

from tierline.vendors.voucherify.api import OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "voucherify.md").read_text()
ROW = re.compile(r"^\| `(GET|POST|PUT|DELETE) (\S+)`.*? \| (.*) \|$", re.MULTILINE)
LOYALTY_OPERATIONS = 53


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

    assert works == {(each.method, same(each.path)) for each in OPERATIONS}
    assert len({row[:2] for row in rows}) == len(rows)


def test_all_operations_of_the_loyalty_api_are_listed() -> None:
    """By their number in the vendor's own description."""
    table = PAGE.split("### The 53 operations")[1].split("###")[0]

    assert len(ROW.findall(table)) == LOYALTY_OPERATIONS
