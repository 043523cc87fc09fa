"""Members in the console: found, explained, and changed."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from tests.console.shop import PEOPLE, POLICY
from tests.console.visitor import Visitor, text_of
from tests.web.conftest import Api
from tierline.console import life_facts
from tierline.console.life_facts import LifeFacts
from tierline.model.entries import Entry
from tierline.model.standing import Standing
from tierline.rules.policy import Policy
from tierline.rules.program import Program, Rules, Version

MEMBERS = "/programs/club/members"
ANNA = f"{MEMBERS}/anna"
MEMBER = "/api/programs/club/members/anna"
PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'-alert(3)-'",
    "{{ 7*191 }}",
    "</textarea><svg/onload=alert(4)>",
)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=Anna", ["Anna Berger"]),
        ("q=anna%40exam", ["Anna Berger"]),
        ("q=anna", ["Anna Berger"]),
        ("q=nobody", []),
        ("tier=gold", ["Grace Kim"]),
        ("tier=silver&balance_min=250", ["Dai Nguyen", "Inês Costa"]),
        ("expires_before=2027-01-02&tier=gold", ["Grace Kim"]),
        ("q=G&tier=gold", ["Grace Kim"]),
    ],
)
async def test_members_are_found(maya: Visitor, query: str, names: list[str]) -> None:
    page = text_of(await maya.page(f"{MEMBERS}?{query}"))
    others = {"Anna Berger", "Ben Okafor", "Grace Kim", "Dai Nguyen", "Inês Costa"} - set(names)
    assert all(name in page for name in names), page
    assert not [name for name in others if name in page], page
    assert ("Nobody" in page) == (not names)


@pytest.mark.parametrize(
    "query",
    ["expires_before=soon", "balance_min=many", "attribute=vip", "after=x", f"q={'x' * 400}",
     "q=%00", "balance_max=1e99"],
)  # fmt: skip
async def test_what_cannot_be_searched_for_is_said(maya: Visitor, query: str) -> None:
    """On the page, with the list's other parts."""
    page = await maya.page(f"{MEMBERS}?{query}")
    assert 'role="alert"' in page


async def test_a_list_goes_on_page_by_page(maya: Visitor, monkeypatch: Any) -> None:
    monkeypatch.setattr("tierline.console.pages.members.LINES", 5)
    names, path = [], MEMBERS
    while path:
        page = await maya.page(path)
        names += [unescape(name) for name in re.findall(r'whole" [^>]*><strong>([^<]+)', page)]
        more = re.search(r'href="([^"]+)">Next page', page)
        path = unescape(more[1]).removeprefix(maya.root) if more else ""
    assert sorted(names) == sorted(name for _, name, _ in PEOPLE)


async def test_a_member_is_explained(maya: Visitor) -> None:
    """Where they are, why, what keeps the tier, what reaches the next, what comes by itself."""
    page = text_of(await maya.page(ANNA))
    for text in (
        "You moved down from Gold to Silver on 1 January 2026.",
        "Keep Silver 70 to go", "130 of 200", "Reach Gold 670 to go",
        "1 Jan 2027 : falls to Bronze", "Until the end of 31 Dec 2026", "order-7-anna",
    ):  # fmt: skip
        assert text in page, text


async def test_a_member_is_seen_as_of_another_instant(maya: Visitor) -> None:
    """Past and future, by the slider's milliseconds too, and by what was known when."""
    page = text_of(await maya.page(f"{ANNA}?at=2025-03-26T14:40:00Z"))
    assert "As of 26 Mar 2025, 14:40:00" in page
    assert "You moved up from Silver to Gold on 2 September 2024." in page
    assert page == text_of(await maya.page(f"{ANNA}?at=1743000000000"))
    ahead = text_of(await maya.page(f"{ANNA}?at=2027-02-01T00:00:00Z"))
    assert "You moved down from Silver to Bronze on 1 January 2027." in ahead
    later = await maya.page(f"{ANNA}?at=2025-03-26T14:40:00Z&known_at=2026-05-01T00:00:00Z")
    assert "by what was known on 1 May 2026" in text_of(later)
    assert "was not a member" in text_of(await maya.page(f"{ANNA}?at=2020-01-01T00:00:00Z"))
    for at in ("soon", "99999999999999999", "-1"):
        assert 'class="empty"' in await maya.page(f"{ANNA}?at={at}", 400)


async def test_a_customer_who_is_no_member_is_shown_as_one(shop: Api, maya: Visitor) -> None:
    await shop.put("/api/customers/zoe", {"name": "Zoe"})
    for tab in ("", "/ledger", "/orders", "/events", "/deliveries", "/adjust", "/override"):
        assert "Not a member" in await maya.page(f"{MEMBERS}/zoe{tab}"), tab
    assert "Check the id" not in await maya.page(f"{MEMBERS}/nobody", 404)


async def test_the_tabs_tell_all_that_happened(shop: Api, maya: Visitor) -> None:
    order = {
        "kind": "order", "order": "shop-1", "customer": "anna", "total": 4990, "paid": 4990,
        "items": [{"product": "mug", "name": "Mug", "quantity": 2, "amount": 4990}],
    }  # fmt: skip
    assert (await shop.post("/api/programs/club/activities", order)).status == 200
    ledger = text_of(await maya.page(f"{ANNA}/ledger"))
    assert "order-0-anna" in ledger
    assert "Mug × 2" in text_of(await maya.page(f"{ANNA}/orders"))
    events = text_of(await maya.page(f"{ANNA}/events"))
    assert "Silver → Gold" in events
    assert "downgraded" in events


# Changing ---------------------------------------------------------------------------------------


async def balance(shop: Api) -> int:
    points: int = (await shop.get(MEMBER)).json["points"]["balance"]
    return points


async def test_an_adjustment_shows_its_outcome_first(shop: Api, maya: Visitor) -> None:
    """Trying records nothing; sending the same form twice counts once."""
    form = {"points": "700", "reason": "A lost parcel", "key": "c-1"}
    tried = await maya.send(f"{ANNA}/adjust", {**form, "try": "yes"})
    assert tried.status == 200
    assert "220 → 920" in text_of(tried.body.decode())
    assert await balance(shop) == 220
    for _ in range(2):
        sent = await maya.send(f"{ANNA}/adjust", {**form, "do": "yes"})
        assert (sent.status, sent.headers["location"]) == (303, f"{maya.root}{ANNA}?done=adjusted")
    assert await balance(shop) == 920
    assert "A lost parcel" in await maya.page(f"{ANNA}/ledger")
    user = (await maya.get("/api/session")).json["user"]
    lines = (await shop.get("/api/audit?kind=member.adjusted")).json["changes"]
    assert [(line["actor_kind"], line["actor"]) for line in lines] == [("user", user)]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"points": "", "reason": "x"}, "points"),
        ({"points": "many", "reason": "x"}, "points"),
        ({"points": "0", "reason": "x"}, "points"),
        ({"points": "5", "reason": " "}, "reason"),
        ({"points": "9" * 30, "reason": "x"}, "points"),
    ],
)
async def test_a_wrong_adjustment_is_said_at_its_field(
    shop: Api, maya: Visitor, form: dict[str, str], field: str
) -> None:
    for button in ("try", "do"):
        answer = await maya.send(f"{ANNA}/adjust", {**form, button: "yes"})
        assert answer.status == 400
        assert f'id="wrong-{field}"' in answer.body.decode()
    assert await balance(shop) == 220


async def test_a_tier_is_given_for_a_while_and_released(shop: Api, maya: Visitor) -> None:
    form = {
        "kind": "floor", "tier": "gold", "last_day": "2026-12-31", "then": "rejudge",
        "reason": "Loyal for years",
    }  # fmt: skip
    tried = text_of((await maya.send(f"{ANNA}/override", {**form, "try": "yes"})).body.decode())
    assert "Silver → becomes Gold" in tried
    assert "upgraded" in tried
    assert (await shop.get(MEMBER)).json["tier"]["id"] == "silver"
    assert (await maya.send(f"{ANNA}/override", {**form, "do": "yes"})).status == 303
    member = (await shop.get(MEMBER)).json
    assert member["tier"]["id"] == "gold"
    (override,) = member["overrides"]
    assert (override["until"], override["actor"]) == (
        "2027-01-01T00:00:00.000Z",
        "maya@example.com",
    )
    page = await maya.page(ANNA)
    assert "Loyal for years" in page
    assert (await maya.send(f"{ANNA}/release", {"id": override["id"]})).status == 303
    assert (await shop.get(MEMBER)).json["tier"]["id"] == "silver"


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "pin", "tier": "none"},
        {"kind": "pin", "tier": "gold", "last_day": "soon"},
        {"kind": "pin", "tier": "gold", "last_day": "2020-01-01"},
        {"kind": "nail", "tier": "gold"},
        {"kind": "floor", "tier": ""},
    ],
)
async def test_a_wrong_override_is_refused_in_words(
    shop: Api, maya: Visitor, form: dict[str, str]
) -> None:
    for button in ("try", "do"):
        answer = await maya.send(f"{ANNA}/override", {"reason": "x", **form, button: "yes"})
        assert answer.status == 400
        assert 'role="alert"' in answer.body.decode()
    assert (await shop.get(MEMBER)).json["overrides"] == []


async def test_attributes_are_set_and_taken_away(shop: Api, maya: Visitor) -> None:
    for value, stored in (("true", True), ("12", 12), ("gold card", "gold card"), ('"12"', "12")):
        form = {"name": "vip", "value": value}
        assert (await maya.send(f"{ANNA}/attributes", {**form, "try": "yes"})).status == 200
        assert (await maya.send(f"{ANNA}/attributes", {**form, "do": "yes"})).status == 303
        assert (await shop.get(MEMBER)).json["attributes"] == {"vip": stored}
    assert (await maya.send(f"{ANNA}/attributes", {"name": "vip", "value": ""})).status == 303
    assert (await shop.get(MEMBER)).json["attributes"] == {}


async def test_an_activity_is_taken_back(shop: Api, maya: Visitor) -> None:
    form = {"of": "order-7-anna", "kind": "void", "reason": "Sent back"}
    tried = await maya.send(f"{ANNA}/reverse", {**form, "try": "yes"})
    assert "220 → 90" in text_of(tried.body.decode())
    assert (await maya.send(f"{ANNA}/reverse", {**form, "do": "yes"})).status == 303
    assert await balance(shop) == 90
    wrong = await maya.send(f"{ANNA}/reverse", {**form, "of": "none", "do": "yes"})
    assert wrong.status == 409
    part = {"of": "order-6-anna", "kind": "refund", "amount": "1000", "reason": "One of nine"}
    assert (await maya.send(f"{ANNA}/reverse", {**part, "do": "yes"})).status == 303
    assert await balance(shop) == 80


async def test_a_membership_begins_and_ends(shop: Api, maya: Visitor) -> None:
    answer = await maya.send(MEMBERS, {"customer": "zoe"})
    assert answer.headers["location"] == f"{maya.root}{MEMBERS}/zoe?done=enrolled"
    assert (await maya.send(MEMBERS, {"customer": ""})).status == 400
    assert "is a member now" in await maya.page(f"{MEMBERS}/zoe?done=enrolled")
    assert (await maya.send(f"{MEMBERS}/zoe/leave", {})).status == 303
    assert (await shop.get("/api/programs/club/members/zoe")).json["member"] is False


async def test_a_customer_is_erased_where_the_id_is_typed(shop: Api, maya: Visitor) -> None:
    wrong = await maya.send(f"{ANNA}/erase", {"confirm": "ann"})
    assert wrong.status == 400
    assert (await shop.get("/api/customers/anna")).status == 200
    assert (await maya.send(f"{ANNA}/erase", {"confirm": "anna"})).status == 303
    assert (await shop.get("/api/customers/anna")).status == 404
    assert "Anna Berger" not in await maya.page(MEMBERS)


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_what_strangers_wrote_is_text(shop: Api, maya: Visitor, payload: str) -> None:
    """Names, addresses, keys, reasons, attributes, items and the query itself."""
    profile = {"name": payload, "email": f"{payload}@x", "metadata": {"x": payload}}
    assert (await shop.put("/api/customers/mallory", profile)).status == 201
    earn = {"kind": "custom", "name": payload, "points": 5, "customer": "mallory", "key": payload}
    assert (await shop.post("/api/programs/club/activities", earn)).status == 200
    order = {
        "kind": "order", "order": payload, "customer": "mallory", "paid": 500,
        "items": [{"product": payload, "name": payload, "quantity": 1, "amount": 500}],
    }  # fmt: skip
    assert (await shop.post("/api/programs/club/activities", order)).status == 200
    place = f"{MEMBERS}/mallory"
    await shop.put(f"/api{place}/attributes", {"attributes": {payload: payload}})
    override = {"kind": "pin", "tier": "gold", "reason": payload}
    assert (await shop.put(f"/api{place}/override", override)).status == 200
    paths = [place, f"{MEMBERS}?q={quote(payload)}&tier={quote(payload)}"]
    paths += [f"{place}/{tab}" for tab in ("ledger", "orders", "events", "attributes", "override")]
    paths += [f"{place}/reverse?of={quote(payload)}", f"{place}?done={quote(payload)}"]
    for path in paths:
        page = await maya.page(path)
        assert not re.search(r"<(script>|img|svg/)|1337", page), path
    wrong = await maya.send(f"{place}/adjust", {"points": payload, "reason": payload, "do": "yes"})
    assert not re.search(r"<(script>|img|svg/)|1337", wrong.body.decode())


async def test_reminders_stand_on_the_timeline(shop: Api, maya: Visitor) -> None:
    """What was told, and what will be if nothing happens."""
    program = (await shop.get("/api/programs/club")).json
    body = {
        "name": "Club", "policy": program["policy"], "points": program["points"],
        "reminders": {"tier_ending": {"lead_days": [30, 7]}},
    }  # fmt: skip
    assert (await shop.put("/api/programs/club", body)).status == 200
    assert "Reminder, tier ending: ahead" in text_of(await maya.page(ANNA))
    assert (await shop.post("/api/clock", {"advance_to": "2026-12-10T00:00:00Z"})).status == 200
    page = text_of(await maya.page(ANNA))
    assert "2 Dec 2026, 00:00:00 – Reminder, tier ending: told" in page
    assert "25 Dec 2026, 00:00:00 – Reminder, tier ending: ahead" in page


async def test_a_long_ledger_is_folded_again_when_something_happened(
    shop: Api, maya: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its facts are those of a moment ago, which say the same."""
    folds, fold = [], life_facts._folded

    def folded(*facts: Any) -> Any:
        folds.append(facts)
        return fold(*facts)

    monkeypatch.setattr(life_facts, "_folded", folded)
    earned = [{"customer": "long", "kind": "earn", "points": 1}] * (life_facts.ENTRIES_EACH + 1)
    assert (await shop.post("/api/programs/club/activities", earned)).status == 200
    page = f"{MEMBERS}/long"
    first, again = text_of(await maya.page(page)), text_of(await maya.page(page))
    assert len(folds) == 1
    assert again == first
    assert (await shop.earn("long", 700)).status == 200
    after = text_of(await maya.page(page))
    assert len(folds) == 2
    assert "+700" in after
    assert "+700" not in first
    body = {"name": "Klub", "policy": POLICY}
    assert (await shop.put("/api/programs/club", body)).status == 200
    await maya.page(page)
    assert len(folds) == 3
    assert (await shop.post("/api/clock", {"advance_to": "2026-12-10T00:00:00Z"})).status == 200
    await maya.page(page)
    assert len(folds) == 4


def test_facts_hold_for_those_who_looked_last() -> None:
    """So many ledgers are remembered, and short ones never."""
    recent = life_facts.RecentLedgers()
    standing = Standing()
    program = Program("club", "p", "UTC", "EUR", (Version(1, 0, Rules("Club", Policy(tiers=()))),))

    def facts(entries: int) -> LifeFacts:
        return LifeFacts(program, (Entry(1, "earn", 0, 0),) * entries, standing, 0, (), {})

    long = life_facts.ENTRIES_EACH + 1
    recent.add((0, 1), facts(long - 1))
    for customer in range(1, life_facts.RECENT_MAX + 2):
        recent.add((customer, 1), facts(long))
    there = [n for n in range(10) if recent.again((n, 1), program, standing, 5)]
    assert there == list(range(2, life_facts.RECENT_MAX + 2))
    assert recent.again((2, 1), program, standing, life_facts.RECENT_MS_MAX) is None
    assert recent.again((2, 1), program, Standing(entries=1), 5) is None
