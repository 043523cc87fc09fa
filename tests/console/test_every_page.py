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
from tests.receiver import Receiver
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
    "POST /programs/{program}/members/{source_id}/erase": Drive(
        f"{ANNA}/erase", "Erase for good", "The customer is erased.", {"Type anna": "anna"}
    ),
    "POST /endpoints/{endpoint} retry": Drive("{endpoint}", "Retry now", "waits is tried now."),
    "POST /endpoints/{endpoint} pause": Drive("{endpoint}", "Pause", "nothing is lost."),
    "POST /endpoints/{endpoint} test": Drive(
        "{endpoint}", "Send the test", "The receiver answered", {}, {"Test event": "downgraded"}
    ),
    "POST /endpoints/{endpoint} rotate": Drive("{endpoint}", "Rotate", "Shown now and never"),
    "POST /endpoints/{endpoint}/replay": Drive(
        "{endpoint}/replay", "Send again", "The events are on their way again.",
        {"From": "2026-05-01T00:00"},
    ),
    "POST /endpoints/{endpoint}/replay count": Drive(
        "{endpoint}/replay", "Count first", "1 event", {"From": "2026-05-01T00:00"}
    ),
    "POST /endpoints/{endpoint}/remove": Drive(
        "{endpoint}/remove", "Delete it", "The endpoint is deleted."
    ),
    "POST /endpoints/{endpoint}/edit": Drive(
        "{endpoint}/edit", "Save", "The endpoint is changed.", {"Description": "Mail"}
    ),
    "POST /endpoints/{endpoint}/edit sample": Drive(
        "{endpoint}/edit", "", "sample-customer", {"Description": "Mail"}
    ),
    "POST /new-endpoint": Drive(
        "/new-endpoint", "Make the endpoint", "shown now and never again",
        {"Address": "http://127.0.0.1:9/hooks"},
    ),
    "GET /endpoints/{endpoint}/attempts": Drive(
        "{endpoint}/attempts", "Search", "evt_", {"Customer": "ben"}
    ),
    "POST /programs/{program}/edit preview": Drive(
        "/programs/club/edit", "Preview", "Who would move", {"Silver from": "300"},
        {"Members": "rejudge"},
    ),
    "POST /programs/{program}/edit": Drive(
        "/programs/club/edit", "Save", "The rules are saved.", {"Name of gold": "Golden"}
    ),
    "POST /new-program": Drive(
        "/new-program", "Make the program", "The rules are saved.", {"Id": "pro", "Name": "Pro"}
    ),
    "POST /time": Drive("/time", "Go there", "The clock went on.", {"Until": "2027-01-02T00:00"}),
    "POST /time month": Drive("/time", "+1 month", "The clock went on."),
    "POST /settings": Drive("/settings", "Save", "The project is changed.", {"Name": "Store"}),
    "POST /settings/keys": Drive(
        "/settings/keys", "Make the key", "Shown now and never again.",
        {"Label": "Till", "read customers": "yes"},
    ),
    "POST /settings/people": Drive(
        "/settings/people", "Invite", "Hand it on yourself", {"E-mail address": "ben@example.com"}
    ),
    "POST /settings/sessions": Drive("/settings/sessions", "End", "Sign in"),
    "GET /settings/audit": Drive("/settings/audit", "Search", "member.overridden"),
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
        if url in seen or (
            pattern in pages
            and "/anna" not in url
            and "attempt?" not in url
            and not url.endswith(MEMBERS)
        ):
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


async def test_links_lead_to_every_page_and_every_form_is_driven(
    maya: Visitor, receiver: Receiver
) -> None:
    """A page that nothing leads to is found by nobody; a form that no test sends may be broken."""
    await prepare(maya, receiver)
    pages, forms = await every_page(maya)

    assert set(pages) == {page.path for page in PAGES} - {"/live"}  # which the overview hears
    driven = {" ".join(name.split(" ")[:2]) for name in FORMS}
    assert forms - driven == set()
    assert driven - forms == set()


async def prepare(maya: Visitor, receiver: Receiver) -> None:
    """Something of everything: an override to release, and an endpoint that was sent something."""
    await override(maya)
    await endpoint(maya, receiver)


async def endpoint(maya: Visitor, receiver: Receiver) -> str:
    """The path of an endpoint's page; it was sent Ben's rise."""
    body = {"url": receiver.url, "mapping": None}
    made = (await maya.api.post("/api/endpoints", body)).json["id"]
    earn = {"customer": "ben", "kind": "earn", "points": 900}
    assert (await maya.api.post("/api/programs/club/activities", earn)).status == 200
    assert (await maya.api.post(f"/api/endpoints/{made}/test")).status == 200
    await receiver.wait(2)
    return f"/endpoints/{made}"


async def override(maya: Visitor) -> None:
    """So that there is one to release."""
    form = {"kind": "pin", "tier": "gold", "reason": "Guest", "do": "yes"}
    assert (await maya.send(f"{ANNA}/override", form)).status == 303


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_does_what_it_says(
    tab: Tab, maya: Visitor, receiver: Receiver, form: str
) -> None:
    """With the keyboard where it says a key."""
    drive, page = FORMS[form], tab.page
    if form.endswith(("/release", "/audit")):
        await override(maya)
    place = drive.page
    if place.startswith("{endpoint}"):
        place = place.replace("{endpoint}", await endpoint(maya, receiver))
    await tab.go(place)
    if drive.unfold is not None:
        await page.locator("summary", has_text=drive.unfold).click()
    for label, text in drive.fill.items():
        field = page.get_by_label(label, exact=True)
        await (field.check() if text == "yes" else field.fill(text))
    for label, option in drive.choose.items():
        await page.get_by_label(label, exact=True).select_option(option)
    if drive.press in ("Enter", "Home"):
        which = "input[type=search]" if drive.press == "Enter" else "input[type=range]"
        await page.locator(which).press(drive.press)
    elif drive.press:
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


async def test_every_page_serves_everybody(tab: Tab, maya: Visitor, receiver: Receiver) -> None:
    """No fault for axe, in light and dark; nothing is wider than a small telephone."""
    await prepare(maya, receiver)
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
