"""Bodies in the receiver's own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.delivery.world import SECRET, World
from tests.receiver import Receiver
from tierline.endpoints.mapping import VALUES_MAX, compile_mapping
from tierline.errors import Invalid
from tierline.vendors.registry import FORMATS

BODY: dict[str, Any] = {
    "type": "tier.upgraded",
    "data": {"customer": "ann", "points": {"balance": 7}, "tiers": [{"id": "gold"}], "none": None},
}


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ({"user": "$.data.customer"}, {"user": "ann"}),
        ({"b": ["$.data.points.balance", 1.0, True, None, "x"]}, {"b": [7, 1, True, None, "x"]}),
        ({"first": "$.data.tiers.0.id", "second": "$.data.tiers.1.id"},
         {"first": "gold", "second": None}),
        ({"deep": {"er": "$.data.points"}}, {"deep": {"er": {"balance": 7}}}),
        ({"all": "$"}, {"all": BODY}),
        ({"price": "$$5", "no": "$.data.customer.name", "nor": "$.data.none.x"},
         {"price": "$5", "no": None, "nor": None}),
        ({}, {}),
    ],
)  # fmt: skip
def test_a_template_is_filled(spec: dict[str, Any], made: dict[str, Any]) -> None:
    """From the body's places; the rest stands for itself."""
    assert json.loads(compile_mapping(spec)(json.dumps(BODY).encode())) == made


def test_the_bytes_are_what_javascript_prints() -> None:
    """So that a receiver that prints the body again before it verifies gets the same."""
    body = compile_mapping({"b": "$.a", "1": 1e21, "n": 2.0})(b'{"a":"\xc3\xab"}')

    assert '{"1":1e+21,"b":"ë","n":2}'.encode() == body


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"a": "$data"}, "mapping.a"),
        ({"a": [1, {"b": "$.x"}, "$x"]}, "mapping.a[2]"),
        ({str(i): i for i in range(VALUES_MAX)}, f"mapping.{VALUES_MAX - 1}"),
        ({"a": [[[[[[[[[1]]]]]]]]]}, "mapping.a[0][0][0][0][0][0][0][0]"),
    ],
)
def test_what_is_no_mapping_is_refused_with_its_path(spec: dict[str, Any], path: str) -> None:
    """Before anything is sent in it."""
    with pytest.raises(Invalid) as refused:
        compile_mapping(spec)

    assert path == refused.value.path


@pytest.mark.parametrize("format_", list(FORMATS))
async def test_a_mapped_body_is_sent_and_signed(
    world: World, receiver: Receiver, format_: str
) -> None:
    """In every format; a retry has the mapping of the first attempt, what comes later the new."""
    row = await world.endpoint(
        f"{receiver.url}/x", format=format_, mapping={"event": "$", "v": 1},
        retry={"schedule": [0.3] * 9, "jitter": 0},
    )  # fmt: skip
    one = world.customer(1)
    receiver.then(500)

    async with world.sending() as sender:
        await world.happen([one])
        [first] = await receiver.wait(1)
        await world.change(row, mapping={"v": 2})
        await world.until(
            lambda: sender.workers[row.number].compiled.endpoint.mapping == {"v": 2}, ""
        )
        await world.happen([one])
        requests = await receiver.wait(3)

    Webhook(SECRET).verify(first.body.decode(), first.headers)
    assert (1, ["event", "v"]) == (json.loads(first.body)["v"], [*json.loads(first.body)])
    assert first.body == requests[1].body
    assert b'{"v":2}' == requests[2].body
    assert ["1", "1", "2"] == [r.headers["tierline-seq"] for r in requests]


async def test_a_retry_is_in_the_format_that_was_tried(world: World, receiver: Receiver) -> None:
    """Whatever the endpoint turned to meanwhile: the same id has the same bytes."""
    row = await world.endpoint(
        f"{receiver.url}/x", format="standard", mapping={"mine": "$"},
        retry={"schedule": [0.3] * 9, "jitter": 0},
    )  # fmt: skip
    receiver.then(500)

    async with world.sending() as sender:
        await world.happen([world.customer(1)])
        [first] = await receiver.wait(1)
        await world.change(row, format="cloudevents", mapping=None)
        await world.until(lambda: sender.workers[row.number].compiled.endpoint.mapping is None, "")
        requests = await receiver.wait(2)

    assert ["mine"] == [*json.loads(first.body)]
    assert first.body == requests[-1].body
