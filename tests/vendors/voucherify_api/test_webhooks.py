"""`/management/v1/projects/…/webhooks`, and what arrives at such a webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from tests.receiver import Received, Receiver
from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.published import PublishedWebhook, as_published
from tests.vendors.voucherify_api.published_activity import DATA, PublishedTransactionCreated
from tests.vendors.voucherify_api.test_transactions import act
from tierline.endpoints.filters import compile_filter

UPGRADED = "customer.loyalty.tier.upgraded"
JOINED = "customer.loyalty.tier.joined"
REWARDED = "customer.rewarded.loyalty_points"
Json = dict[str, Any]


def webhooks(shop: Shop) -> str:
    return f"/management/v1/projects/{shop.project}/webhooks"


def body_of(request: Received) -> Json:
    body: Json = json.loads(request.body)
    return body


async def make(shop: Shop, url: str, events: list[str], **more: Any) -> Json:
    body = {"target_url": url, "events": events, **more}
    answer: Json = await shop.good("POST", webhooks(shop), body)
    return answer


async def test_a_tier_event_arrives_signed(shop: Shop, receiver: Receiver) -> None:
    webhook = await make(shop, receiver.url, [UPGRADED, JOINED, "voucher.loyalty_card.points_aded"])
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await shop.good("POST", "/v1/loyalties/Club/tiers", [{"name": "Gold", "points": {"from": 10}}])
    card = await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "anna"})
    await shop.good("POST", f"/v1/loyalties/members/{card['code']}/balance", {"points": 10})
    _, request = await receiver.wait(2)  # the points come before the tier that they bring

    sent = json.loads(request.body)
    assert sent["type"] == sent["event"]["type"] == JOINED
    assert sent["source"] == {
        "id": webhook["id"],
        "object": "webhook",
        "target_url": receiver.url,
    }
    assert sent["data"]["campaign"]["id"] == card["campaign_id"]
    secret = shop.keys["webhook_secret"].encode()
    signature = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-voucherify-signature"] == signature


CARD = "voucher.loyalty_card"
CREATED = f"{CARD}.transaction.created"
OWN = [
    f"{CARD}.points_aded",
    f"customer.{CARD}.pending_points.added",
    f"{CARD}.pending_points.aded",
    f"{CARD}.pending_points.canceled",
    f"customer.{CARD}.points_expired",
]


async def lives(shop: Shop) -> None:
    """Points are added, wait, are taken away, are spent, and expire."""
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    card = await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "anna"})
    member = f"/v1/loyalties/members/{card['code']}"
    await shop.good("POST", f"{member}/balance", {"points": 10, "source_id": "b-1"})
    until = {"expiration_type": "CUSTOM_DATE", "expiration_date": "2022-11-12"}
    await shop.good("POST", f"{member}/balance", {"points": 3, **until})
    soon = {"available_at": "2022-11-20T00:00:00Z"}
    await act(shop, customer="anna", kind="earn", key="e-1", points=7, **soon)
    (pending,) = (await shop.good("GET", f"{member}/pending-points"))["data"]
    await shop.call("POST", f"{member}/pending-points/{pending['id']}/cancel")
    await act(shop, customer="anna", kind="redeem", key="r-1", points=2)
    await shop.good("POST", "/api/clock", {"advance_to": "2022-11-14T00:00:00Z"})


async def test_every_transaction_is_told(sandbox_shop: Shop, receiver: Receiver) -> None:
    """As the list of transactions shows it, under the same id."""
    webhook = await make(sandbox_shop, receiver.url, [CREATED])
    await lives(sandbox_shop)
    bodies = [json.loads(each.body) for each in await receiver.wait(4)]
    member = bodies[0]["data"]["voucher"]["code"]
    path = f"/v1/loyalties/members/{member}/transactions?order=id"
    listed = (await sandbox_shop.good("GET", path))["data"]

    assert [each["data"]["transaction"] for each in bodies] == listed
    assert [each["type"] for each in listed] == [
        "POINTS_ADDITION",
        "POINTS_ADDITION",
        "POINTS_REDEMPTION",
        "POINTS_EXPIRATION",
    ]
    for body in bodies:
        assert body["type"] == body["event"]["type"] == CREATED
        assert body["source"]["id"] == webhook["id"]
        assert body["event"]["entity_id"] == body["data"]["voucher"]["id"]
        as_published(body["data"], PublishedTransactionCreated)
    assert bodies[0]["event"]["id"].startswith("evvou_")
    assert bodies[3]["event"]["event_source"] == {"channel": "INTERNAL"}


async def test_changes_of_points_are_told_by_their_names(
    sandbox_shop: Shop, receiver: Receiver
) -> None:
    """In either spelling, and as an event of the card, of its holder, or of both."""
    await make(sandbox_shop, receiver.url, OWN)
    await lives(sandbox_shop)
    bodies = [json.loads(each.body) for each in await receiver.wait(6)]
    bodies.sort(key=lambda body: str(body["type"]))

    assert [each["type"] for each in bodies] == [
        f"customer.{CARD}.pending_points.added",
        f"customer.{CARD}.points_expired",
        f"{CARD}.pending_points.added",
        f"{CARD}.pending_points.canceled",
        f"{CARD}.points_added",
        f"{CARD}.points_added",
    ]
    for body in bodies:
        of_card = body["type"].startswith("voucher.")
        entity = body["data"]["voucher"]["id"] if of_card else body["data"]["customer"]["id"]
        assert body["event"]["entity_id"] == entity
        name = body["type"] if not of_card else f"customer.{body['type']}"
        shape: Any = DATA[name]
        as_published(body["data"], shape)
    sources = {each["data"]["transaction"]["source_id"] for each in bodies[4:]}
    assert sources == {"b-1", None}
    assert bodies[1]["data"]["points"] == 1  # two were spent


async def test_a_transfer_names_both_cards(shop: Shop, receiver: Receiver) -> None:
    """On either side, by the card's id and code; what was transferred by an id or by a name."""
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    cards = {}
    for name in ("anna", "bob"):
        body = {"customer": name, "voucher": f"KÄRTCHEN-{name}"}
        cards[name] = await shop.good("POST", "/v1/loyalties/Club/members", body)
    await shop.good("POST", f"/v1/loyalties/members/{cards['anna']['id']}/balance", {"points": 30})
    await make(shop, receiver.url, [CREATED])
    source = {"code": cards["anna"]["code"], "points": 10, "source_id": "t-1"}
    await shop.good("POST", f"/v1/loyalties/Club/members/{cards['bob']['id']}/transfers", [source])
    await act(shop, customer="bob", kind="transfer", key="t-2", points=3, to="anna")
    bodies = [json.loads(each.body)["data"] for each in await receiver.wait(4)]

    for data in bodies:
        as_published(data, PublishedTransactionCreated)
        out = data["transaction"]["type"] == "POINTS_TRANSFER_OUT"
        way, other_way = ("destination_voucher", "source_voucher")[:: 1 if out else -1]
        holder = data["holder"]["source_id"]
        other = cards["bob" if holder == "anna" else "anna"]
        assert data[other_way] is None
        assert data[way] == data["transaction"]["details"][way]
        for field in ("id", "code", "holder_id", "campaign_id", "created_at"):
            assert data[way][field] == other[field], field
    assert sorted((each["holder"]["source_id"], each["balance"]["points"]) for each in bodies) == [
        ("anna", -10),
        ("anna", 3),
        ("bob", -3),
        ("bob", 10),
    ]


async def test_a_webhook_that_asks_for_several_names_hears_each(
    shop: Shop, receiver: Receiver
) -> None:
    """Of one change of points: the transaction, the card's event and the holder's, three send-outs
    with ids of their own, as from one webhook."""
    names = [
        JOINED,
        CREATED,
        f"{CARD}.points_aded",
        f"customer.{CARD}.points_added",
        "redemption.failed",
    ]
    webhook = await make(shop, receiver.url, names)
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await shop.good("POST", "/v1/loyalties/Club/tiers", [{"name": "Gold", "points": {"from": 10}}])
    card = await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "anna"})
    await shop.good("POST", f"/v1/loyalties/members/{card['code']}/balance", {"points": 10})
    bodies = [json.loads(each.body) for each in await receiver.wait(4)]

    assert sorted(each["type"] for each in bodies) == sorted(
        [JOINED, CREATED, f"{CARD}.points_added", f"customer.{CARD}.points_added"]
    )
    for field in ("id", "event"):
        assert len({json.dumps(each[field]) for each in bodies}) == len(bodies)
    assert len({each["event"]["id"] for each in bodies}) == len(bodies)
    assert {each["source"]["id"] for each in bodies} == {webhook["id"]}
    assert webhook["events"] == names
    assert (await shop.good("GET", webhooks(shop)))["data"] == [webhook]


async def test_one_order_brings_points_that_wait_and_others(shop: Shop, receiver: Receiver) -> None:
    """Both are told, each with the rule that gave them, and both stand in the activity."""
    waiting = f"customer.{CARD}.pending_points.added"
    await make(shop, receiver.url, [CREATED, REWARDED, waiting])
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    later = {"pending_points": {"period_type": "DAY", "period_value": 14}}
    gift: Json = {"event": "order.paid", "loyalty": {"type": "FIXED", "points": 5}}
    gifts = [{**gift, **later}, gift]
    rules = await shop.good("POST", "/v1/loyalties/Club/earning-rules", gifts)
    card = await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "anna"})
    order = {"customer": {"source_id": "anna"}, "status": "PAID", "amount": 100}
    await shop.good("POST", "/v1/orders", order)
    bodies = {each["type"]: each for each in map(body_of, await receiver.wait(3))}
    member = f"/v1/loyalties/members/{card['code']}"
    (pending,) = (await shop.good("GET", f"{member}/pending-points"))["data"]
    items = (await shop.good("GET", f"{member}/activity?limit=100"))["data"]

    assert set(bodies) == {CREATED, REWARDED, waiting}
    assert bodies[CREATED]["data"]["transaction"]["details"]["earning_rule"]["id"] == rules[1]["id"]
    assert bodies[REWARDED]["data"]["earning_rule"]["id"] == rules[1]["id"]
    assert bodies[REWARDED]["data"]["balance"]["points"] == 5
    assert bodies[waiting]["data"]["pending_points"] == pending
    assert pending["details"]["earning_rule"]["id"] == rules[0]["id"]
    assert len({each["event"]["id"] for each in bodies.values()}) == 3
    assert {each["type"] for each in items} == {REWARDED, waiting}
    assert len({each["id"] for each in items}) == 2


async def test_the_parts_of_a_webhook_change_and_end_with_it(
    shop: Shop, receiver: Receiver
) -> None:
    webhook = await make(shop, receiver.url, [CREATED, f"{CARD}.points_aded"], active=False)
    one = f"{webhooks(shop)}/{webhook['id']}"

    async def parts() -> list[tuple[str, str, list[str], bool]]:
        endpoints = (await shop.good("GET", "/api/endpoints"))["endpoints"]
        assert {each["vendor_id"] or each["webhook_of"] for each in endpoints} <= {webhook["id"]}
        return [
            (each["url"], each["webhook_voice"], each["kinds"], each["state"] == "paused")
            for each in endpoints
        ]

    kinds = "earned activated spent expired reversed transferred adjusted"
    every = [f"points.{kind}" for kind in kinds.split()]
    added = ["points.earned", "points.adjusted"]
    assert await parts() == [
        (receiver.url, "transaction", every, True),
        (receiver.url, "card", added, True),
    ]
    other = f"{receiver.url}/other"
    await shop.good("PUT", one, {"target_url": other, "active": True})
    assert await parts() == [(other, "transaction", every, False), (other, "card", added, False)]
    await shop.good("PUT", one, {"events": [CREATED, f"customer.{CARD}.points_expired"]})
    assert await parts() == [
        (other, "transaction", every, False),
        (other, "customer", ["points.expired"], False),
    ]
    await shop.good("PUT", one, {"events": [CREATED, UPGRADED]})
    assert await parts() == [(other, "any", [*every, UPGRADED], False)]
    await shop.good("PUT", one, {"events": [f"{CARD}.points_expired", CREATED]})
    assert len(await parts()) == 2
    assert (await shop.call("DELETE", one)).status == 204
    assert await parts() == []


async def test_a_test_event_of_points(shop: Shop, receiver: Receiver) -> None:
    webhook = await make(shop, receiver.url, [CREATED])
    sent = await shop.call("POST", f"/api/endpoints/{webhook['id']}/test", {})
    (request,) = await receiver.wait(1)

    assert sent.status == 200
    assert json.loads(request.body)["type"] == CREATED
    secret = shop.keys["webhook_secret"].encode()
    signature = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-voucherify-signature"] == signature


async def test_a_webhook_as_it_was_sent(shop: Shop, receiver: Receiver) -> None:
    events = ["voucher.loyalty_card.points_aded", UPGRADED, "campaign.vouchers.added"]
    answer = await make(shop, receiver.url, events)
    signatures = {each["header"]: each["secret"] for each in answer["signatures"]}
    published = {field: value for field, value in answer.items() if field != "signatures"}
    webhook = as_published(published, PublishedWebhook)

    assert (webhook.events, webhook.active) == (events, True)
    one = f"{webhooks(shop)}/{webhook.id}"
    assert await shop.good("GET", one) == answer
    assert (await shop.good("GET", webhooks(shop)))["data"] == [answer]
    assert signatures["x-voucherify-signature"] == "voucherify.webhook_secret"
    native = await shop.good("GET", f"/api/endpoints/{webhook.id}")
    assert (native["kinds"], native["format"], native["retry"]) == (
        ["points.earned", "points.adjusted", UPGRADED],
        "voucherify",
        "voucherify",
    )
    assert (await shop.call("DELETE", one)).status == 204
    assert (await shop.refused("GET", one))[:2] == (404, "not_found")


async def test_events_are_replaced_and_null_says_nothing(shop: Shop, receiver: Receiver) -> None:
    webhook = await make(shop, receiver.url, [UPGRADED])
    one = f"{webhooks(shop)}/{webhook['id']}"
    body: Json = {"target_url": None, "events": ["redemption.failed"], "active": None}
    changed = await shop.good("PUT", one, body)

    assert changed == {**webhook, "events": ["redemption.failed"]}
    assert (await shop.good("PUT", one, {"active": False}))["active"] is False
    assert (await shop.good("PUT", one, {"active": False}))["active"] is False
    assert (await shop.good("PUT", one, {"active": True, "events": [JOINED]}))["events"] == [JOINED]


async def test_what_no_event_here_has_is_never_sent(shop: Shop, receiver: Receiver) -> None:
    """A webhook that asks for such alone hears nothing, not everything."""
    silent = await make(shop, f"{receiver.url}/nothing", ["redemption.failed"])
    await make(shop, f"{receiver.url}/joined", [JOINED])
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await shop.good("POST", "/v1/loyalties/Club/tiers", [{"name": "Base", "points": {"from": 0}}])
    for n in range(3):
        await shop.good("POST", "/v1/loyalties/Club/members", {"customer": f"c{n}"})
    requests = await receiver.wait(3)

    assert {request.path for request in requests} == {"/hook/joined"}
    native = await shop.good("GET", f"/api/endpoints/{silent['id']}")
    assert not compile_filter(native["filter"])({"kind": "joined"})


async def test_the_python_sdk_is_shown_what_it_can_read(shop: Shop, receiver: Receiver) -> None:
    await make(shop, receiver.url, [UPGRADED, "voucher.published"])
    headers = {**shop.management, "x-voucherify-channel": "Python-SDK"}
    answered = await shop.call("GET", webhooks(shop), headers=headers)

    assert [each["events"] for each in answered.json["data"]] == [["voucher.published"]]


WRONG: list[tuple[Json, str]] = [
    ({"events": [UPGRADED]}, "target_url: it is needed"),
    ({"target_url": "https://example.com"}, "events: expected at least one event"),
    ({"target_url": "https://example.com", "events": []}, "events"),
    ({"target_url": "https://example.com", "events": ["x.y"]}, "events[0]: there is no event"),
    ({"target_url": "http://10.0.0.1/", "events": [UPGRADED]}, "10.0.0.1"),
    ({"target_url": "https://example.com", "events": UPGRADED}, "events: expected a list"),
    ({"target_url": "https://example.com", "events": [UPGRADED], "id": "x"}, "id"),
]


async def test_wrong_webhooks_are_refused(shop: Shop) -> None:
    for body, details in WRONG:
        status, key, reason = await shop.refused("POST", webhooks(shop), body)
        assert (status, key) == (400, "invalid_payload"), body
        assert details in reason, body

    assert (await shop.good("GET", webhooks(shop)))["total"] == 0


async def test_the_path_names_the_keys_own_project(shop: Shop) -> None:
    answer = await shop.refused("GET", "/management/v1/projects/proj_other/webhooks")

    assert answer == (404, "not_found", "Cannot find project with id proj_other")
    endpoint = {"url": "https://example.com/", "format": "voucherify"}
    native = await shop.call("POST", "/api/endpoints", endpoint)
    assert native.status == 201
    assert (await shop.good("GET", webhooks(shop)))["total"] == 0
    answer = await shop.refused("GET", f"{webhooks(shop)}/{native.json['id']}")
    assert answer[:2] == (404, "not_found")
