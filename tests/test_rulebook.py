"""docs/rules.md says what the code says."""

from tests.rulebook import PAGE, SECTIONS, printed


def test_the_rule_book_is_printed_from_the_code() -> None:
    """The generated tables of docs/rules.md are what the code prints today."""
    page = PAGE.read_text()

    assert all(f"<!-- {name}: printed from the code -->" in page for name in SECTIONS)
    assert printed(page) == page, "run: python -m tests.rulebook"
