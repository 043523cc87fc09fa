"""Runs the stories against a serving Tierline: every step through the HTTP API, like anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct

from tierline.clock import wall
from tierline.demo.receiver import (
    WAIT_SECONDS_MAX,
    ReceivedWebhook,
    Receiver,
    ReceiverSecrets,
    verified,
)
from tierline.demo.stories import Story, stories
from tierline.errors import TierlineError
from tierline.model.calendar import parse_instant
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.projects import NewProject
from tierline.vendors.registry import FORMATS

Json = dict[str, Any]


class DemoFailed(TierlineError):
    """The demo stopped: {reason}."""

    code = "demo_failed"


class DemoDelivery(Struct, frozen=True):
    """One webhook that a story ended in, with what verified it."""

    story: Story
    delivery: ReceivedWebhook
    secrets: ReceiverSecrets
    genuine: bool

    @property
    def kind(self) -> str:
        name: str = at_path(self.body, self.story.webhook.kind)
        return name.rpartition(".")[2].removeprefix("tier_")

    @property
    def at(self) -> str:
        """When it happened; as ISO in UTC, so it sorts as text."""
        return str(at_path(self.body, self.story.webhook.at))

    @property
    def customer(self) -> str:
        return str(at_path(self.body, self.story.webhook.customer))

    @property
    def tier_names(self) -> tuple[str | None, str | None]:
        """Of the tier before and after."""
        webhook = self.story.webhook
        return self._tier_name(webhook.tier_from), self._tier_name(webhook.tier_to)

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.delivery.body)

    def _tier_name(self, paths: tuple[str, ...]) -> str | None:
        tiers = (at_path(self.body, path) for path in paths)
        return next((tier["name"] for tier in tiers if tier is not None), None)

    def line(self) -> bytes:
        """The delivery as `tierline demo --json` prints it."""
        return msgspec.json.encode(
            {
                "format": self.story.format,
                "kind": self.kind,
                "headers": self.delivery.headers,
                "body": self.delivery.body,
                "secrets": {"vendor": self.secrets.vendor, "standard": self.secrets.standard},
                "signatures": self.secrets.signatures,
            }
        )


async def deliveries(url: str, catalog: Catalog) -> AsyncIterator[DemoDelivery]:
    """Every story in turn, each in a sandbox project of its own."""
    async with Receiver() as receiver:
        for story in stories():
            number, key, vendor = await _project(catalog, story)
            async with aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}) as session:
                api = Api(session, url)
                secrets = await _prepare(api, story, f"{receiver.url}/{number}", vendor)
                before = len(receiver.deliveries)
                for step in story.steps:
                    await _play(api, story, step)
                await arrived(receiver, before + story.deliveries)
            signature = story.webhook.signature
            received = [
                DemoDelivery(story, each, secrets, verified(each, secrets, signature))
                for each in receiver.deliveries[before:]
            ]
            # Customers do not wait for each other, so arrival is not always the order of time.
            for delivery in sorted(received, key=lambda each: each.at):
                yield delivery


class Api(Struct, frozen=True):
    """The native API, as far as the stories need it."""

    session: aiohttp.ClientSession
    url: str

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self.session.request(method, self.url + path, json=body) as response:
            answer: Json = await response.json(content_type=None)
            if response.status >= 400:
                raise DemoFailed(reason=f"{method} {path} answered {answer}")
            return answer


async def arrived(receiver: Receiver, count: int) -> None:
    """Until so many webhooks have arrived. Raises `DemoFailed` when they do not."""
    try:
        await receiver.wait(count)
    except TimeoutError:
        came = f"{len(receiver.deliveries)} of {count} webhooks came"
        raise DemoFailed(reason=f"{came} within {WAIT_SECONDS_MAX} seconds") from None


def at_path(body: Any, path: str) -> Any:
    """What stands at `data.customer.id`; None where the path leads nowhere."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


async def _project(catalog: Catalog, story: Story) -> tuple[int, str, str]:
    """A fresh sandbox with its keys: its number, a native key, the vendor's signing secret."""
    fields = {**story.project, "clock": parse_instant(story.project["clock"])}
    project = await catalog.add_project(NewProject(**fields), wall())
    native = await catalog.add_key(project.number, "native", (), "demo", wall())
    await catalog.add_key(project.number, story.format, (), "demo", wall())
    signature = FORMATS[story.format].signature
    assert signature is not None
    secret = catalog.project_secrets(project.number)[signature.secret]
    return project.number, str(native["key"]), secret


async def _prepare(api: Api, story: Story, receiver: str, vendor: str) -> ReceiverSecrets:
    """Programs, people and the endpoint, as they were before the first step."""
    for id_, settings in story.programs.items():
        name = settings.get("name", "Loyalty")
        body = {"name": name, "format": story.format, "settings": settings}
        await api.call("PUT", f"/api/programs/{id_}", body)
    endpoint = await api.call("POST", "/api/endpoints", {"url": receiver, "format": story.format})
    for name, profile in story.customers.items():
        await api.call("PUT", f"/api/customers/{quote(name)}", profile)
    for name, enrolment in story.enrolments.items():
        await api.call("PUT", f"/api/programs/loyalty/members/{quote(name)}", enrolment)
    return ReceiverSecrets(vendor, endpoint["secret"], endpoint["signatures"])


async def _play(api: Api, story: Story, step: Any) -> None:
    if step.at is not None:
        await api.call("POST", "/api/clock", {"advance_to": step.at})
    program = f"/api/programs/{step.program}"
    if step.enrol is not None:
        await api.call("PUT", f"{program}/members/{quote(step.enrol)}", {})
    if step.activity is not None:
        await api.call("POST", f"{program}/activities", step.activity)
    if step.override is not None:
        name = next(iter(story.customers))
        await api.call("PUT", f"{program}/members/{quote(name)}/override", step.override)
