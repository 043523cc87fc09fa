"""Which events an endpoint hears, in which shape, and signed with which secrets."""

from __future__ import annotations

import asyncio
import hmac
import json

import pytest
from standardwebhooks import Webhook

from tests.delivery.test_policies import control, ids_of
from tests.delivery.world import SECRET, World
from tests.receiver import Receiver, Reply
from tierline.clock import wall
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.endpoint import Dated, EndpointSecrets
from tierline.store.event_log import LogEvent
from tierline.vendors.registry import FORMATS
from tierline.vendors.sample import sample_announcement

# Which bytes


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\rx-more: 1"])
async def test_no_value_ends_its_header(world: World, end: str) -> None:
    """Wherever it came from: such a request is not made."""
    row = await world.endpoint("https://example.com/hook")
    compiled = CompiledEndpoint(row, FORMATS, {})
    announcement = sample_announcement(
        "standard", "upgraded", world.catalog.project(row.project), wall()
    )
    event = LogEvent((0, "tier", row.project, 0, 0, announcement.id, wall(), "", None))
    event.content = announcement
    assert compiled.request([event], "", wall(), {"tierline-test": "1"}) is not None

    with pytest.raises(ValueError, match="line break"):
        compiled.request([event], "", wall(), {"tierline-test": f"1{end}"})


# Which events


async def test_filters_decide_what_an_endpoint_hears(world: World, receiver: Receiver) -> None:
    """Kinds, tiers and a JSON filter, together."""
    await world.endpoint(
        receiver.url, kinds=["upgraded"], tiers=["silver"],
        filter={"profile.metadata.country": {"in": ["DE", "AT"]}},
    )  # fmt: skip
    at = {"metadata": {"country": "AT"}}

    async with world.sending() as sender:
        await world.happen([world.customer(1)], "joined", profile=at)
        await world.happen([world.customer(2)], "upgraded")
        [heard] = await world.happen([world.customer(3)], "upgraded", profile=at)
        requests = await receiver.wait(1)
        await world.settled(sender)

    assert [heard] == ids_of(requests)


async def test_an_endpoint_starts_at_its_instant(world: World, receiver: Receiver) -> None:
    """What was recorded before is not its own."""
    await world.happen([world.customer(1)])
    await asyncio.sleep(0.002)
    start = wall()
    await asyncio.sleep(0.002)
    [later] = await world.happen([world.customer(1)])
    await world.endpoint(receiver.url, start_at=start)

    async with world.sending() as sender:
        requests = await receiver.wait(1)
        await world.settled(sender)

    assert [later] == ids_of(requests)


async def test_a_changed_url_is_used_from_the_next_request_on(
    world: World, receiver: Receiver
) -> None:
    """Also by what was waiting in a lane."""
    row = await world.endpoint(f"{receiver.url}/old", retry={"schedule": [0.3] * 9, "jitter": 0})
    receiver.answer = lambda r: Reply(status=500 if r.path.endswith("old") else 200)

    async with world.sending():
        [event] = await world.happen([world.customer(1)])
        await receiver.wait(1)
        await world.change(row, url=f"{receiver.url}/new")
        requests = await receiver.wait(2)

    assert "/hook/new" == requests[1].path
    assert event == ids_of(requests)[1]


# Shapes and secrets


async def test_a_thin_payload_has_ids_alone(world: World, receiver: Receiver) -> None:
    """No profile, no tier."""
    await world.endpoint(f"{receiver.url}/thin", thin=True)

    async with world.sending():
        [event] = await world.happen([world.customer(1)])
        [request] = await receiver.wait(1)

    assert {"id", "customer", "program"} == set(json.loads(request.body)["data"])
    assert event in request.body.decode()


async def test_raw_is_data_without_its_envelope(world: World, receiver: Receiver) -> None:
    """The same `data` as Voucherify's envelope has, under the same signature and headers."""
    secrets = EndpointSecrets(standard=(Dated(SECRET),), vendor=(Dated("hush"),))
    for path, raw in (("raw", True), ("whole", False)):
        await world.endpoint(
            f"{receiver.url}/{path}", format="voucherify", raw=raw, secrets=secrets
        )

    async with world.sending():
        await world.happen([world.customer(1)])
        raw_one, whole = sorted(await receiver.wait(2), key=lambda request: request.path)

    assert json.loads(raw_one.body) == json.loads(whole.body)["data"]
    assert "customer" in json.loads(raw_one.body)
    signed = hmac.new(b"hush", raw_one.body, "sha256").hexdigest()
    assert signed == raw_one.headers["x-voucherify-signature"]
    Webhook(SECRET).verify(raw_one.body.decode(), raw_one.headers)


async def test_rotation_overlaps_and_custom_headers_are_never_logged(
    world: World, receiver: Receiver
) -> None:
    """Old and new secret sign side by side; the attempt log hides what must stay secret."""
    secrets = EndpointSecrets(standard=(Dated(SECRET),), headers={"X-Api-Key": "hush-hush"})
    row = await world.endpoint(receiver.url, secrets=secrets)

    async with world.sending() as sender:
        lifecycle = control(world, sender)
        fresh = await lifecycle.rotate(row)
        current = world.catalog.endpoint_numbered(row.number)
        assert current is not None
        public = await lifecycle.rotate(current, kind="ed25519")
        await world.until(
            lambda: sender.workers[row.number].compiled.row.revision > row.revision + 1, ""
        )
        await world.happen([world.customer(1)])
        [request] = await receiver.wait(1)
        await world.settled(sender)
        [attempt] = await lifecycle.inspection.attempts(row)

    Webhook(SECRET).verify(request.body.decode(), request.headers)
    Webhook(fresh).verify(request.body.decode(), request.headers)
    kinds = [part.split(",")[0] for part in request.headers["webhook-signature"].split()]
    assert ["v1a", "v1", "v1"] == kinds
    assert public.startswith("whpk_")
    assert "hush-hush" == request.headers["x-api-key"]
    assert "hush" not in json.dumps(attempt, default=repr)
    assert "…" == attempt["detail"]["headers"]["x-api-key"]


@pytest.mark.parametrize("format_", list(FORMATS))
async def test_a_test_event_in_each_format(world: World, receiver: Receiver, format_: str) -> None:
    """Sent once, told at once, and in no log but that of attempts."""
    row = await world.endpoint(receiver.url, format=format_)

    async with world.sending() as sender:
        lifecycle = control(world, sender)
        details = await lifecycle.test(row, "upgraded")
        [request] = await receiver.wait(1)
        [attempt] = await lifecycle.inspection.attempts(row)

    assert (200, "test_delivered") == (details["status"], details["outcome"])
    assert "1" == request.headers["tierline-test"]
    assert attempt["outcome"] == "test_delivered"
