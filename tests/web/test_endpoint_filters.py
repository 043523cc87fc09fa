"""Filters of an endpoint, over HTTP."""

from __future__ import annotations

from tests.receiver import Receiver
from tests.web.conftest import Api
from tests.web.test_endpoints import endpoint


async def test_a_filter_that_can_never_match_is_refused(club: Api, receiver: Receiver) -> None:
    """When the endpoint is made, and when it is changed; a tier of no program, too."""
    made = await endpoint(club, receiver, tiers=["gold"])
    path = f"/api/endpoints/{made['id']}"

    for body, field in (
        ({"filter": {"tier_to.nam": "Gold"}}, "filter.tier_to.nam"),
        ({"filter": {"tier_to": "gold"}}, "filter.tier_to"),
        ({"tiers": ["gold", "glod"]}, "tiers[1]"),
    ):
        for answered in (
            await club.post("/api/endpoints", {"url": receiver.url, **body}),
            await club.call("PATCH", path, body),
        ):
            assert (answered.status, answered.problem[2]) == (400, field)
