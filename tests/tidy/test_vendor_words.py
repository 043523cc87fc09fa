"""A vendor's words stand in its folder."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tidy.repository import SOURCE, offences
from tierline.vendors.registry import VENDORS

# What only one vendor says. `card` and `presentations` are words of ours.
WORDS = {
    "voucherify": r"voucher|campaign|loyalty_tiers|ltr_|distr_|distribution|event_name",
    "loyaltylion": (
        r"loyalty.?lion|\blions?\b|Lion|merchant|position_base|boundary_mode|program_events"
        r"|site_(id|token|secret|domain)"
    ),
}
# The registry names the vendors; the demo shows samples that they published.
EXCEPTIONS = {SOURCE / "vendors" / "registry.py", SOURCE / "demo" / "stories.json"}
FILES = [
    path
    for path in sorted(SOURCE.rglob("*"))
    if path.is_file() and path.suffix in {".py", ".sql", ".json"} and path not in EXCEPTIONS
]


def vendor_words(path: Path) -> list[str]:
    text = path.read_text()
    return [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for vendor, words in WORDS.items()
        if SOURCE / "vendors" / vendor not in path.parents
        for match in re.finditer(words, text, re.IGNORECASE if vendor == "voucherify" else 0)
    ]


def test_a_vendors_words_stand_in_its_folder() -> None:
    """Not even in a comment: whoever changes a vendor needs to look nowhere else."""
    assert offences(FILES, vendor_words) == []


def test_every_vendor_with_words_of_its_own_is_looked_for() -> None:
    """`standard` is ours."""
    assert {vendor.name for vendor in VENDORS} - {"standard"} == set(WORDS)


def test_a_vendor_bears_the_name_of_its_folder() -> None:
    """Its HTTP routes are looked for under that name."""
    folders = {path.parent.name for path in (SOURCE / "vendors").glob("*/vendor.py")}

    assert [vendor.name for vendor in VENDORS] == [
        vendor.name for vendor in VENDORS if vendor.name in folders
    ]
    assert {vendor.name for vendor in VENDORS} == folders
