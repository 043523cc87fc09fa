"""examples/endpoints: what Klaviyo and Kafka's REST proxy are sent by the files as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.receiver import Receiver
from tests.web.conftest import Api
from tierline.commands.definition_files import read_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRETS = {"KLAVIYO_KEY": "pk_1", "KAFKA_REST_LOGIN": "dTpw"}


async def sent(club: Api, receiver: Receiver, file: str) -> tuple[dict[str, Any], Any]:
    """The first request to an endpoint of this file, which goes to a receiver of ours."""
    definitions = read_folder(EXAMPLES, SECRETS)
    (body,) = (each.body for each in definitions if each.name == file)
    answered = await club.post("/api/endpoints", {**body, "url": f"{receiver.url}/x"})
    assert answered.status == 201, answered.body
    await club.earn("ann", 120)
    [request] = await receiver.wait(1)
    return json.loads(request.body), request.headers


async def test_klaviyo_hears_an_event_of_a_profile(club: Api, receiver: Receiver) -> None:
    """As its page "Create Event" has it; the event's id keeps a repetition from counting twice."""
    body, headers = await sent(club, receiver, "klaviyo")

    assert headers["authorization"] == "Klaviyo-API-Key pk_1"
    assert headers["revision"] == "2024-10-15"
    facts = body["data"]["attributes"]
    assert body["data"]["type"] == "event"
    assert facts["metric"]["data"]["attributes"] == {"name": "tier.joined"}
    assert facts["profile"]["data"]["attributes"] == {"external_id": "ann"}
    assert facts["unique_id"].startswith("evt_")
    assert facts["properties"] == {
        "tier": "Silver", "tier_from": None, "cause": "activity", "points": 120
    }  # fmt: skip


async def test_kafka_gets_a_record_by_customer(club: Api, receiver: Receiver) -> None:
    """As version 3 of the REST proxy takes it: the key keeps a customer's events in order."""
    body, headers = await sent(club, receiver, "kafka")

    assert headers["authorization"] == "Basic dTpw"
    assert body["key"] == {"type": "STRING", "data": body["value"]["data"]["data"]["customer_id"]}
    assert body["value"]["type"] == "JSON"
    assert body["value"]["data"]["data"]["customer"] == "ann"
