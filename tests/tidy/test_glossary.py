"""The glossary explains every word once, in one sentence, with a file that is there."""

from __future__ import annotations

import re

from tests.tidy.repository import DOCS, SOURCE, package_of
from tests.tidy.test_architecture import FILES

# Layers whose every file is named by a word of the field.
GLOSSED = {
    *("model", "rules", "engine", "analysis", "vendors", "store", "ledger", "transport"),
    *("endpoints", "delivery", "reshard", "web"),
}
ROW = re.compile(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \|$", re.MULTILINE)
FILE = re.compile(r"`([a-z0-9_/]+\.(?:py|sql|md))`")


def rows() -> list[tuple[str, str, str]]:
    """Returns the glossary's rows: word, sentence, files."""
    return ROW.findall((DOCS / "glossary.md").read_text())


def test_the_glossary_gives_every_word_one_row_in_order() -> None:
    """A word that stands twice has two meanings."""
    words = [word.lower() for word, _, _ in rows()]

    assert len(words) > 50
    assert words == sorted(set(words))


def test_the_glossary_says_each_meaning_in_one_sentence() -> None:
    """Whoever needs more opens the file."""
    wrong = [word for word, text, _ in rows() if not text.endswith(".") or ". " in text]

    assert wrong == []


def test_the_glossary_names_files_that_are_there() -> None:
    """From `src/tierline`."""
    missing = [
        f"{word}: {file}"
        for word, _, files in rows()
        for file in FILE.findall(files)
        if not (SOURCE / file).exists()
    ]

    assert missing == []
    assert [word for word, _, files in rows() if not FILE.search(files)] == []


def test_the_glossary_explains_every_file_of_the_inner_layers() -> None:
    """A newcomer who meets a file in the tree finds its word."""
    explained = {SOURCE / file for _, _, files in rows() for file in FILE.findall(files)}
    missing = {
        module
        for module, path in FILES.items()
        if package_of(module) in GLOSSED and path not in explained
    }

    assert missing == set()
