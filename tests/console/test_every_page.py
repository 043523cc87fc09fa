"""Every page that a link leads to, and every form and button that stands on one, is driven in
Chromium: with axe in light and dark, in 360 pixels, and each form with what somebody would type
into it. One server and one tab serve for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.console.forms import ANNA, FORMS, MEMBERS, Drive
from tests.console.imported import imported, moving
from tests.console.map import TEMPLATES, Links, buttons, lineage, pattern_of
from tests.console.shop import CLUB
from tests.console.tab import Tab
from tests.console.visitor import Visitor
from tests.receiver import Receiver
from tierline.console.routes import PAGES

AXE = (Path(__file__).parent.parent / "data" / "axe" / "axe-4.14.1.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def every_page(maya: Visitor) -> tuple[dict[str, str], set[str]]:
    """A URL for each page that links lead to from the start, and every form on them. Of members,
    Anna's pages are looked at. Every link of each of them leads to a page."""
    pages: dict[str, str] = {}
    forms: set[str] = {"POST /console/sign-in"}  # where one is led without a session
    first = (await maya.get("/console")).headers["location"]
    waiting, seen = [first], set()
    while waiting:
        url = waiting.pop()
        pattern = pattern_of(url, maya.root)
        assert pattern is not None, f"{url} is no page"
        if url in seen or (pattern in pages and not _is_visited_again(pattern, url)):
            continue
        seen.add(url)
        answer = await maya.get(url)
        if answer.status == 303:
            pages.setdefault(pattern, url)
            waiting.append(answer.headers["location"])
            continue
        assert answer.status == 200, url
        pages[pattern] = url
        page = Links(answer.body.decode())
        waiting += [link for link in page.links if link.startswith("/console/pro")]
        forms |= {f"{method} {pattern_of(action, maya.root)}" for method, action in page.forms}
    return pages, forms


def _is_visited_again(pattern: str, url: str) -> bool:
    special = url.endswith(("/test_endpoint", MEMBERS)) or "/anna" in url or "attempt?" in url
    return special or pattern in ("/endpoints/{endpoint}", "/imports/{import}")


async def test_links_lead_to_every_page_and_every_form_is_driven(
    maya: Visitor, receiver: Receiver
) -> None:
    """A page that nothing leads to is found by nobody; a form that no test sends may be broken."""
    await prepare(maya, receiver)
    pages, forms = await every_page(maya)

    assert set(pages) == {page.path for page in PAGES} - {"/live"}  # which the overview hears
    assert forms == set(FORMS)


def test_every_button_is_pressed() -> None:
    """Also those that stand on a page only at times."""
    pressed = {
        (template, press.sends)
        for form, drives in FORMS.items()
        for template in lineage(TEMPLATES[form.partition(" ")[2]])
        for drive in drives
        for press in drive.presses
    }
    assert buttons() - pressed == set()


async def prepare(maya: Visitor, receiver: Receiver) -> dict[str, str]:
    """Something of everything: an override to release, an endpoint that was sent something, one
    that is paused in the middle of a replay, an import with what it refused, and one that never
    ends. Returns their pages."""
    form = {"kind": "pin", "tier": "gold", "reason": "Guest", "do": "yes"}
    assert (await maya.send(f"{ANNA}/override", form)).status == 303
    api = maya.api
    ids = [(await api.post("/api/endpoints", {"url": receiver.url})).json["id"] for _ in range(2)]
    earn = {"customer": "ben", "kind": "earn", "points": 900}
    assert (await api.post("/api/programs/club/activities", earn)).status == 200
    await receiver.wait(2)
    active, paused = ids
    assert (await api.post(f"/api/endpoints/{paused}/pause")).status == 200
    changes = [
        (await api.post("/api/programs/club/change-requests", CLUB | {"name": name})).json["id"]
        for name in ("Golden Club", "Silver Club")
    ]
    again = await api.post(f"/api/endpoints/{paused}/replay", {"everything": True})
    assert again.status < 300, again.body
    return {
        "{endpoint}": f"/endpoints/{active}",
        "{paused}": f"/endpoints/{paused}",
        "{import}": f"/imports/{await imported(maya)}",
        "{moving}": f"/imports/{moving(maya.api)}",
        "{change}": f"/changes/{changes[0]}",
        "{unwanted}": f"/changes/{changes[1]}",
    }


async def test_every_form_does_what_it_says(
    tab: Tab, maya: Visitor, receiver: Receiver, subtests: pytest.Subtests
) -> None:
    """With the keyboard where it says a key."""
    places = await prepare(maya, receiver)
    for form, drives in FORMS.items():
        with subtests.test(form=form):
            for drive in drives:
                await driven(tab, drive, places)


async def driven(tab: Tab, drive: Drive, places: dict[str, str]) -> None:
    page, place = tab.page, drive.page
    for name, path in places.items():
        place = place.replace(name, path)
    page.set_default_timeout(60_000)
    await page.goto(f"{tab.visitor.api.process.url}{tab.visitor.root}{place}")
    if drive.unfold is not None:
        await page.locator("summary", has_text=drive.unfold).click()
    for label, plain in drive.fill.items():
        text = plain.replace("ENDPOINT", places["{endpoint}"].rpartition("/")[2])
        field = page.get_by_label(label, exact=True)
        if label == "File":
            await field.set_input_files(
                {"name": "people.csv", "mimeType": "text/csv", "buffer": text.encode()}
            )
        else:
            await (field.check() if text == "yes" else field.fill(text))
    for label, option in drive.choose.items():
        await page.get_by_label(label, exact=True).select_option(option)
    for press in drive.presses:
        if press.label in ("Enter", "Home"):
            which = "input[type=search]" if press.label == "Enter" else "input[type=range]"
            await page.locator(which).press(press.label)
        else:
            exact = not press.label.endswith("due day")
            await page.get_by_role("button", name=press.label, exact=exact).first.click()
        await page.get_by_text(press.text).first.wait_for()


async def violations(page: Any, rules: list[str]) -> list[str]:
    report = await page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})"
        ".then(report => report.violations)", rules
    )  # fmt: skip
    return [
        f"{fault['id']}: {node['html'][:160]} {node['any'] and node['any'][0]['message']}"
        for fault in report
        for node in fault["nodes"]
    ]


async def test_every_page_serves_everybody(
    tab: Tab, maya: Visitor, receiver: Receiver, subtests: pytest.Subtests
) -> None:
    """No fault for axe; in the dark, only colours differ. Nothing is wider than a small
    telephone."""
    await prepare(maya, receiver)
    pages, _ = await every_page(maya)
    del pages["/imports/{import}/rejects"]  # a file
    for pattern, url in {**pages, "sign-in": "/console/sign-in"}.items():
        with subtests.test(page=pattern):
            await tab.page.goto(f"{maya.api.process.url}{url}")
            await tab.page.evaluate(AXE)
            faults = await violations(tab.page, RULES)
            await tab.page.emulate_media(color_scheme="dark")
            faults += await violations(tab.page, ["color-contrast"])
            await tab.page.emulate_media(color_scheme="light")
            await tab.page.set_viewport_size({"width": 360, "height": 740})
            width = await tab.page.evaluate("document.documentElement.scrollWidth")
            await tab.page.set_viewport_size({"width": 1280, "height": 860})
            assert not faults, "\n".join(faults)
            assert width <= 360
