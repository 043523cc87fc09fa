"""A program with earning rules, and what earns by them."""

from __future__ import annotations

from typing import Any

from tests.vendors.voucherify_api.conftest import Shop

Json = dict[str, Any]
RULES = "/v1/loyalties/Club/earning-rules"
LIFE_TIME: Json = {"every": 1, "points": 1, "property": "customer_life_time_value"}
OF_CUSTOMER: Json = {
    "type": "PROPORTIONAL",
    "calculation_type": "CUSTOMER_METADATA",
    "customer": {"metadata": LIFE_TIME},
}


def of_order(calculation: str, name: str, **ratio: Any) -> Json:
    place = "order_items" if "ITEMS" in calculation else "order"
    loyalty = {"type": "PROPORTIONAL", "calculation_type": calculation, place: {name: ratio}}
    return {"event": "order.paid", "loyalty": loyalty}


async def with_club(shop: Shop) -> Shop:
    body = {
        "name": "Club",
        "loyalty_tiers_expiration": {
            "qualification_type": "POINTS_IN_PERIOD",
            "qualification_period": "YEAR",
            "start_date": {"type": "IMMEDIATE"},
            "expiration_date": {"type": "END_OF_PERIOD"},
        },
    }
    await shop.good("POST", "/v1/campaigns", body)
    tiers = [
        {"name": "Silver", "points": {"from": 0, "to": 99}},
        {"name": "Gold", "points": {"from": 100}},
    ]
    await shop.good("POST", "/v1/loyalties/Club/tiers", tiers)
    anna = {"source_id": "anna", "metadata": {"customer_life_time_value": 75.55, "vip": True}}
    await shop.good("POST", "/v1/customers", anna)
    await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "anna"})
    return shop


async def with_rule(shop: Shop, **rule: Any) -> Json:
    body = {"event": "order.paid", "loyalty": {"type": "FIXED", "points": 10}, **rule}
    (made,) = await shop.good("POST", RULES, [body])
    answer: Json = made
    return answer


async def order(shop: Shop, **fields: Any) -> int:
    """Points for an order that is told whole by the native API."""
    program = (await shop.good("GET", "/v1/loyalties/Club"))["id"]
    body = {"kind": "order", "order": "o-1", "customer": "anna", "total": 12_000, "paid": 10_000}
    path = f"/api/programs/{program}/activities"
    points: int = (await shop.good("POST", path, {**body, **fields}))["points"]
    return points


async def balance(shop: Shop, customer: str = "anna") -> int:
    loyalty = (await shop.good("GET", f"/v1/customers/{customer}"))["loyalty"]
    points: int = loyalty["points"]
    return points


async def event(shop: Shop, name: str = "page_view", customer: Any = "anna", **more: Any) -> None:
    await shop.good("POST", "/v1/events", {"event": name, "customer": customer, **more})


FIXED: Json = {"type": "FIXED", "points": 1}
TIME: Json = {
    "active": True,
    "start_date": "2022-11-02T13:00:00.000Z",
    "expiration_date": "2023-03-03T14:30:00.000Z",
    "validity_timeframe": {"duration": "PT1H", "interval": "P1D"},
    "validity_day_of_week": [0, 1, 2, 3, 4, 5],
}
