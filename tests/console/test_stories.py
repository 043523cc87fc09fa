"""A manager's day and an engineer's night, in a browser, from beginning to end. Pictures are kept
where TIERLINE_PICTURES says; `docs/images` holds those of the last time."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.console.tab import Tab
from tests.receiver import Receiver, Reply
from tests.web.conftest import Api

Picture = Callable[[str], Awaitable[None]]


@pytest.fixture
def picture(tab: Tab, tmp_path: Path) -> Picture:
    """Keeps what is on the screen."""
    directory = Path(os.environ.get("TIERLINE_PICTURES", tmp_path))

    async def keep(name: str) -> None:
        await tab.page.screenshot(path=directory / f"{name}.png", full_page=True)

    return keep


async def test_a_managers_day(shop: Api, tab: Tab, receiver: Receiver, picture: Picture) -> None:
    page = tab.page
    made = await shop.post("/api/endpoints", {"url": receiver.url, "description": "Mail"})
    assert made.status == 201

    # Find Anna, and see why she fell.
    await tab.go("")
    await page.get_by_role("link", name="Members", exact=True).click()
    await page.get_by_role("searchbox").press_sequentially("Anna")
    await page.get_by_text("Ben Okafor").wait_for(state="detached")
    await picture("members")
    await page.get_by_role("link", name="Anna Berger").click()
    await page.get_by_text("The term of Gold had ended, and it was not earned again.").wait_for()
    await picture("member")

    # Give her Gold for a year, with a reason, and look at the outcome first.
    await page.get_by_role("link", name="Give a tier").click()
    await page.get_by_label("Tier", exact=True).select_option("gold")
    await page.get_by_label("Last day").fill("2027-05-09")
    await page.get_by_label("Reason").fill("A year of Gold for a lost parcel")
    await page.get_by_role("button", name="Show the outcome").click()
    await page.locator("#outcome .tag", has_text="upgraded").wait_for()
    await picture("outcome")
    await page.get_by_role("button", name="Give a tier").click()
    await page.get_by_text("The override is set.").wait_for()

    # The webhook went out.
    (webhook,) = await receiver.wait(1)
    assert b'"upgraded"' in webhook.body
    await page.get_by_role("link", name="Deliveries").last.click()
    while not await page.locator(".tag.good", has_text="delivered").count():
        await page.reload()

    # Raise the threshold of Silver from 1 January, and see first who would fall.
    await page.get_by_role("link", name="Program", exact=True).click()
    await picture("program")
    await page.get_by_role("link", name="Change the rules").click()
    await page.get_by_label("Silver from").fill("300")
    await page.get_by_label("In force from").fill("2027-01-01T00:00")
    await page.get_by_label("Members", exact=True).select_option("rejudge")
    await page.get_by_role("button", name="Preview").click()
    await page.get_by_text("Who would move").wait_for()
    await picture("preview")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("The rules are saved.").wait_for()
    await page.get_by_text("scheduled").wait_for()

    # Step the sandbox over it.
    await page.get_by_role("link", name="Time", exact=True).click()
    await page.get_by_label("Until").fill("2027-01-02T00:00")
    await page.get_by_role("button", name="Go there").click()
    await page.get_by_text("downgraded").first.wait_for()
    await picture("time")


async def test_an_engineers_night(
    shop: Api, tab: Tab, receiver: Receiver, picture: Picture
) -> None:
    page = tab.page
    body = {"url": receiver.url, "description": "Mail and push"}
    assert (await shop.post("/api/endpoints", body)).status == 201

    # The receiver is down, and customers' events wait.
    receiver.answer = lambda _: Reply(503, {}, b"<b>upstream is away</b>")
    for customer in ("anna", "ben", "dai"):
        earn = {"customer": customer, "kind": "earn", "points": 1000}
        assert (await shop.post("/api/programs/club/activities", earn)).status == 200
    await receiver.wait(3)
    await tab.go("")
    await page.get_by_role("link", name="Mail and push").click()
    while not await page.get_by_text("retrying", exact=True).count():
        await page.reload()
    await picture("endpoint")

    # What does it answer?
    await page.get_by_role("link", name="Search all").click()
    await page.get_by_label("Customer").fill("anna")
    await page.get_by_role("button", name="Search").click()
    await page.locator("td a.whole").first.click()
    await page.get_by_text("<b>upstream is away</b>").wait_for()
    await picture("attempt")

    # It is mended: now, not at the next step of the schedule.
    receiver.answer = lambda _: Reply(200)
    await page.get_by_role("link", name="Deliveries", exact=True).first.click()
    await page.get_by_role("link", name="Mail and push").click()
    await page.get_by_role("button", name="Retry now").click()
    await page.get_by_text("What waits is tried now.").wait_for()
    while await page.get_by_text("retrying", exact=True).count():
        await page.reload()

    # Send what somebody lost again, and count first.
    await page.get_by_role("link", name="Send again").click()
    await page.get_by_label("upgraded").check()
    await page.get_by_label("From").fill("2026-05-10T00:00")
    await page.get_by_role("button", name="Count first").click()
    await page.locator("#outcome .big", has_text="3 events").wait_for()
    before = len(receiver.requests)
    await page.get_by_role("button", name="Send again").click()
    await page.get_by_text("The events are on their way again.").wait_for()
    await receiver.wait(before + 3)
