"""Endpoints over HTTP: made with a secret that is shown once, and a webhook that verifies."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.receiver import Receiver, Reply
from tests.web.conftest import Api


async def endpoint(api: Api, receiver: Receiver, **more: Any) -> dict[str, Any]:
    answered = await api.post("/api/endpoints", {"url": receiver.url, **more})
    assert answered.status == 201, answered.body
    made: dict[str, Any] = answered.json
    return made


async def test_a_webhook_arrives_and_verifies(club: Api, receiver: Receiver) -> None:
    """From an activity to a receiver, signed with the secret that its maker was shown."""
    made = await endpoint(club, receiver)
    await club.earn("anna", 120)
    (arrived,) = await receiver.wait(1)
    event = Webhook(made["secret"]).verify(arrived.body, arrived.headers)
    feed = (await club.get("/api/events")).json["events"]

    assert event["type"] == "tier.joined"
    assert event["data"] == feed[0]


async def test_a_vendors_webhook_is_signed_its_way_too(club: Api, receiver: Receiver) -> None:
    """Without a key of that vendor the endpoint gets a vendor secret of its own."""
    made = await endpoint(club, receiver, format="voucherify")
    await club.earn("anna", 120)
    (arrived,) = await receiver.wait(1)
    expected = hmac.new(made["vendor_secret"].encode(), arrived.body, hashlib.sha256).hexdigest()

    assert arrived.headers["x-voucherify-signature"] == expected
    assert Webhook(made["secret"]).verify(arrived.body, arrived.headers)
    assert json.loads(arrived.body)["event"]["type"] == "customer.loyalty.tier.joined"


async def test_who_turns_to_a_vendors_format_gets_its_secret(club: Api, receiver: Receiver) -> None:
    """Made when it is first needed, and shown once; a vendor's webhook never goes out unsigned."""
    made = await endpoint(club, receiver)
    path = f"/api/endpoints/{made['id']}"
    turned = await club.call("PATCH", path, {"format": "voucherify"})
    again = await club.call("PATCH", path, {"description": "ours"})
    await club.earn("anna", 120)
    (arrived,) = await receiver.wait(1)
    secret = turned.json["vendor_secret"].encode()

    assert "vendor_secret" not in made
    assert "vendor_secret" not in again.json
    expected = hmac.new(secret, arrived.body, hashlib.sha256).hexdigest()
    assert arrived.headers["x-voucherify-signature"] == expected


async def test_secrets_are_shown_once(club: Api, receiver: Receiver) -> None:
    """Headers by name, secrets not at all."""
    made = await endpoint(club, receiver, headers={"x-api-key": "hush-hush"})
    single = await club.get(f"/api/endpoints/{made['id']}")
    listed = await club.get("/api/endpoints")

    assert single.json["headers"] == ["x-api-key"]
    for answered in (single, listed):
        assert made["secret"] not in answered.body.decode()
        assert "hush-hush" not in answered.body.decode()
    assert [e["id"] for e in listed.json["endpoints"]] == [made["id"]]


async def test_customers_events_need_the_scope_to_read_customers(
    club: Api, receiver: Receiver
) -> None:
    """To make such an endpoint, and to turn another into one; operational events do not."""
    keys = await club.post("/api/keys", {"scopes": ["manage_endpoints"]})
    key = keys.json["key"]
    url = {"url": receiver.url}
    tier = await club.post("/api/endpoints", url, key=key)
    ops = await club.post("/api/endpoints", url | {"kinds": ["endpoint.paused"]}, key=key)
    path = f"/api/endpoints/{ops.json['id']}"
    widened = await club.call("PATCH", path, {"kinds": ["joined"]}, key=key)

    assert tier.problem == (403, "forbidden", "kinds")
    assert "read_customers" in tier.json["detail"]
    assert ops.status == 201
    assert widened.problem == (403, "forbidden", "kinds")


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "https://user:secret@example.com/"}, "url"),
        ({"url": None}, "url"),
        ({"format": "fax"}, "format"),
        ({"format_version": "v99"}, "format_version"),
        ({"kinds": ["promoted"]}, "kinds[0]"),
        ({"format": "loyaltylion", "kinds": ["joined"]}, "kinds[0]"),
        ({"program": "none"}, "programs[0]"),
        ({"retry": {"schedule": []}}, "retry.schedule"),
        ({"retry": "often"}, "retry"),
        ({"filter": {}}, "filter"),
        ({"headers": {"webhook-id": "x"}}, "headers.webhook-id"),
        ({"headers": {"User-Agent": "x"}}, "headers.User-Agent"),
        ({"headers": {"Tierline-Attempt": "9"}}, "headers.Tierline-Attempt"),
        ({"headers": {"x-loyaltylion-topic": "x"}}, "headers.x-loyaltylion-topic"),
        ({"headers": {"x-api-key": "ends\n"}}, "headers[...]"),
        ({"headers": {"x-ends\n": "x"}}, "headers"),
        ({"secret": "whsec_short"}, "secret"),
        ({"mode": "random"}, "mode"),
        ({"timeout_ms": 1}, "timeout_ms"),
        ({"colour": "red"}, "colour"),
        ({"since": "now"}, "since"),
    ],
)
async def test_a_wrong_endpoint_names_the_field(
    club: Api, receiver: Receiver, wrong: dict[str, Any], path: str
) -> None:
    """And is not made."""
    answered = await club.post("/api/endpoints", {"url": receiver.url} | wrong)

    assert answered.problem[2] == path, answered.body
    assert (await club.get("/api/endpoints")).json["endpoints"] == []


async def test_a_change_is_in_force_for_the_next_event(club: Api, receiver: Receiver) -> None:
    """What is not said stays; who changes on top of another's change is told."""
    made = await endpoint(club, receiver, kinds=["joined"], description="ours")
    path = f"/api/endpoints/{made['id']}"
    patched = await club.call("PATCH", path, {"kinds": ["upgraded"]})
    stale = await club.call("PATCH", path, {"kinds": [], "revision": made["revision"]})
    await club.earn("anna", 120)
    await club.earn("anna", 400)
    (arrived,) = await receiver.wait(1)

    assert (patched.json["kinds"], patched.json["description"]) == (["upgraded"], "ours")
    assert stale.problem == (409, "conflict", "revision")
    assert json.loads(arrived.body)["type"] == "tier.upgraded"


async def test_the_order_does_not_change_under_what_waits(club: Api, receiver: Receiver) -> None:
    """Lanes of one order mean nothing under another; the rest may change."""
    receiver.answer = lambda _: Reply(status=500)
    made = await endpoint(club, receiver, retry={"schedule": [3600]})
    path = f"/api/endpoints/{made['id']}"
    empty = await club.call("PATCH", path, {"mode": "unordered"})
    await club.earn("anna", 120)
    while (await club.get(path)).json["lag"]["retrying"] == 0:
        await receiver.wait(1)
    reordered = await club.call("PATCH", path, {"mode": "fifo"})
    batched = await club.call("PATCH", path, {"batch": {}})
    described = await club.call("PATCH", path, {"description": "ours", "mode": "unordered"})

    assert (empty.status, empty.json["mode"], empty.json["state"]) == (200, "unordered", "active")
    assert reordered.problem == (409, "order_in_use", "mode")
    assert "1 retrying, 0 parked" in reordered.json["detail"]
    assert batched.problem[1] == "order_in_use"
    assert described.status == 200


async def test_a_paused_endpoint_loses_nothing(club: Api, receiver: Receiver) -> None:
    """What happened meanwhile arrives after it goes on."""
    made = await endpoint(club, receiver)
    path = f"/api/endpoints/{made['id']}"
    paused = await club.post(f"{path}/pause")
    await club.earn("anna", 120)
    behind = await club.get(path)
    resumed = await club.post(f"{path}/resume")
    (arrived,) = await receiver.wait(1)

    assert (paused.json["state"], paused.json["reason"]) == ("paused", "asked")
    assert behind.json["lag"]["events"] == 1
    assert resumed.json["state"] == "active"
    assert json.loads(arrived.body)["type"] == "tier.joined"


async def test_a_rotated_secret_signs_beside_the_old_one(club: Api, receiver: Receiver) -> None:
    """Until the overlap ends, receivers with either verify."""
    made = await endpoint(club, receiver)
    rotating = await club.post(f"/api/endpoints/{made['id']}/rotate")
    assert rotating.status == 200, rotating.body
    rotated = rotating.json
    await club.earn("anna", 120)
    (arrived,) = await receiver.wait(1)

    assert rotated["secret"] != made["secret"]
    for secret in (made["secret"], rotated["secret"]):
        assert Webhook(secret).verify(arrived.body, arrived.headers)


async def test_attempts_and_replay(club: Api, receiver: Receiver) -> None:
    """What was sent is seen; sent again it keeps its id and its bytes."""
    made = await endpoint(club, receiver)
    path = f"/api/endpoints/{made['id']}"
    await club.earn("anna", 120)
    first = (await receiver.wait(1))[0]
    event = (await club.get("/api/events")).json["events"][0]["id"]
    started = await club.post(f"{path}/replay", {"ids": [event]})
    again = (await receiver.wait(2))[1]
    unknown = await club.post(f"{path}/replay", {"ids": ["evt_none"]})
    mistyped = await club.post(f"{path}/replay", {"kinds": ["upgrade"]})

    assert started.status == 202, started.body
    assert (again.body, again.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    assert unknown.problem[:2] == (404, "not_found")
    assert mistyped.problem[::2] == (400, "kinds[0]")
    attempts = await _attempts(club, path, 2)
    assert [a["outcome"] for a in attempts] == ["delivered", "delivered"]
    assert {a["event"] for a in attempts} == {event}


async def _attempts(api: Api, path: str, count: int) -> list[dict[str, Any]]:
    """They are written a moment after the receiver answered: the feed of ops shows no such
    thing, so ask until they are there."""
    while True:
        attempts: list[dict[str, Any]] = (await api.get(f"{path}/attempts")).json["attempts"]
        if len(attempts) >= count:
            return attempts


async def test_who_waits_is_seen(club: Api, receiver: Receiver) -> None:
    """By customer, with how often it was tried and when it is tried again."""
    made = await endpoint(club, receiver, retry={"schedule": [3600]})
    path = f"/api/endpoints/{made['id']}/lanes"
    receiver.then(422)
    assert (await club.get(path)).json["lanes"] == []
    await club.earn("anna", 120)
    await receiver.wait(1)
    while not (lanes := (await club.get(path)).json["lanes"]):
        pass  # written a moment after the receiver answered

    [event] = (await club.get("/api/events")).json["events"]
    [lane] = lanes
    assert (lane["customer"], lane["customer_id"]) == ("anna", event["customer_id"])
    assert (lane["event"], lane["kind"], lane["state"]) == (event["id"], "joined", "retrying")
    assert (lane["attempts"], lane["replay"]) == (1, None)
    assert lane["due_at"] > lane["first_at"]


async def test_lanes_and_attempts_are_asked_for_in_the_callers_words(
    club: Api, receiver: Receiver
) -> None:
    """By customer (their id or ours), by event, by kind; somebody unknown is said to be so."""
    made = await endpoint(club, receiver, retry={"schedule": [3600]})
    path = f"/api/endpoints/{made['id']}"
    receiver.answer = lambda _: Reply(500)
    for name in ("anna", "ben"):
        await club.earn(name, 120)
    await _attempts(club, path, 2)
    anna, ben = (await club.get("/api/events")).json["events"]

    for what in ("lanes", "attempts"):
        for query, events in (
            ("customer=anna", [anna]),
            (f"customer={ben['customer_id']}", [ben]),
            (f"event={anna['id']}", [anna]),
            ("kind=joined", [anna, ben]),
            ("kind=left", []),
            ("customer=anna&kind=joined", [anna]),
        ):
            lines = (await club.get(f"{path}/{what}?{query}")).json[what]
            assert {(e["id"], e["kind"], e["customer"], e["customer_id"]) for e in events} == {
                (line["event"], line["kind"], line["customer"], line["customer_id"])
                for line in lines
            }, (what, query)
        unknown = await club.get(f"{path}/{what}?customer=nobody")
        assert unknown.problem[:2] == (404, "not_found")


async def test_a_replay_says_what_it_sends(club: Api, receiver: Receiver) -> None:
    """Not all of history by an empty body; a dry run counts, and sends nothing."""
    made = await endpoint(club, receiver)
    path = f"/api/endpoints/{made['id']}/replay"
    for name in ("anna", "ben"):
        await club.earn(name, 120)
    await receiver.wait(2)
    empty = await club.post(path, {})
    paced = await club.post(path, {"rate_per_s": 5})
    dry = await club.post(path, {"everything": True, "dry_run": True})
    none = await club.post(path, {"kinds": ["left"], "dry_run": True})
    started = await club.post(path, {"everything": True})
    requests = await receiver.wait(4)

    assert empty.problem == paced.problem == (400, "replay_unbounded", "everything")
    assert dry.json == {"run": None, "events": 2, "complete": True}
    assert none.json["events"] == 0
    assert started.json["run"] == 1
    assert len({r.headers["webhook-id"] for r in requests}) == 2
    again = await club.post(path, {"everything": True})
    assert again.json["run"] == 2


@pytest.mark.parametrize("dry", [False, True])
async def test_a_replay_that_contradicts_itself_is_refused(
    club: Api, receiver: Receiver, *, dry: bool
) -> None:
    """Nothing that was said is passed over in silence."""
    made = await endpoint(club, receiver)
    early, late = {"since": "2024-01-01T00:00:00Z"}, {"since": "2024-02-01T00:00:00Z"}
    for path, body in (
        ("until", {**late, "until": early["since"]}),
        ("ids", {**early, "ids": ["evt_1"]}),
    ):
        whole: dict[str, Any] = {**body, "dry_run": dry}
        answer = await club.post(f"/api/endpoints/{made['id']}/replay", whole)
        assert answer.problem == (400, "invalid", path)


async def test_a_test_event_tells_what_came_back(club: Api, receiver: Receiver) -> None:
    """Signed as any other; it stands in no log but that of attempts."""
    made = await endpoint(club, receiver)
    answer = await club.post(f"/api/endpoints/{made['id']}/test", {"kind": "upgraded"})
    (arrived,) = await receiver.wait(1)

    assert (answer.status, answer.json["status"], answer.json["outcome"]) == (
        200,
        200,
        "test_delivered",
    )
    assert Webhook(made["secret"]).verify(arrived.body, arrived.headers)
    assert (await club.get("/api/events")).json["events"] == []


async def test_a_deleted_endpoint_hears_no_more(club: Api, receiver: Receiver) -> None:
    """And is not there."""
    made = await endpoint(club, receiver)
    other = await endpoint(club, receiver)
    gone = await club.call("DELETE", f"/api/endpoints/{made['id']}")
    await club.earn("anna", 120)
    (arrived,) = await receiver.wait(1)

    assert gone.status == 204
    assert Webhook(other["secret"]).verify(arrived.body, arrived.headers)
    for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("GET", "/attempts")):
        answered = await club.call(method, f"/api/endpoints/{made['id']}{tail}")
        assert answered.problem == (404, "not_found", "endpoint")


async def test_an_endpoint_may_start_in_the_past(club: Api, receiver: Receiver) -> None:
    """It hears what was recorded from its instant on."""
    await club.earn("anna", 120)
    await endpoint(club, receiver, since="2020-01-01T00:00:00Z")
    (arrived,) = await receiver.wait(1)

    assert json.loads(arrived.body)["data"]["customer"] == "anna"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"ca": "\u00fa\u001d"}, "ca"),
        ({"ca": "nonsense"}, "ca"),
        ({"client_certificate": "\u00fa", "client_key": "x"}, "client_certificate"),
        ({"client_certificate": "x", "client_key": "\u00fa"}, "client_key"),
        ({"client_certificate": "x\u0000", "client_key": "x"}, "client_certificate"),
        ({"proxy": "http://h\u00f6st:99999"}, "proxy"),
    ],
)
async def test_what_is_no_pem_is_refused(club: Api, body: dict[str, str], path: str) -> None:
    """Whatever characters it has; a 500 would say that we are to blame."""
    answered = await club.post("/api/endpoints", {"url": "https://example.com/hook", **body})

    assert answered.problem == (400, "invalid", path)


async def test_the_secret_of_an_endpoint_needs_what_the_endpoint_hears(
    club: Api, receiver: Receiver
) -> None:
    """Who manages endpoints, and may not read customers, neither gets the secret by rotating it
    nor says what it is, nor turns what waits there to another address."""
    body = {"scopes": ["manage_endpoints"]}
    manager = (await club.post("/api/keys", body)).json["key"]
    hears = await endpoint(club, receiver, retry={"schedule": [3600]})
    quiet = await endpoint(club, receiver, kinds=["endpoint.failing"])
    path, own = (f"/api/endpoints/{made['id']}" for made in (hears, quiet))
    changes = [
        {"secret": "whsec_" + "A" * 43 + "="},
        {"url": f"{receiver.url}/mine"},
        {"kinds": ["endpoint.failing"]},
        {"kinds": ["endpoint.failing"], "url": f"{receiver.url}/mine"},
        {"format": "voucherify"},
    ]

    for refused in [
        await club.post(f"{path}/rotate", key=manager),
        await club.post(f"{path}/rotate", {"kind": "ed25519"}, key=manager),
        *[await club.call("PATCH", path, change, key=manager) for change in changes],
    ]:
        assert refused.problem == (403, "forbidden", "kinds")
        assert "read_customers" in refused.json["detail"]
    assert (await club.get(path)).json["url"] == receiver.url
    assert "secret" in (await club.post(f"{own}/rotate", key=manager)).json
    assert "secret" in (await club.post(f"{path}/rotate")).json
