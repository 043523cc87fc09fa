"""Sizes, leftovers and lock files: what no reviewer should have to look for."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.repository import ROOT, TEXTS, offences, tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
LEFTOVERS = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b"
)


def large(path: Path) -> Iterator[str]:
    lines = path.read_text().splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield f"{len(lines)} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"line {node.lineno}: {node.name} has {length} lines"


def test_files_and_functions_stay_small() -> None:
    """A file that grows past this may hold two things, a long function hides a leaf."""
    assert offences(TEXTS, large) == []


def left_over(path: Path) -> list[str]:
    with tokenize.open(path) as file:
        return [
            f"line {token.start[0]}: {token.string}"
            for token in tokenize.generate_tokens(file.readline)
            if token.type in {tokenize.COMMENT, tokenize.STRING} and LEFTOVERS.search(token.string)
        ]


def test_nothing_is_left_over() -> None:
    """No note to oneself is committed, and no test is skipped for later."""
    assert offences(TEXTS, left_over) == []


def test_lock_files_name_no_address() -> None:
    """Everybody's own package index must serve; the hashes say what is right."""
    for path in ROOT.glob("requirements*.txt"):
        lines = path.read_text().splitlines()
        pinned = [line for line in lines if "==" in line]

        assert pinned
        assert [line for line in lines if "://" in line or line.startswith("-")] == []
        assert all(line.endswith("\\") for line in pinned), f"{path.name}: a pin without a hash"
