"""A shop's story: a customer's orders over four years, the tiers won, kept and lost, and why.

`shop.json` holds the program and the orders. The story is a sandbox project: its steps move the
clock and tell orders through the HTTP API, and its webhooks arrive at a real receiver.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from tierline.clock import wall
from tierline.demo.receiver import Receiver, ReceiverSecrets, genuine
from tierline.demo.run import Api, arrived
from tierline.model.calendar import format_day, parse_instant, zone
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.projects import NewProject

Json = dict[str, Any]
_PROGRAM = "/api/programs/club"


class ShopStep(Struct, frozen=True):
    """What happens at an instant: an order of `amount` minor units, or nothing but time."""

    at: str
    what: str
    amount: int | None = None
    webhooks: int = 0  # how many the step ends in


class ShopStory(Struct, frozen=True):
    title: str
    project: Json  # name, time_zone, currency, clock
    program: Json
    customer: str
    profile: Json
    steps: tuple[ShopStep, ...]
    question: str
    why_at: str  # the instant that it is about


class ShopLine(Struct, frozen=True):
    """One step as the shop sees it: what happened, and where the customer stands afterwards.
    `event` None: no tier changed, so no webhook came."""

    day: str
    what: str
    tier: str
    last_valid_day: str | None
    event: str | None
    tier_from: str | None
    genuine: bool


class ShopTale(Struct, frozen=True):
    """All lines, and a question with its answer: why a tier was lost."""

    title: str
    lines: tuple[ShopLine, ...]
    question: str
    why: tuple[str, ...]


@cache
def shop_story() -> ShopStory:
    text = resources.files(__package__).joinpath("shop.json").read_bytes()
    return msgspec.json.decode(text, type=ShopStory)


async def shop_tale(url: str, catalog: Catalog) -> ShopTale:
    """Plays the story against a serving Tierline. Raises `DemoFailed` where a call is refused or a
    webhook does not come."""
    story = shop_story()
    fields = {**story.project, "clock": parse_instant(story.project["clock"])}
    project = await catalog.add_project(NewProject(**fields), wall())
    key = await catalog.add_key(project.number, "native", (), "demo", wall())
    headers = {"authorization": f"Bearer {key['key']}"}
    async with Receiver() as receiver, aiohttp.ClientSession(headers=headers) as session:
        api = Api(session, url)
        await api.call("PUT", _PROGRAM, story.program)
        endpoint = await api.call("POST", "/api/endpoints", {"url": f"{receiver.url}/shop"})
        await api.call("PUT", f"/api/customers/{story.customer}", story.profile)
        secrets = ReceiverSecrets(None, endpoint["secret"])
        lines = [await _line(api, receiver, secrets, story, step) for step in story.steps]
        explain = f"{_PROGRAM}/members/{story.customer}/explain?at={story.why_at}"
        sentences = (await api.call("GET", explain))["sentences"]
    return ShopTale(story.title, tuple(lines), story.question, tuple(s["text"] for s in sentences))


async def _line(
    api: Api, receiver: Receiver, secrets: ReceiverSecrets, story: ShopStory, step: ShopStep
) -> ShopLine:
    before = len(receiver.deliveries)
    await api.call("POST", "/api/clock", {"advance_to": step.at})
    if step.amount is not None:
        order = {"key": step.at, "customer": story.customer, "kind": "order", "amount": step.amount}
        await api.call("POST", f"{_PROGRAM}/activities", order)
    await arrived(receiver, before + step.webhooks)
    webhooks = receiver.deliveries[before:]
    member = await api.call("GET", f"{_PROGRAM}/members/{story.customer}")
    event = msgspec.json.decode(webhooks[-1].body)["data"] if webhooks else {}
    return ShopLine(
        day=format_day(zone(story.project["time_zone"]).day(parse_instant(step.at))),
        what=step.what,
        tier=member["tier"]["name"],
        last_valid_day=member["last_valid_day"],
        event=event.get("kind"),
        tier_from=(event.get("tier_from") or {}).get("name"),
        genuine=all(genuine(webhook, secrets.standard) for webhook in webhooks),
    )
