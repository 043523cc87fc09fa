"""What is not yet true, by rule. These lists only shrink; an empty one goes, and so does this
file in the end."""

from __future__ import annotations

# Folders and files that still name things by participles.
NAMES: set[str] = set()
# Packages with a circle of imports, which therefore stand in no order either.
CIRCLES = {"ledger"}
# Packages whose files are still being cut: the map and the glossary may lag behind.
UNDRAWN = {"ledger"}
# Public class names that stand for more than one thing.
TWICE = {"Catalog", "Cursor"}
