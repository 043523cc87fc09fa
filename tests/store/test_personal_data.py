"""Every column that can hold a text has a decision: what erasing a customer does to it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.web.erasure.traces import columns
from tierline.store.database import Database

PRIVACY = Path(__file__).parents[2] / "docs" / "privacy.md"
ROW = re.compile(r"^\| `(\w+)\.(\w+)` \| .+ \| (goes|numbers|kept)\b.* \|$", re.MULTILINE)


async def test_every_column_has_a_decision_of_what_erasing_does_to_it(database: Database) -> None:
    """A new column that may hold a text needs a line in docs/privacy.md, and where it may hold a
    customer's, a step in `ledger/erasure/` and a trace in `tests/web/erasure/person.py`."""
    async with database.pool.acquire() as connection:
        existing = await columns(connection)
    decided = [(table, column) for table, column, _ in ROW.findall(PRIVACY.read_text())]
    assert decided == sorted(decided)
    missing, unknown = set(existing) - set(decided), set(decided) - set(existing)
    assert not missing, f"say in docs/privacy.md what erasing does to {sorted(missing)}"
    assert not unknown, f"docs/privacy.md speaks of columns that are not there: {sorted(unknown)}"
