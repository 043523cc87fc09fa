"""Named statements: a file and its class agree, or nothing imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierline.store import named_queries
from tierline.store.named_queries import Queries, Statement, read

FILE = """\
-- What this file is about.

-- name: one
-- Reads the number one.
SELECT 1;

-- name: all_of_them
-- Counts for the console.
-- wide: an overview, asked rarely
SELECT count(*)
FROM member
-- a comment inside stays
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of statements of its own."""
    monkeypatch.setattr(named_queries, "FOLDER", tmp_path)
    (tmp_path / "some.sql").write_text(FILE)
    return tmp_path


def test_a_file_is_read_in_order(folder: Path) -> None:
    """Name, comment, text without its semicolon, and the mark."""
    assert read(folder / "some.sql") == (
        Statement("one", "Reads the number one.", "SELECT 1"),
        Statement(
            "all_of_them",
            "Counts for the console.",
            "SELECT count(*)\nFROM member\n-- a comment inside stays",
            "an overview, asked rarely",
        ),
    )


def test_a_class_has_the_statements_of_its_file(folder: Path) -> None:
    """As attributes that the type checker knows."""

    class Some(Queries, file="some.sql"):
        one: str
        all_of_them: str

    assert Some.one == "SELECT 1"


def test_a_class_that_differs_from_its_file_does_not_import(folder: Path) -> None:
    """Whichever of the two has more."""
    with pytest.raises(ImportError, match=r"some.sql and Some differ: \['all_of_them', 'two'\]"):

        class Some(Queries, file="some.sql"):
            one: str
            two: str


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-- name: one\n-- It.\nSELECT 1\n-- name: one\n-- It.\nSELECT 2\n", "one comes twice"),
        ("-- name: one\nSELECT 1\n", "one needs a comment line and a statement"),
        ("-- name: one\n-- It.\n", "one needs a comment line and a statement"),
        ("SELECT 1\n-- name: one\n-- It.\nSELECT 1\n", "SQL before the first name"),
    ],
)
def test_a_careless_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Each statement has one name and says what it is for."""
    (tmp_path / "bad.sql").write_text(text)

    with pytest.raises(ValueError, match=reason):
        read(tmp_path / "bad.sql")
