"""`/v2/webhooks`, and what arrives at such a webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.receiver import Received, Receiver
from tests.vendors.loyaltylion_api.conftest import CLUB, Shop, error_of
from tests.vendors.loyaltylion_api.published import Customer, Transaction, read
from tierline.vendors.loyaltylion import topics

WEBHOOKS = "/v2/webhooks"
UPGRADED = "program_events/customer.tier_upgraded"
DOWNGRADED = "program_events/customer.tier_downgraded"
ENROLLED = "program_events/customer.enrolled"
UPDATED = "customers/update"
EARNED = "program_events/customer.points_earned"
Json = dict[str, Any]


async def make(shop: Shop, url: str, topic: str, **more: Any) -> Json:
    body = {"webhook": {"topic": topic, "address": url, **more}}
    answered = await shop.call("POST", WEBHOOKS, body)
    assert answered.status == 201, answered.body
    webhook: Json = answered.json["webhook"]
    return webhook


def verified(shop: Shop, request: Received) -> Json:
    """The body, by the documented recipe from its raw bytes."""
    secret = shop.keys["site_secret"].encode()
    digest = hmac.new(secret, request.body, hashlib.sha256).digest()
    headers = request.headers
    assert headers["x-loyaltylion-hmac-sha256"] == base64.b64encode(digest).decode()
    assert "LoyaltyLion" in headers["user-agent"]
    assert headers["content-type"] == "application/json"
    assert headers["x-loyaltylion-site-domain"]
    body: Json = json.loads(request.body)
    assert headers["x-loyaltylion-topic"] == body["topic"]
    if body["topic"] == UPDATED:
        assert body["payload"] == {"customer": body["customer"]}
        read(body["customer"], Customer)
        return body
    assert body["payload"]["kind"] == body["topic"].partition("/")[2]
    assert body["payload"]["id"] != body["id"]
    return body


async def test_a_move_arrives_signed_with_the_customer_of_the_api(
    club: Shop, receiver: Receiver
) -> None:
    """Key by key as the Customers API answers as of the event, also where the customer was changed
    between event and delivery."""
    receiver.then(500)
    await make(club, receiver.url, UPGRADED)
    profile = {"name": "Ann", "email": "ann@example.com", "metadata": {"a": 1}}
    await club.good("PUT", "/api/customers/ann", profile)
    await club.good("PUT", "/api/programs/club/members/ann", {})
    await club.good("POST", "/v2/customers/ann/points", {"points": 250})
    before = await club.customer("ann")
    await receiver.wait(1)
    await club.good("PATCH", "/v2/customers/ann", {"customer": {"birthday": "1990-01-29"}})
    await club.good("POST", "/v2/customers/ann/points", {"points": 1})
    endpoint = (await club.good("GET", "/api/endpoints"))["endpoints"][0]
    attempts = f"/api/endpoints/{endpoint['id']}/attempts"
    while not (await club.good("GET", attempts))["attempts"]:
        pass  # the failure is noted after it happened
    await club.good("POST", f"/api/endpoints/{endpoint['id']}/retry")
    first, second = await receiver.wait(2)

    assert first.body == second.body
    properties = verified(club, second)["payload"]["properties"]
    assert properties["customer"] == before
    assert (properties["previous_tier"]["name"], properties["new_tier"]["name"]) == (
        "Bronze",
        "Silver",
    )
    assert "position" not in properties["new_tier"]


async def test_a_subscription_is_shown_and_ended(club: Shop, receiver: Receiver) -> None:
    webhook = await make(club, receiver.url, UPGRADED, service_integration_id=7)
    other = await make(club, receiver.url, UPGRADED)

    assert webhook == {
        "id": webhook["id"],
        "topic": UPGRADED,
        "address": receiver.url,
        "created_at": webhook["created_at"],
        "updated_at": webhook["updated_at"],
        "service_integration_id": 7,
    }
    assert (await club.good("GET", WEBHOOKS))["webhooks"] == [webhook, other]
    await club.good("DELETE", f"{WEBHOOKS}/{webhook['id']}")
    assert (await club.good("GET", WEBHOOKS))["webhooks"] == [other]
    for name in (webhook["id"], 0, "x", "1" * 30):
        assert (await club.refused("DELETE", f"{WEBHOOKS}/{name}"))[0] == 404
    native = await club.good(
        "POST", "/api/endpoints", {"url": receiver.url, "format": "loyaltylion"}
    )
    assert (await club.good("GET", WEBHOOKS))["webhooks"] == [other]
    assert native["webhook_topic"] is None


@pytest.mark.parametrize("topic", sorted(topics.NAMES))
async def test_a_topic_needs_a_scope_of_its_resource(
    club: Shop, receiver: Receiver, topic: str
) -> None:
    """Any key may come; a topic that Tierline has no event for is taken, and never sent."""
    needed = topics.scope_of(topic)
    other = {"read_customers": "read_unsubscribes", "read_unsubscribes": "read_orders"}[needed]
    body = {"webhook": {"topic": topic, "address": receiver.url}}
    refused = await club.call("POST", WEBHOOKS, body, headers=await club.with_scopes(other))
    assert error_of(refused)[0] == 403
    assert needed in error_of(refused)[1]["message"]
    reader = await club.with_scopes(needed)
    taken = await club.call("POST", WEBHOOKS, body, headers=reader)
    assert (taken.status, taken.json["webhook"]["topic"]) == (201, topic)
    listed = await club.call("GET", WEBHOOKS, headers=reader)
    assert listed.json["webhooks"] == [taken.json["webhook"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"topic": "customers/create"}, "webhook.topic"),
        ({"topic": None}, "webhook.topic"),
        ({"address": "ftp://x"}, "webhook.address"),
        ({"address": ""}, "webhook.address"),
        ({"address": None}, "webhook.address"),
        ({"service_integration_id": "x"}, "webhook.service_integration_id"),
        ({"colour": 1}, "webhook.colour"),
    ],
)
async def test_a_wrong_subscription_is_not_made(club: Shop, change: Json, field: str) -> None:
    body = {"webhook": {"topic": UPGRADED, "address": "https://example.com/hook", **change}}
    status, error = await club.refused("POST", WEBHOOKS, body)

    assert (status, list(error["details"])) == (400, [field])
    assert (await club.good("GET", WEBHOOKS))["webhooks"] == []


async def test_a_whole_life(sandbox_shop: Shop, receiver: Receiver) -> None:
    """Enrolled, risen, renewed at the end of a year, fallen by two levels at once, in a tier by
    hand and out of it, and gone; each webhook by its topic. Among topics no order holds."""
    shop = sandbox_shop
    for topic in topics.OF_KIND.values():
        await make(shop, receiver.url, topic)
    await shop.good("POST", "/v2/activities", {"name": "$signup", "customer_id": "ann"})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 600})
    await shop.good("POST", "/api/clock", {"advance_to": "2024-12-01T10:00:00Z"})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 500})
    await shop.good("POST", "/api/clock", {"advance_to": "2026-04-01T10:00:00Z"})
    path = "/v2/customers/ann/loyalty_tier_membership"
    until = {"loyalty_tier_id": 16, "expires_at": "2026-05-01T00:00:00Z"}
    await shop.good("PUT", path, until)
    await shop.good("POST", "/api/clock", {"advance_to": "2026-06-01T10:00:00Z"})
    await shop.good("DELETE", "/api/programs/club/members/ann")
    sent = [verified(shop, request) for request in await receiver.wait(7)]
    sent.sort(key=lambda body: (body["payload"]["created_at"], body["topic"]))

    assert [(body["topic"], body["payload"]["created_at"]) for body in sent] == [
        (ENROLLED, "2024-03-01T10:00:00.000Z"),
        (UPGRADED, "2024-03-01T10:00:00.000Z"),
        ("tierline/customer.tier_renewed", "2025-03-01T00:00:00.000Z"),
        (DOWNGRADED, "2026-03-01T00:00:00.000Z"),
        (UPGRADED, "2026-04-01T10:00:00.000Z"),
        (DOWNGRADED, "2026-05-01T00:00:00.000Z"),
        ("tierline/customer.tier_left", "2026-06-01T10:00:00.000Z"),
    ]
    properties = [body["payload"]["properties"] for body in sent]
    assert properties[0]["enrollment"] == {
        "date": "2024-03-01T10:00:00.000Z",
        "trigger": "enrolment",
    }
    assert properties[2]["tier"]["name"] == "Gold"
    fall = properties[3]
    assert (fall["previous_tier"]["number"], fall["new_tier"]["number"]) == (3, 1)
    assert fall["customer"]["loyalty_tier_membership"]["loyalty_tier"]["id"] == 15
    assert fall["customer"]["loyalty_tier_membership"]["expires_at"] is None
    assert properties[4]["customer"]["loyalty_tier_membership"]["manual"] is True
    assert properties[6]["tier"]["name"] == "Bronze"
    assert properties[6]["customer"]["loyalty_tier_membership"] is None


async def test_another_tier_by_hand_is_one_move(club: Shop, receiver: Receiver) -> None:
    """Upwards and downwards: the tier before does not show in between."""
    for topic in (UPGRADED, DOWNGRADED):
        await make(club, receiver.url, topic)
    await club.good("PUT", "/api/programs/club/members/ann", {})
    for tier in (16, 17, 15):
        path = "/v2/customers/ann/loyalty_tier_membership"
        await club.good("PUT", path, {"loyalty_tier_id": tier})
    await club.good("POST", "/v2/customers/ann/points", {"points": 600})
    await club.good("DELETE", "/v2/customers/ann/loyalty_tier_membership")
    sent = [json.loads(request.body)["payload"] for request in await receiver.wait(4)]
    moves = [
        tuple(body["properties"][side]["number"] for side in ("previous_tier", "new_tier"))
        for body in sent
    ]

    assert sorted(moves) == [(1, 2), (1, 3), (2, 3), (3, 1)]
    assert len(receiver.requests) == 4


async def test_every_change_of_a_customer_is_told(club: Shop, receiver: Receiver) -> None:
    """Of a guest's profile, of points, of a tier, of a member's profile and of a new customer: each
    time the customer whole, as the Customers API shows them."""
    await club.good("PUT", "/api/customers/ann", {"name": "Ann"})
    await make(club, receiver.url, UPDATED)
    arrived = 0

    async def news(count: int = 1, whose: str = "ann") -> Json:
        nonlocal arrived
        arrived += count
        requests = await receiver.wait(arrived)
        assert len(requests) == arrived
        body = verified(club, requests[-1])
        assert body["customer"] == await club.customer(whose)
        return body

    await club.good("PATCH", "/v2/customers/ann", {"customer": {"birthday": "1990-01-29"}})
    assert (await news())["customer"]["enrolled"] is False
    await club.good("PUT", "/api/programs/club/members/ann", {})
    assert (await news())["customer"]["loyalty_tier_membership"] is not None
    await club.good("POST", "/v2/customers/ann/points", {"points": 5})
    assert (await news())["customer"]["points_approved"] == 5
    await club.good("POST", "/v2/customers/ann/points", {"points": 495})
    assert (await news(2))["customer"]["loyalty_tier_membership"]["loyalty_tier"]["id"] == 17
    await club.good("PUT", "/api/customers/ann", {"email": "ann@example.com"})
    assert (await news())["customer"]["email"] == "ann@example.com"
    await club.good("PUT", "/api/customers/ann", {"email": "ann@example.com"})
    await club.good("PATCH", "/v2/customers/ann", {"customer": {"blocked": True}})
    assert (await news())["customer"]["blocked"] is True
    await club.good("PUT", "/api/customers/bob", {"email": "bob@example.com"})
    assert (await news(whose="bob"))["customer"]["enrolled"] is False
    session = f"/headless/2025-06/{club.keys['site_id']}/customers/cid/sessions?channel=web"
    await club.good("POST", session, {"customer": {"email": "cid@example.com"}})
    await news(whose="cid")
    renamed = {"source_id": "dora", "email": "dora@example.com"}
    await club.good("PUT", "/api/customers/dot", renamed)
    assert (await news(whose="dora"))["customer"]["merchant_id"] == "dora"


async def test_what_was_earned_is_told_late(club: Shop, receiver: Receiver) -> None:
    """Five minutes, unless the endpoint says otherwise; with its transaction."""
    rule = {"id": "review", "trigger": {"type": "event", "name": "review"},
            "points": {"type": "fixed", "points": 120}, "pending_days": 30}  # fmt: skip
    await club.good("PUT", "/api/programs/club", {**CLUB, "points": {"rules": [rule]}})
    await make(club, receiver.url, EARNED)
    await make(club, receiver.url, UPDATED)
    await club.good("PUT", "/api/programs/club/members/ann", {})
    review = {"name": "review", "customer_id": "ann", "merchant_id": "r1"}
    await club.good("POST", "/v2/activities", review)
    updates = await receiver.wait(2)
    assert {verified(club, request)["topic"] for request in updates} == {UPDATED}
    (endpoint, _) = (await club.good("GET", "/api/endpoints"))["endpoints"]
    assert endpoint["delay_s"] == 300
    await club.good("PATCH", f"/api/endpoints/{endpoint['id']}", {"delay_s": 0})
    *_, last = await receiver.wait(3)

    properties = verified(club, last)["payload"]["properties"]
    assert properties["customer"] == await club.customer("ann")
    assert properties["available_rewards"] == []
    transaction = properties["transaction"]
    read(transaction, Transaction)
    (listed,) = (await club.good("GET", "/v2/transactions"))["transactions"]
    assert transaction["id"] >= 2**52 > listed["id"]
    for line in (transaction, listed):
        line["id"] = line["activity"]["id"] = 0
    assert transaction == listed
