"""Every code block of every page runs in a test, or says in the line before it why it cannot.

`<!-- not run: … -->` says why. `RUN` names the tests that run blocks. Any other block is JSON that
can be read, or commands of `tierline`, with options that there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from tests.tidy.repository import DOCS, ROOT, name
from tierline.cli import main

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>.+?) -->\n)?^ *```(?P<language>\w*)\n"
    r"(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
# Page and language -> the test that runs such blocks, all of them.
RUN = {
    ("README.md", ""): "tests/demo/test_demo.py",
    ("README.md", "sh"): "tests/e2e/test_readme.py",
    ("README.md", "python"): "tests/e2e/test_readme.py",
    ("docs/architecture.md", ""): "tests/test_worked_example.py",
    ("docs/architecture.md", "python"): "tests/vendors/test_toy_vendor.py",
    ("docs/architecture.md", "text"): "tests/vendors/test_toy_vendor.py",
    ("docs/cookbook.md", ""): "tests/test_cookbook.py",
    ("docs/cookbook.md", "sh"): "tests/e2e/test_pages.py",
    ("docs/loyaltylion.md", "sh"): "tests/e2e/test_pages.py",
    ("docs/operating.md", "sh"): "tests/e2e/test_pages.py",
    ("docs/tutorial.md", "sh"): "tests/e2e/test_tutorial.py",
    ("docs/voucherify.md", "sh"): "tests/e2e/test_pages.py",
}
SYNOPSIS = re.compile(r"tierline ((?:[a-z]+ ?)+)")


class Block(NamedTuple):
    reason: str
    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    parts = (match.groupdict("") for match in BLOCK.finditer(path.read_text()))
    return [Block(each["reason"], each["language"], each["text"]) for each in parts]


def command_of(words: list[str]) -> click.Command:
    command: click.Command = main
    for word in words:
        inner = None
        if isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), word)
            assert inner is not None, word
        command = inner or command
    return command


def wrong(page: str, block: Block) -> Iterator[str]:
    """What is wrong about a block."""
    first = block.text.strip().partition("\n")[0]
    if block.reason:
        if len(block.reason.split()) < 3:
            yield f"{first}: {block.reason!r} is no reason"
    elif (page, block.language) in RUN:
        test = ROOT / RUN[page, block.language]
        if page.partition("/")[2] not in test.read_text() and page not in test.read_text():
            yield f"{first}: {test} does not read this page"
    elif block.language == "json":
        try:
            json.loads(block.text)
        except json.JSONDecodeError as error:
            yield f"{first}: {error}"
    elif first.startswith("tierline "):
        yield from unknown(block.text)
    else:
        yield f"{first}: neither run nor explained"


def unknown(text: str) -> Iterator[str]:
    """Commands and options in a synopsis that there are not."""
    for line in re.sub(r"\n +", " ", text).splitlines():
        words = SYNOPSIS.match(line)
        if words is None:
            yield f"{line}: no command"
            continue
        command = command_of(words[1].split())
        options = {
            name for param in command.params for name in (*param.opts, *param.secondary_opts)
        }
        yield from (
            f"{line}: no {given}"
            for given in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line.partition(" #")[0])
            if given not in options
        )


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_block_runs_or_says_why_not(path: Path) -> None:
    """In the page's own words."""
    assert [problem for block in blocks(path) for problem in wrong(name(path), block)] == []
