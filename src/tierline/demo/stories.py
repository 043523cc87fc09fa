"""The demo's stories: published samples of two vendors, which real decisions bring about again.

`stories.json` holds the samples' customers, programs, tiers and times as data, and what a consumer
of each vendor's webhooks reads. Each story is a sandbox project; its steps move the clock, then act
through the HTTP API like anybody else.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec
from msgspec import Struct

Json = dict[str, Any]


class StoryStep(Struct, frozen=True):
    """Move the clock (`at`), then do at most one thing."""

    at: str | None = None
    program: str = "loyalty"
    activity: Json | None = None
    enrol: str | None = None
    override: Json | None = None


class Signature(Struct, frozen=True):
    """A vendor's header: HMAC-SHA256 over the raw body, as text."""

    header: str
    encoding: Literal["hex", "base64"]


class Webhook(Struct, frozen=True):
    """What a consumer reads of a vendor's webhook: paths into the body, `data.created_at`. Of
    several paths, the first that leads somewhere."""

    signature: Signature
    kind: str
    at: str
    customer: str
    tier_from: tuple[str, ...]
    tier_to: tuple[str, ...]


class Story(Struct, frozen=True):
    format: str
    project: Json  # name, time_zone, currency, clock
    programs: dict[str, Json]  # id -> the vendor's settings
    customers: dict[str, Json]  # source id -> profile
    steps: tuple[StoryStep, ...]
    deliveries: int  # how many webhooks the story ends with
    enrolments: dict[str, Json] = {}  # source id -> how they were enrolled, before the first step

    @property
    def webhook(self) -> Webhook:
        return _samples().webhooks[self.format]


class Samples(Struct, frozen=True):
    webhooks: dict[str, Webhook]
    stories: tuple[Story, ...]


def stories() -> tuple[Story, ...]:
    return _samples().stories


@cache
def _samples() -> Samples:
    text = resources.files(__package__).joinpath("stories.json").read_bytes()
    return msgspec.json.decode(text, type=Samples)
