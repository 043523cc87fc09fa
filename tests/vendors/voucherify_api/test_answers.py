"""Every answer of every route is an object of the vendor's, for full and for sparse objects.

`Shop.call` checks each answer that a test gets by `answers.ANSWERS`; here every route is asked for
objects that have everything, and for objects that have nothing that may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.vendors.voucherify_api import answers
from tests.vendors.voucherify_api.conftest import Shop
from tests.web.conftest import Answered

Json = dict[str, Any]
ADDRESS = {"city": "Warsaw", "line_1": "Prosta 1", "country": "PL", "postal_code": "00-001"}
FULL_CUSTOMER = {
    "source_id": "anna",
    "name": "Anna",
    "email": "anna@example.com",
    "phone": "+48 500 600 700",
    "description": "Early customer",
    "birthdate": "1990-02-28",
    "address": {**ADDRESS, "state": "Mazowieckie", "line_2": "2"},
    "metadata": {"lang": "pl", "nested": {"a": [1, None]}},
}
FULL_VOUCHER = {
    "type": "LOYALTY_CARD",
    "loyalty_card": {
        "points": 0,
        "expiration_rules": {"period_type": "MONTH", "period_value": 3},
    },
    "code_config": {"pattern": "F-####", "charset": "ABCDEFGH", "prefix": "<", "postfix": ">"},
}
FULL_CAMPAIGN = {
    "name": "Full",
    "type": "AUTO_UPDATE",
    "campaign_type": "LOYALTY_PROGRAM",
    "description": "Everything",
    "auto_join": True,
    "voucher": FULL_VOUCHER,
    "metadata": {"region": "EU"},
}
EXPIRATION = {
    "qualification_type": "BALANCE",
    "start_date": {"type": "IMMEDIATE"},
    "expiration_date": {
        "type": "CUSTOM",
        "extend": "P3M",
        "rounding": {"type": "MONTH", "strategy": "END"},
    },
}


RULE = {"event": "order.paid", "loyalty": {"type": "FIXED", "points": 5}}


async def full_world(shop: Shop) -> Json:
    """A program with all that can be said, and a member of whom everything is known."""
    await shop.good("POST", "/v1/customers", FULL_CUSTOMER)
    campaign = await shop.good("POST", "/v1/campaigns", FULL_CAMPAIGN)
    tiers = [
        {"name": "Silver", "points": {"from": 10, "to": 99}, "metadata": {"colour": "grey"}},
        {"name": "Gold", "points": {"from": 100}},
    ]
    silver, _ = await shop.good("POST", "/v1/loyalties/Full/tiers", tiers)
    changes = {"loyalty_tiers_expiration": EXPIRATION}
    await shop.good("PUT", f"/v1/campaigns/{campaign['id']}", changes)
    card = await shop.good("POST", "/v1/loyalties/Full/members", {"customer": "anna"})
    balance = f"/v1/loyalties/members/{card['id']}/balance"
    await shop.good("POST", balance, {"points": 30, "reason": "Hello", "source_id": "t1"})
    await shop.good("POST", balance, {"points": -5})
    event = {"event": "visit", "customer": {"source_id": "anna"}, "metadata": {"shop": 1}}
    await shop.good("POST", "/v1/events", event)
    return await _world(shop, campaign, silver["id"], card, "anna")


async def sparse_world(shop: Shop) -> Json:
    """A program that was given a name, and a member who was given nothing."""
    campaign = await shop.good("POST", "/v1/campaigns", {"name": "Sparse"})
    tiers = [{"name": "Only", "points": {"from": 0}}]
    (tier,) = await shop.good("POST", "/v1/loyalties/Sparse/tiers", tiers)
    customer = await shop.good("POST", "/v1/customers", {})
    body = {"customer": customer["id"]}
    card = await shop.good("POST", "/v1/loyalties/Sparse/members", body)
    return await _world(shop, campaign, tier["id"], card, customer["id"])


async def _world(shop: Shop, campaign: Json, tier: str, card: Json, customer: str) -> Json:
    body = {"target_url": "https://example.com/", "events": ["voucher.published"]}
    webhooks = f"/management/v1/projects/{shop.project}/webhooks"
    webhook = await shop.good("POST", webhooks, body)
    (rule,) = await shop.good("POST", f"/v1/loyalties/{campaign['id']}/earning-rules", [RULE])
    order = await shop.good("POST", "/v1/orders", {"customer": customer, "amount": 100})
    return {
        "order": order["id"],
        "rule": rule["id"],
        "project": shop.project,
        "campaign": campaign["id"],
        "tier": tier,
        "customer": customer,
        "member": card["id"],
        "webhook": webhook["id"],
        "assignment": "rewa_none",
        "export": (await shop.good("POST", "/v1/exports", {}))["id"],
        "action": "aa_none",
    }


def test_every_route_has_a_shape() -> None:
    assert answers.missing(answers.ANSWERS) == set()


@pytest.mark.parametrize("world", [full_world, sparse_world])
async def test_every_object_that_is_read_is_the_vendors(
    shop: Shop, world: Callable[[Shop], Any]
) -> None:
    names = await world(shop)
    for method, path in answers.ANSWERS:
        if method == "GET":
            await shop.call("GET", re.sub(r"{(\w+)}", lambda part: names[part[1]], path))


async def test_an_empty_project_answers_lists(shop: Shop) -> None:
    for path in (
        "/v1/campaigns",
        "/v1/loyalties",
        f"/management/v1/projects/{shop.project}/webhooks",
    ):
        assert (await shop.good("GET", path))["total"] == 0


WRONG: list[tuple[Json, str]] = [
    ({"id": None}, "id"),
    ({"object": "customers"}, "object"),
    ({"birthdate": "1990-2-28"}, "birthdate"),
    ({"created_at": "2022-01-01T00:00:00Z"}, "created_at"),
    ({"tierline": 1}, "tierline"),
]


async def test_a_wrong_object_does_not_pass(shop: Shop) -> None:
    """A key that is missing, null, of another form, of another value, or that no page names."""
    customer = await shop.good("POST", "/v1/customers", FULL_CUSTOMER)
    without = {key: value for key, value in customer.items() if key != "system_metadata"}
    for wrong in (without, *({**customer, **change} for change, _ in WRONG)):
        answered = Answered(200, {"content-type": "application/json"}, msgspec.json.encode(wrong))
        with pytest.raises(msgspec.ValidationError):
            answers.check("GET", "/v1/customers/anna", answered)
    envelope = {"object": "list", "data_ref": "data", "data": [], "total": 0, "next": None}
    answered = Answered(200, {"content-type": "application/json"}, msgspec.json.encode(envelope))
    with pytest.raises(AssertionError):
        answers.check("GET", "/v1/loyalties/Club/tiers", answered)
