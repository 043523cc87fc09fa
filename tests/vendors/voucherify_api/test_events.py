"""`/v1/events`: custom activities."""

from __future__ import annotations

from typing import Any

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.published import PublishedEvent, as_published

Json = dict[str, Any]
VISITS: Json = {
    "name": "Visits",
    "policy": {
        "tiers": [{"id": "regular", "name": "Regular", "from": 2}],
        "metric": {"source": "count", "filter": {"kinds": ["custom"], "names": ["visit"]}},
        "window": {"type": "since", "anchor": "join"},
    },
    "auto_join": True,
}


async def visits(shop: Shop, customer: str) -> int:
    member = await shop.good("GET", f"/api/programs/visits/members/{customer}")
    count: int = member["progress"]["metric"]
    return count


async def test_an_event_counts_in_every_program_of_the_customer(shop: Shop) -> None:
    await shop.call("PUT", "/api/programs/visits", VISITS)
    await shop.good("POST", "/v1/customers", {"source_id": "anna", "name": "Anna"})
    await shop.good("PUT", "/api/programs/visits/members/anna")
    body = {"event": "visit", "customer": "anna", "metadata": {"place": "Łódź"}, "referral": None}
    event = as_published(await shop.good("POST", "/v1/events", body), PublishedEvent)

    assert (event.type, event.metadata) == ("visit", {"place": "Łódź"})
    assert event.customer.name == "Anna"
    assert await visits(shop, "anna") == 1


async def test_an_event_makes_a_customer_and_no_member(shop: Shop) -> None:
    await shop.call("PUT", "/api/programs/visits", VISITS)
    body = {"event": "visit", "customer": {"source_id": "anna", "email": "a@example.com"}}
    await shop.good("POST", "/v1/events", body)

    assert (await shop.good("GET", "/v1/customers/anna"))["email"] == "a@example.com"
    answered = await shop.call("GET", "/api/programs/visits/members/anna")
    assert answered.json["code"] == "not_a_member"


async def test_an_event_for_a_card_counts_there_alone(shop: Shop) -> None:
    for program in ("visits", "others"):
        await shop.call("PUT", f"/api/programs/{program}", {**VISITS, "name": program})
    for program in ("visits", "others"):
        body = {"customer": "anna", "voucher": program.upper()}
        await shop.good("POST", f"/v1/loyalties/{program}/members", body)
    event = {"event": "visit", "customer": "anna", "loyalty": {"code": "OTHERS"}}
    await shop.good("POST", "/v1/events", event)

    assert await visits(shop, "anna") == 0
    other = await shop.good("GET", "/api/programs/others/members/anna")
    assert other["progress"]["metric"] == 1
    status, key, _ = await shop.refused("POST", "/v1/events", {**event, "customer": "bob"})
    assert (status, key) == (404, "not_found")
    assert (await shop.call("GET", "/v1/customers/bob")).status == 404


async def test_a_key_makes_a_repetition_safe(shop: Shop) -> None:
    await shop.call("PUT", "/api/programs/visits", VISITS)
    await shop.good("POST", "/v1/loyalties/visits/members", {"customer": "anna"})
    headers = {**shop.app, "idempotency-key": "e1"}
    body = {"event": "visit", "customer": "anna"}
    for _ in range(2):
        assert (await shop.call("POST", "/v1/events", body, headers=headers)).status == 200

    assert await visits(shop, "anna") == 1


async def test_wrong_events_change_nothing(shop: Shop) -> None:
    for body, details in [
        ({"customer": "anna"}, "event: it is needed"),
        ({"event": "", "customer": "anna"}, "event"),
        ({"event": "visit"}, "customer: it is needed"),
        ({"event": "visit", "customer": 5}, "customer"),
        ({"event": "visit", "customer": {"source_id": "anna", "age": 5}}, "age"),
        ({"event": "visit", "customer": "anna", "metadata": {"a": "\x00"}}, "metadata.a"),
    ]:
        status, key, reason = await shop.refused("POST", "/v1/events", body)
        assert (status, key) == (400, "invalid_payload")
        assert details in reason
    assert (await shop.call("GET", "/v1/customers/anna")).status == 404
    unknown = {"event": "visit", "customer": "cust_nobody"}
    assert (await shop.refused("POST", "/v1/events", unknown))[:2] == (404, "not_found")
