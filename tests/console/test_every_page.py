"""Every page that a link leads to, and every form that stands on one, is driven in Chromium: with
axe in light and dark, in 360 pixels, and each form with what somebody would type into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.console.map import Links, pattern_of
from tests.console.tab import Tab
from tests.console.visitor import Visitor
from tierline.console.routes import PAGES

AXE = (Path(__file__).parent.parent / "data" / "axe" / "axe-4.14.1.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MEMBERS = "/programs/club/members"
ANNA = f"{MEMBERS}/anna"


class Drive(Struct, frozen=True):
    """How a form is driven: the page to open, what to unfold, fill in by label, and press, and
    what is read afterwards."""

    page: str
    press: str
    text: str
    fill: dict[str, str] = {}
    choose: dict[str, str] = {}
    unfold: str | None = None


FORMS = {
    "GET /programs/{program}/members": Drive(
        MEMBERS, "Enter", "Grace Kim", {"Search by name, e-mail address or id": "Grace"}
    ),
    "GET /programs/{program}/members/{source_id}": Drive(ANNA, "Home", "Back to now"),
    "POST /programs/{program}/members": Drive(
        MEMBERS, "Enrol", "is a member now", {"Customer": "zoe"}, unfold="Enrol a member"
    ),
    "POST /programs/{program}/members/{source_id}/adjust": Drive(
        f"{ANNA}/adjust", "Adjust", "The points are adjusted.", {"Points": "5", "Reason": "Parcel"}
    ),
    "POST /programs/{program}/members/{source_id}/override": Drive(
        f"{ANNA}/override", "Give a tier", "The override is set.",
        {"Reason": "Loyal", "Last day": "2027-05-09"}, {"Tier": "gold"},
    ),
    "POST /programs/{program}/members/{source_id}/attributes": Drive(
        f"{ANNA}/attributes", "Set", "The attributes are set.",
        {"Attribute": "vip", "Value": "true"},
    ),
    "POST /programs/{program}/members/{source_id}/reverse": Drive(
        f"{ANNA}/reverse?of=order-7-anna", "Take back", "The activity is taken back.",
        {"Reason": "Sent back"},
    ),
    "POST /programs/{program}/members/{source_id}/release": Drive(
        f"{ANNA}/release", "Release", "The override is released."
    ),
    "POST /programs/{program}/members/{source_id}/leave": Drive(
        f"{ANNA}/leave", "End the membership", "The membership has ended."
    ),
    "POST /console/sign-out": Drive(ANNA, "Sign out", "Sign in", unfold="Project and account"),
}  # fmt: skip


async def every_page(maya: Visitor) -> tuple[dict[str, str], set[str]]:
    """A URL for each page that links lead to from the start, and every form on them. Of members,
    Anna's pages are looked at."""
    pages: dict[str, str] = {}
    forms: set[str] = set()
    first = (await maya.get("/console")).headers["location"]
    waiting, seen = [first], set()
    while waiting:
        url = waiting.pop()
        pattern = pattern_of(url, maya.root)
        assert pattern is not None, f"{url} is no page"
        if url in seen or (pattern in pages and "/anna" not in url and not url.endswith(MEMBERS)):
            continue
        seen.add(url)
        pages[pattern] = url
        answer = await maya.get(url)
        if answer.status == 303:
            waiting.append(answer.headers["location"])
            continue
        assert answer.status == 200, url
        page = Links(answer.body.decode())
        waiting += [link for link in page.links if link.startswith("/console/pro")]
        forms |= {f"{method} {pattern_of(action, maya.root)}" for method, action in page.forms}
    return pages, forms


async def test_links_lead_to_every_page_and_every_form_is_driven(maya: Visitor) -> None:
    """A page that nothing leads to is found by nobody; a form that no test sends may be broken."""
    await override(maya)
    pages, forms = await every_page(maya)

    assert set(pages) == {page.path for page in PAGES}
    assert forms - set(FORMS) == set()
    assert set(FORMS) - forms == set()


async def override(maya: Visitor) -> None:
    """So that there is one to release."""
    form = {"kind": "pin", "tier": "gold", "reason": "Guest", "do": "yes"}
    assert (await maya.send(f"{ANNA}/override", form)).status == 303


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_does_what_it_says(tab: Tab, maya: Visitor, form: str) -> None:
    """With the keyboard where it says a key."""
    drive, page = FORMS[form], tab.page
    if form.endswith("/release"):
        await override(maya)
    await tab.go(drive.page)
    if drive.unfold is not None:
        await page.locator("summary", has_text=drive.unfold).click()
    for label, text in drive.fill.items():
        await page.get_by_label(label, exact=True).fill(text)
    for label, option in drive.choose.items():
        await page.get_by_label(label, exact=True).select_option(option)
    if drive.press in ("Enter", "Home"):
        field = "input[type=search]" if drive.press == "Enter" else "input[type=range]"
        await page.locator(field).press(drive.press)
    else:
        await page.get_by_role("button", name=drive.press, exact=True).click()
    await page.get_by_text(drive.text).first.wait_for()


async def violations(page: Any) -> list[str]:
    report = await page.evaluate(
        f"async () => {{ {AXE}; return axe.run(document, {{runOnly: {RULES}}}); }}"
    )
    return [
        f"{fault['id']}: {node['html'][:160]} {node['any'] and node['any'][0]['message']}"
        for fault in report["violations"]
        for node in fault["nodes"]
    ]


async def test_every_page_serves_everybody(tab: Tab, maya: Visitor) -> None:
    """No fault for axe, in light and dark; nothing is wider than a small telephone."""
    await override(maya)
    pages, _ = await every_page(maya)
    faults = []
    for pattern, url in pages.items():
        await tab.go(url.removeprefix(maya.root))
        for scheme in ("light", "dark"):
            await tab.page.emulate_media(color_scheme=scheme)
            faults += [f"{pattern} {scheme}: {fault}" for fault in await violations(tab.page)]
        await tab.page.set_viewport_size({"width": 360, "height": 740})
        width = await tab.page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            faults.append(f"{pattern}: {width} pixels wide")
        await tab.page.set_viewport_size({"width": 1280, "height": 860})
    assert not faults, "\n".join(faults)
