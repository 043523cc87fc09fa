"""One word, one meaning: file names, class names, and what a variable may be called."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.repository import SOURCES, TEXTS, module_of, name, offences, tree

EMPTY_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|service|base|misc|common)$")
# A variable is a noun for what it is, never a participle for what happened to it.
PARTICIPLES = {"told", "found", "shown", "wanted", "kept", "asked", "known"}


def test_file_names_say_something() -> None:
    """A file called after nothing in the field collects everything."""
    assert [name(path) for path in SOURCES if EMPTY_NAMES.search(path.stem)] == []


def test_a_public_class_name_exists_once() -> None:
    """Whoever searches for a name finds one thing."""
    homes = defaultdict(list)
    for path in SOURCES:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module_of(path))

    twice = {word: modules for word, modules in homes.items() if len(modules) > 1}
    assert twice == {}


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Yields every name that a file gives or uses, with its line: parameters, variables,
    attributes, fields, functions, classes, imports and captures of a match."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word):
                yield node.lineno, word
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.ExceptHandler(name=str(word)) | ast.MatchAs(name=str(word)):
                yield node.lineno, word
            case ast.MatchStar(name=str(word)) | ast.MatchMapping(rest=str(word)):
                yield node.lineno, word
            case ast.keyword(arg=str(word)):
                yield node.lineno, word
            case ast.alias(asname=str(word)):
                yield node.lineno, word
            case _:
                pass


def participles(path: Path) -> list[str]:
    return [f"line {line}: {word}" for line, word in names(path) if word.strip("_") in PARTICIPLES]


def test_variables_are_nouns() -> None:
    """`told`, `found` and their like say what happened, not what a thing is."""
    assert offences(TEXTS, participles) == []


def test_the_scan_sees_every_way_to_give_a_name(tmp_path: Path) -> None:
    """A rule that overlooks a place to name things does not hold there."""
    file = tmp_path / "names.py"
    file.write_text(
        "import os as told\n"
        "def found(shown, *, wanted=1): kept = 2\n"
        "class A:\n"
        "    asked: int\n"
        "    def f(self): self.known = 1\n"
        "try: pass\n"
        "except OSError as told: pass\n"
        "match 1:\n"
        "    case [*found]: pass\n"
        "    case {**shown}: pass\n"
        "    case wanted: pass\n"
        "f(kept=3)\n"
    )

    seen = sorted((line, word) for line, word in names(file) if word in PARTICIPLES)

    assert seen == [
        *((1, "told"), (2, "found"), (2, "kept"), (2, "shown"), (2, "wanted"), (4, "asked")),
        *((5, "known"), (7, "told"), (9, "found"), (10, "shown"), (11, "wanted"), (12, "kept")),
    ]
