"""The tree that `docs/architecture.md` draws, as the tests read it."""

from __future__ import annotations

import re

from tests.tidy.repository import DOCS

ARCHITECTURE = (DOCS / "architecture.md").read_text()
# A folder begins a line; its files stand indented below it, those in inner folders with a slash.
FOLDER = re.compile(r"^([a-z_/]+)/( .*)?$")


def drawn() -> list[str]:
    """Returns the modules in the order in which the map names them: each may import those
    before it."""
    block = ARCHITECTURE.split("## The tree", 1)[1].split("```", 2)[1]
    modules = []
    folder = ""
    for line in block.splitlines():
        if heading := FOLDER.match(line):
            folder = f"tierline/{heading[1]}".removesuffix("/tierline")
        else:
            modules += [f"{folder}/{file}".replace("/", ".") for file in line.split()]
    return modules


DRAWN = drawn()
