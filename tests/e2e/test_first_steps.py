"""What a newcomer does after `make serve`: five steps to a webhook in their own receiver."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import aiohttp
from standardwebhooks import Webhook

from tests.e2e.caller import Caller
from tests.e2e.process import Served
from tests.receiver import Receiver

CLUB = {
    "name": "Club",
    "policy": {
        "tiers": [
            {"id": "silver", "name": "Silver", "from": 100, "to": 499},
            {"id": "gold", "name": "Gold", "from": 500},
        ],
    },
}


async def test_five_steps_bring_a_webhook(
    data_dir: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """Keys from the file that is printed, a program, an endpoint, an activity: the webhook
    arrives, its signature verifies, and it says who reached what."""
    with Served(data_dir) as served:
        keys = Path(served.ready["keys"])
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        caller = Caller(session, served.url, json.loads(keys.read_text())["key"])

        assert (await caller.put("/api/programs/club", CLUB))["warnings"] == []
        endpoint = await caller.post("/api/endpoints", {"url": receiver.url})
        activity = {"key": "order-1", "customer": "anna", "kind": "earn", "points": 120}
        answer = await caller.post("/api/programs/club/activities", activity)
        assert answer["tier"] == "silver"

        (request,) = await receiver.wait(1)
        event = Webhook(endpoint["secret"]).verify(request.body, request.headers)
        assert (event["type"], event["data"]["customer"]) == ("tier.joined", "anna")
        assert event["data"]["tier_to"] == {"id": "silver", "name": "Silver"}
        (first,) = await caller.feed()
        assert first["id"] == event["data"]["id"]


async def test_the_endpoint_knows_what_it_got(caller: Caller, receiver: Receiver) -> None:
    """A test event comes without any activity; a receiver that is in trouble first gets the event
    again, with the same id and bytes."""
    retry = {"schedule": [0.1, 0.1], "jitter": 0}
    endpoint_body = {"url": receiver.url, "retry": retry, "program": "troubled"}
    await caller.put("/api/programs/troubled", CLUB)
    endpoint = await caller.post("/api/endpoints", endpoint_body)
    sample = await caller.post(f"/api/endpoints/{endpoint['id']}/test", {})
    assert sample["status"] == 200

    receiver.then(500, 503)
    activity = {"customer": "anna", "kind": "earn", "points": 700}
    await caller.post("/api/programs/troubled/activities", activity)
    first, *again = (await receiver.wait(4))[1:]
    for request in again:
        assert request.body == first.body
        assert request.headers["webhook-id"] == first.headers["webhook-id"]
        Webhook(endpoint["secret"]).verify(request.body, request.headers)
