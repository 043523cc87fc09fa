"""The keyboard alone is enough: a manager finds somebody and changes something without a mouse."""

from __future__ import annotations

from typing import Any

from tests.console.tab import Tab

STOPS_MAX = 60  # of the tabulator, until something must have the focus


async def reach(page: Any, text: str) -> None:
    """Goes on with the tabulator until what has the focus reads so; it must be seen to have it."""
    for _ in range(STOPS_MAX):
        await page.keyboard.press("Tab")
        focus: dict[str, str] = await page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " const label = e.labels && e.labels[0] ? e.labels[0].innerText : '';"
            " return {text: label || e.innerText || e.ariaLabel || '',"
            " outline: s.outlineStyle + s.boxShadow}; }"
        )
        if focus["text"].strip() == text:
            assert focus["outline"] != "nonenone", f"{text} does not show its focus"
            return
    raise AssertionError(f"the tabulator does not reach {text!r}")


async def test_the_keyboard_alone_is_enough(tab: Tab) -> None:
    page = tab.page
    await tab.go("")
    await reach(page, "Skip to the content")
    await reach(page, "Members")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Members").wait_for()
    await page.keyboard.press("/")
    await page.keyboard.type("Anna")
    await page.get_by_text("Ben Okafor").wait_for(state="detached")
    await reach(page, "Anna Berger")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Anna Berger").wait_for()
    await reach(page, "Adjust points")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Adjust points").wait_for()
    await reach(page, "Points")
    await page.keyboard.type("5")
    await reach(page, "Reason")
    await page.keyboard.type("Parcel")
    await reach(page, "Show the outcome")
    await page.keyboard.press("Enter")
    await page.get_by_text("Will be told").wait_for()
    await reach(page, "Adjust")
    await page.keyboard.press("Enter")
    await page.get_by_text("The points are adjusted.").wait_for()
