"""`/client/v1`: what pages in browsers may do, and from which origins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop, error_of

ORIGIN = "https://shop.example"
EVENTS = "/client/v1/events"
VISIT = {"event": "visit", "customer": {"source_id": "ann", "name": "Mallory"}}


async def club(shop: Shop) -> None:
    """Ann is a member, and a visit gives three points."""
    ann = {"source_id": "ann", "name": "Ann", "email": "ann@example.com", "metadata": {"vip": True}}
    await shop.good("POST", "/v1/customers", ann)
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    rule = {"event": "visit", "loyalty": {"type": "FIXED", "points": 3}}
    await shop.good("POST", "/v1/loyalties/Club/earning-rules", [rule])
    await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "ann"})
    await shop.configure(client_origins=[ORIGIN], client_events=True)


async def test_a_page_records_an_event_and_reads_the_points(shop: Shop) -> None:
    """It hears nothing of the person, and changes nothing of the profile."""
    await club(shop)
    answered = await shop.call("POST", EVENTS, VISIT)
    read = await shop.call("GET", "/client/v1/customers/ann")

    assert answered.status == 200
    assert answered.headers["access-control-allow-origin"] == ORIGIN
    customer = answered.json["customer"]
    assert (customer["source_id"], customer["name"], customer["metadata"]) == ("ann", None, {})
    assert read.json["loyalty"]["campaigns"]["Club"]["points"] == 3
    whole = await shop.good("GET", "/v1/customers/ann")
    assert (whole["name"], whole["email"]) == ("Ann", "ann@example.com")


async def test_a_page_makes_a_customer(shop: Shop) -> None:
    await club(shop)
    new = {"event": "visit", "customer": {"source_id": "bob", "name": "Bob"}}

    assert (await shop.call("POST", EVENTS, new)).status == 200
    assert (await shop.good("GET", "/v1/customers/bob"))["name"] == "Bob"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, "forbidden"),
        ({"client_events": True}, "forbidden"),
        ({"client_origins": [ORIGIN]}, "forbidden"),
        ({"client_origins": ORIGIN, "client_events": True}, "forbidden"),
        ({"client_origins": [f"{ORIGIN}.evil"], "client_events": True}, "forbidden"),
    ],
)
async def test_nothing_is_open_before_the_project_says_so(
    shop: Shop, settings: dict[str, Any], code: str
) -> None:
    await club(shop)
    await shop.configure(**settings)

    assert (await shop.refused("POST", EVENTS, VISIT))[:2] == (403, code)
    assert (await shop.good("GET", "/v1/customers/ann"))["loyalty"]["points"] == 0


async def test_any_origin_may_be_allowed_but_none_may_not(shop: Shop) -> None:
    await club(shop)
    await shop.configure(client_origins=["*"])
    path = "/client/v1/customers/ann"
    elsewhere = {**shop.client, "origin": "http://localhost:3000"}
    without = {name: value for name, value in shop.client.items() if name != "origin"}

    assert (await shop.call("GET", path, headers=elsewhere)).status == 200
    assert error_of(await shop.call("GET", path, headers=without))[:2] == (403, "forbidden")


async def test_the_pair_of_pages_opens_nothing_else_and_no_other_pair_opens_it(shop: Shop) -> None:
    await club(shop)
    pair = {
        "x-app-id": shop.client["x-client-application-id"],
        "x-app-token": shop.client["x-client-token"],
    }
    for path, headers in (
        ("/v1/customers/ann", pair),
        ("/v1/customers/ann", shop.client),
        ("/client/v1/customers/ann", {**shop.app, "origin": ORIGIN}),
        ("/client/v1/customers/ann", {**shop.client, "x-client-token": shop.keys["app_token"]}),
        ("/client/v1/customers/ann", {}),
    ):
        answered = await shop.call("GET", path, headers=headers)
        assert error_of(answered)[:2] == (401, "unauthorized")


async def test_a_browser_may_ask_before_it_calls(shop: Shop) -> None:
    """Without a key, as browsers do; of an origin that nobody allows, it is refused."""
    await club(shop)
    question = {"origin": ORIGIN, "access-control-request-method": "POST"}
    answered = await shop.call("OPTIONS", EVENTS, headers=question)
    evil = await shop.call(
        "OPTIONS", EVENTS, headers={**question, "origin": "https://evil.example"}
    )
    server = await shop.call("OPTIONS", "/v1/events", headers=question)

    assert answered.status == 204
    assert answered.headers["access-control-allow-origin"] == ORIGIN
    assert "x-client-token" in answered.headers["access-control-allow-headers"]
    assert error_of(evil)[:2] == (403, "forbidden")
    assert error_of(server)[:2] == (401, "unauthorized")


async def test_a_limit_of_calls_is_told_and_held(sandbox_shop: Shop) -> None:
    """For the calls of a whole project, by whichever route; without a limit nothing is told."""
    shop = sandbox_shop
    free = await shop.call("GET", "/v1/campaigns")
    await shop.configure(requests_per_minute=3)
    answers = [await shop.call("GET", "/v1/campaigns") for _ in range(7)]
    good = [each for each in answers if each.status == 200]
    over = next(each for each in answers if each.status == 429)  # of 7, more than 3 in a minute

    assert not any(name.lower().startswith("x-rate-limit") for name in free.headers)
    assert good[0].headers["x-rate-limit-limit"] == "3"
    assert {each.headers["x-rate-limit-remaining"] for each in good} <= {"2", "1", "0"}
    assert error_of(over)[:2] == (429, "too_many_requests")
    assert 1 <= int(over.headers["retry-after"]) <= 60
    assert over.headers["x-rate-limit-type"] == "api_calls"
    assert int(over.headers["x-rate-limit-retry"]) > 0
    assert over.headers["x-rate-limit-remaining"] == "0"
