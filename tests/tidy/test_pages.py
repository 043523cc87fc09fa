"""The pages for people: links lead somewhere, and the first pages can be read at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.tidy.repository import DOCS, ROOT, name

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
PAGES.append(ROOT / "tests" / "engine" / "scenarios" / "README.md")
FIRST_PAGES = [ROOT / "README.md", DOCS / "tutorial.md", DOCS / "cookbook.md"]
SENTENCE_WORDS_MAX = 35
CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def prose(path: Path) -> str:
    return CODE.sub("", path.read_text())


@cache
def anchors(path: Path) -> frozenset[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    plain = (LINK.sub(r"\g<text>", heading).lower() for heading in headings)
    return frozenset(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain)


def broken(path: Path) -> Iterator[str]:
    for link in LINK.finditer(prose(path)):
        target, _, anchor = link["target"].partition("#")
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        place = (path.parent / target).resolve() if target else path
        if not place.exists():
            yield f"{link['target']}: no such file"
        elif anchor and anchor not in anchors(place):
            yield f"{link['target']}: no such heading"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    """To a file that is there, and to a heading of it."""
    assert list(broken(path)) == []


def sentences(path: Path) -> Iterator[str]:
    """The sentences of paragraphs, items of lists and cells of tables."""
    text = LINK.sub(r"\g<text>", re.sub(r"<!--.*?-->", "", prose(path), flags=re.DOTALL))
    text = re.sub(r"`[^`]*`", "code", text)  # a command is one word
    blocks = re.split(r"\n\s*\n|^\s*(?:[-*]|\d+\.) |^#+ .*$|\||\n(?=\|)", text, flags=re.MULTILINE)
    for block in blocks:
        yield from re.split(r"(?<=[.!?])\s+(?=[A-Z`*\[(])", " ".join(block.split()))


@pytest.mark.parametrize("path", FIRST_PAGES, ids=name)
def test_sentences_of_the_first_pages_are_short(path: Path) -> None:
    """Nobody should have to read one twice."""
    words = {text: len(text.split()) for text in sentences(path)}

    assert {text: n for text, n in words.items() if n > SENTENCE_WORDS_MAX} == {}
