"""The migrations: plain SQL files, in order, written out unchanged, and fast to leave alone."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.store.test_database import told
from tierline.errors import Invalid
from tierline.store import migrate

FILES = sorted(migrate.MIGRATIONS.glob("[0-9]*.sql"))


def test_every_file_has_its_revision() -> None:
    """0001_initial.sql goes with versions/r0001_initial.py, numbered without a gap."""
    revisions = sorted((migrate.MIGRATIONS / "versions").glob("r*.py"))

    assert [path.stem for path in revisions] == [f"r{path.stem}" for path in FILES]
    assert [path.name[:4] for path in FILES] == [f"{n:04}" for n in range(1, len(FILES) + 1)]


def test_a_script_holds_the_files_unchanged() -> None:
    """What is reviewed is what runs: colons, quotes and percent signs included."""
    script = migrate.script(None)
    at = [script.index(path.read_text().strip().rstrip(";")) for path in FILES]

    assert at == sorted(at)
    assert f"'{migrate.newest()}'" in script


def test_a_script_has_no_transaction_of_its_own() -> None:
    """The caller's holds it together with the installation's rows."""
    assert not re.search(r"^(BEGIN|COMMIT)\b", migrate.script(None), re.MULTILINE)


def test_an_up_to_date_start_loads_no_migration_library() -> None:
    """Alembic and SQLAlchemy cost 0.3 s and 30 MB, which only a migration pays."""
    code = (
        "import sys, tierline.store.installation; print({'alembic', 'sqlalchemy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "set()\n"


@pytest.mark.parametrize("shards", [0, 1025])
async def test_a_number_of_shards_has_bounds(empty_url: str, shards: int) -> None:
    """Each costs a cursor per endpoint, and rows per batch."""
    assert isinstance(await told(empty_url, shards=shards), Invalid)
