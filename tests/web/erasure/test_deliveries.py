"""No webhook tells of an erased customer any more, and no attempt says what one told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.receiver import Received, Receiver, Reply
from tests.web.conftest import Api
from tests.web.erasure.person import SOURCE, TOKEN, planted, post
from tests.web.erasure.test_erasure import differences, traces
from tierline.model import ids


async def lines(api: Api, path: str, what: str, *, count: int) -> list[dict[str, Any]]:
    """They are written a moment after the receiver answered: ask until there are so many."""
    while True:
        answered = (await api.get(f"{path}/{what}")).json[what]
        if len(answered) >= count:
            return list(answered)


@pytest.mark.parametrize("mode", ["customer", "fifo", "unordered"])
async def test_what_was_not_delivered_is_settled_as_erased(
    api: Api, receiver: Receiver, mode: str
) -> None:
    """The receiver fails and says the name in its answer: neither is sent again or kept, and what
    is others' goes on behind."""
    receiver.answer = lambda r: Reply(500, body=b"no such person: " + _customer(r.body))
    hook = {"url": receiver.url, "mode": mode, "retry": {"schedule": [3600]}}
    customer = await planted(api, hook)
    path = "/api/endpoints/" + (await api.get("/api/endpoints")).json["endpoints"][0]["id"]
    await lines(api, path, "lanes", count=1)
    await lines(api, path, "attempts", count=1)
    assert any("attempt.detail" in place for place in await traces(api))

    receiver.answer = lambda _: Reply()
    answered = await api.post(f"/api/customers/{SOURCE}/erase")
    before = len(receiver.requests)

    assert answered.status == 200, answered.body
    outcomes = [a for a in await lines(api, path, "attempts", count=2) if a["outcome"] == "erased"]
    assert {a["customer_id"] for a in outcomes} == {customer}
    assert {a["customer"] for a in outcomes} == {None}
    await post(api, "earn", customer="eve", points=200, key="later")
    past = {"since": "2020-01-01T00:00:00Z"}
    other = await api.post("/api/endpoints", {"url": f"{receiver.url}/new", **past})
    assert other.status == 201, other.body
    for address, body in (
        (f"{path}/retry", None),
        (f"{path}/rewind", past),
        (f"/api/endpoints/{other.json['id']}/replay", {"everything": True}),
    ):
        assert (await api.post(address, body)).status in (200, 202, 204)
    while not {b"bob", b"eve"} <= {_customer(r.body) for r in receiver.requests[before:]}:
        await receiver.wait(len(receiver.requests) + 1)
    while [
        lane for lane in await lines(api, path, "lanes", count=0) if lane["customer_id"] == customer
    ]:
        pass  # whoever sends has read again in a moment
    assert not any(TOKEN.encode() in r.body for r in receiver.requests[before:])
    assert await traces(api) == []
    assert (await differences(api))[0] == []


def _customer(body: bytes) -> bytes:
    return body.partition(b'"customer":"')[2].partition(b'"')[0]


async def test_who_wants_to_hear_is_told_once_by_the_id_alone(api: Api, receiver: Receiver) -> None:
    """An endpoint of operators that asks for it."""
    hook = {"url": receiver.url, "kinds": ["customer_erased"]}
    customer = await planted(api, hook)
    await api.post(f"/api/customers/{SOURCE}/erase")
    (request,) = await receiver.wait(1)
    assert b'"type":"customer_erased"' in request.body
    assert customer.encode() in request.body
    assert TOKEN.encode() not in request.body


async def test_an_answer_that_comes_late_is_not_kept(api: Api, receiver: Receiver) -> None:
    """A request is under way when its customer is erased: what comes back is noted in numbers."""
    gate = asyncio.Event()

    async def late(request: Received) -> Reply:
        await gate.wait()
        return Reply(500, body=_customer(request.body))

    receiver.answer = late
    await planted(api, {"url": receiver.url, "retry": {"schedule": [3600]}})
    path = "/api/endpoints/" + (await api.get("/api/endpoints")).json["endpoints"][0]["id"]
    await receiver.wait(1)
    erased = await api.post(f"/api/customers/{SOURCE}/erase")
    number = ids.number_of_customer(erased.json["customer_id"])
    sender = api.process._sender
    assert sender is not None
    while number not in sender.log.erased:
        await asyncio.sleep(0)
    gate.set()
    await lines(api, path, "attempts", count=1)
    assert await traces(api) == []
