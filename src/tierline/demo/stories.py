"""The demo's stories: published samples of two vendors, told again by real decisions.

`stories.json` holds the samples' customers, campaigns, tiers and times as data. Each story is a
sandbox project; its steps move the clock, then act through the HTTP API like anybody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any, Literal

import msgspec
from msgspec import Struct

VendorFormat = Literal["voucherify", "loyaltylion"]
Json = dict[str, Any]


class Step(Struct, frozen=True):
    """Move the clock (`at`), then do at most one thing."""

    at: str | None = None
    program: str = "loyalty"
    activity: Json | None = None
    enrol: str | None = None
    override: Json | None = None


class Story(Struct, frozen=True):
    format: VendorFormat
    project: Json  # name, time_zone, currency, clock
    programs: dict[str, Json]  # id -> the vendor's settings
    customers: dict[str, Json]  # source id -> profile
    enrolments: dict[str, Json]  # source id -> how they were enrolled, before the first step
    steps: tuple[Step, ...]
    deliveries: int  # how many webhooks the story ends with


def stories() -> Iterator[Story]:
    samples = msgspec.json.decode(
        resources.files(__package__).joinpath("stories.json").read_bytes()
    )
    yield _voucherify(samples["voucherify"])
    lion = samples["loyaltylion"]
    for project, steps, deliveries in zip(
        lion["projects"], lion["steps"], lion["deliveries"], strict=True
    ):
        yield _loyaltylion(lion, project, steps, deliveries)


def _voucherify(sample: Json) -> Story:
    return Story(
        format="voucherify",
        project=sample["project"],
        programs=sample["programs"],
        customers=sample["customers"],
        enrolments={},
        steps=msgspec.convert(sample["steps"], tuple[Step, ...]),
        deliveries=sample["deliveries"],
    )


def _loyaltylion(sample: Json, project: Json, steps: list[Json], deliveries: int) -> Story:
    profile = dict(sample["customer"])
    name = profile.pop("source_id")
    return Story(
        format="loyaltylion",
        project=project,
        programs={"loyalty": sample["program"]},
        customers={name: profile},
        enrolments={name: {"enrolled_at": project["clock"]}},
        steps=msgspec.convert(steps, tuple[Step, ...]),
        deliveries=deliveries,
    )
