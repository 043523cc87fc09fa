"""All that is held of one person is handed over, and nothing of anybody else."""

from __future__ import annotations

from typing import Any

from tests.receiver import Receiver, Reply
from tests.web.conftest import Api
from tests.web.erasure.person import PROFILE, SOURCE, TOKEN, planted


async def test_everything_is_handed_over(api: Api, receiver: Receiver) -> None:
    """The profile, names, memberships, each entry with its key, orders, events, deliveries, and
    what operators changed."""
    receiver.answer = lambda _: Reply(500, body=b"no")
    customer = await planted(api, {"url": receiver.url, "retry": {"schedule": [3600]}})
    await receiver.wait(1)
    path = "/api/endpoints/" + (await api.get("/api/endpoints")).json["endpoints"][0]["id"]
    while not (await api.get(f"{path}/attempts")).json["attempts"]:
        pass  # written a moment after the receiver answered

    answered = await api.get(f"/api/customers/{SOURCE}/data")

    held: dict[str, Any] = answered.json
    assert answered.status == 200
    assert answered.headers["cache-control"] == "no-store"
    assert held["customer"]["id"] == customer
    profile = held["customer"]["profile"]
    assert {profile[field] for field in ("name", "email", "phone")} == {
        PROFILE[field] for field in ("name", "email", "phone")
    }
    assert {n["kind"] for n in held["names"]} >= {"source", "card", "id", "number"}
    assert [m["program"] for m in held["memberships"]] == ["club"]
    assert held["memberships"][0]["standing"]["attributes"]["colour"] == f"{TOKEN}-blue"
    keys = {entry["key"] for entry in held["entries"]}
    assert {f"{TOKEN}-{kind}" for kind in ("earn", "redeem", "adjust", "there", "big")} <= keys
    assert [order["order"] for order in held["orders"]] == [f"{TOKEN}-1001"]
    assert {event["profile"]["id"] for event in held["events"]} == {f"{TOKEN}-own-id"}
    assert {attempt["status"] for attempt in held["deliveries"]} == {500}
    assert "member.overridden" in {change["kind"] for change in held["changes"]}
    assert held["transfers_under_way"] == []


async def test_a_long_history_comes_whole(club: Api) -> None:
    """Page by page, each entry once, in order."""
    activities = [
        {"customer": "anna", "kind": "earn", "points": 1, "key": f"k-{n}"} for n in range(450)
    ]
    for start in range(0, 450, 150):
        body = activities[start : start + 150]
        assert (await club.post("/api/programs/club/activities", body)).status == 200
    held = (await club.get("/api/customers/anna/data")).json
    assert [entry["entry"] for entry in held["entries"]] == list(range(1, 452))


async def test_who_is_unknown_or_erased_has_nothing(api: Api) -> None:
    """Nor does a key of another project, or one that may not read, get anything."""
    await planted(api)
    narrow = await api.post("/api/keys", {"scopes": ["write_customers", "erase_customers"]})
    refused = await api.get(f"/api/customers/{SOURCE}/data", key=narrow.json["key"])
    assert refused.problem[:2] == (403, "forbidden")
    assert (await api.get("/api/customers/nobody/data")).problem[:2] == (404, "not_found")
    assert (await api.post(f"/api/customers/{SOURCE}/erase", key=narrow.json["key"])).status == 200
    assert (await api.get(f"/api/customers/{SOURCE}/data")).problem[:2] == (404, "not_found")
