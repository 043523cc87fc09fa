"""A customer's whole life over real HTTP, by a client that knows the vendor's pages and nothing
else: its routes, and how a webhook is verified from its raw body. Time alone is moved by our own
API, and one page is ours: how a tier is given by hand.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.receiver import Received, Receiver
from tests.vendors.loyaltylion_api.conftest import CLUB, shop_of
from tests.vendors.loyaltylion_api.published import EventTier, as_published, read
from tierline.store.database import Database

Json = dict[str, Any]
EVENTS = "program_events/customer"
UPGRADED, DOWNGRADED = f"{EVENTS}.tier_upgraded", f"{EVENTS}.tier_downgraded"
RENEWED = "tierline/customer.tier_renewed"
TIERS = [
    *CLUB["settings"]["tiers"],
    {"id": 18, "name": "Family", "lower_bound": 300, "hidden": True},
]
REVIEW = {"id": "review", "trigger": {"type": "event", "name": "review"},
          "points": {"type": "fixed", "points": 120}, "pending_days": 30}  # fmt: skip
PROGRAM = {
    **CLUB,
    "settings": {**CLUB["settings"], "tiers": TIERS},
    "points": {"rules": [REVIEW], "orders": {"every": 100, "points": 1}},
}


class LionClient:
    """Written from authentication/api-keys, the pages of the routes, and webhooks/overview."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, secret: str) -> None:
        self.session, self.url, self.secret = session, url, secret
        self.headers = {"Authorization": f"Bearer {token}"}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.url}/v2{path}"
        async with self.session.request(method, url, json=body, headers=self.headers) as answer:
            text = await answer.read()
        assert answer.status in (200, 201, 204), (method, path, answer.status, text)
        if answer.status == 204:
            return None
        as_published(method, f"/v2{path}", text)
        return json.loads(text)

    async def customer(self, email: str) -> Json:
        """There is no page for one customer: the list is asked for a part of the email."""
        (customer,) = (await self.call("GET", f"/customers?email={email}"))["customers"]
        return dict(customer)

    def read(self, request: Received) -> Json:
        """The documented recipe: base64 of the HMAC over the raw body, before it is parsed."""
        digest = hmac.new(self.secret.encode(), request.body, hashlib.sha256).digest()
        assert request.headers["x-loyaltylion-hmac-sha256"] == base64.b64encode(digest).decode()
        body: Json = json.loads(request.body)
        assert request.headers["x-loyaltylion-topic"] == body["topic"]
        payload = body["payload"]
        assert body["topic"].endswith(payload["kind"])
        for side in ("previous_tier", "new_tier"):
            if side in payload["properties"]:
                read(payload["properties"][side], EventTier)
        return body


class Life:
    """Ann's, and the webhooks about her as they arrive one after the other."""

    def __init__(self, client: LionClient, receiver: Receiver, advance: Any) -> None:
        self.client, self.receiver, self.advance = client, receiver, advance
        self.arrived = 0

    async def hears(self, topic: str) -> Json:
        """The next webhook: of this topic, with the customer of the Customers API, key by key."""
        self.arrived += 1
        body = self.client.read((await self.receiver.wait(self.arrived))[-1])
        assert len(self.receiver.requests) == self.arrived
        properties: Json = body["payload"]["properties"]
        assert (body["topic"], properties["customer"]) == (topic, await self.ann())
        return properties

    async def moves(self, topic: str, before: str, after: str) -> Json:
        """The next webhook is of a move from one tier to another."""
        properties = await self.hears(topic)
        previous, new = properties["previous_tier"], properties["new_tier"]
        assert (previous["name"], new["name"]) == (before, after)
        assert (previous["number"] < new["number"]) is (topic == UPGRADED)
        held = properties["customer"]["loyalty_tier_membership"]["loyalty_tier"]
        assert held["id"] == new["id"]
        return properties

    async def ann(self) -> Json:
        return await self.client.customer("ann@example.com")

    async def points(self) -> tuple[int, int, str]:
        ann = await self.ann()
        tier = ann["loyalty_tier_membership"]["loyalty_tier"]["name"]
        return ann["points_approved"], ann["points_pending"], tier


@pytest.fixture
async def life(database: Database, tmp_path: Path, receiver: Receiver) -> AsyncIterator[Life]:
    async with shop_of(database, tmp_path, clock="2024-03-01T10:00:00Z") as shop:
        await shop.good("PUT", "/api/programs/club", PROGRAM)
        keys = shop.keys
        client = LionClient(shop.session, shop.url, keys["key"], keys["site_secret"])
        for topic in (f"{EVENTS}.enrolled", UPGRADED, DOWNGRADED, RENEWED):
            webhook = {"topic": topic, "address": receiver.url}
            await client.call("POST", "/webhooks", {"webhook": webhook})

        async def advance(at: str) -> None:
            await shop.good("POST", "/api/clock", {"advance_to": at})

        yield Life(client, receiver, advance)


def order(id_: int, total: str) -> Json:
    return {"customer_id": "ann", "customer_email": "ann@example.com", "merchant_id": id_,
            "total": total, "total_shipping": "0.00", "payment_status": "paid"}  # fmt: skip


async def test_from_enrolment_to_a_hidden_tier(life: Life) -> None:
    call = life.client.call
    signup = {"name": "$signup", "customer_id": "ann", "customer_email": "ann@example.com"}
    await call("POST", "/activities", signup)
    enrolled = await life.hears(f"{EVENTS}.enrolled")
    assert enrolled["enrollment"]["date"] == "2024-03-01T10:00:00.000Z"

    # Points wait, and are approved; an order brings more, and a part of its money goes back.
    review = {"name": "review", "customer_id": "ann", "merchant_id": "r1"}
    await call("POST", "/activities", review)
    assert await life.points() == (0, 120, "Bronze")
    await call("PUT", "/activities/review/r1", {"state": "approved"})
    assert await life.points() == (120, 0, "Bronze")
    await call("POST", "/orders", order(1, "150.00"))
    risen = await life.moves(UPGRADED, "Bronze", "Silver")
    assert risen["customer"]["loyalty_tier_membership"]["expires_at"] == "2025-03-01T00:00:00.000Z"
    refund = {"refund_status": "partially_refunded", "total_refunded": "50.00"}
    await call("PUT", "/orders/1", refund)
    assert await life.points() == (220, 0, "Silver")
    await call("POST", "/orders", order(2, "400.00"))
    await life.moves(UPGRADED, "Silver", "Gold")

    # A year later the tier is held on; after one more without orders it falls by two levels.
    await life.advance("2024-12-01T10:00:00Z")
    await call("POST", "/orders", order(3, "500.00"))
    await life.advance("2025-03-01T00:00:00Z")
    renewed = await life.hears(RENEWED)
    assert renewed["tier"]["name"] == "Gold"
    await life.advance("2026-03-01T00:00:00Z")
    fallen = await life.moves(DOWNGRADED, "Gold", "Bronze")
    assert fallen["customer"]["loyalty_tier_membership"]["expires_at"] is None
    assert fallen["customer"]["points_approved"] == 1120

    # By hand, until a day; then hidden, which no bound leads to, and out of it.
    path = "/customers/ann/loyalty_tier_membership"
    until = {"loyalty_tier_id": 16, "expires_at": "2026-05-01T00:00:00Z"}
    await call("PUT", path, until)
    by_hand = await life.moves(UPGRADED, "Bronze", "Silver")
    assert by_hand["customer"]["loyalty_tier_membership"]["manual"] is True
    await life.advance("2026-05-01T00:00:00Z")
    await life.moves(DOWNGRADED, "Silver", "Bronze")
    await call("PUT", path, {"loyalty_tier_id": 18})
    hidden = await life.moves(UPGRADED, "Bronze", "Family")
    assert hidden["new_tier"]["hidden"] is True
    await call("DELETE", path)
    await life.moves(DOWNGRADED, "Family", "Bronze")
    assert len(life.receiver.requests) == 9
