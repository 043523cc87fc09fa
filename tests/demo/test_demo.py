"""`tierline demo`: a shop's story, and the published samples, from activity to signed webhook."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from standardwebhooks.webhooks import Webhook

from tests.vendors.announcements import seed
from tierline.app import serving
from tierline.bootstrap import open_installation
from tierline.config import Location, ServeOptions, parse_networks
from tierline.demo.run import DemoDelivery, deliveries
from tierline.demo.shop import ShopTale, shop_tale
from tierline.demo.table import WIDTH_MIN, print_shop, print_table

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]
MEANT = [
    ("voucherify", "joined", "2024-03-11T12:00:00.000Z"),
    ("voucherify", "upgraded", "2024-03-11T12:06:34.423Z"),
    ("voucherify", "joined", "2024-03-14T09:29:32.501Z"),
    ("voucherify", "joined", "2024-03-18T09:00:00.000Z"),
    ("voucherify", "prolonged", "2024-03-19T00:02:13.529Z"),
    ("voucherify", "downgraded", "2024-03-20T15:10:00.250Z"),
    ("voucherify", "left", "2024-03-21T08:45:12.000Z"),
    ("loyaltylion", "upgraded", "2018-01-01T03:00:05.000Z"),
    ("loyaltylion", "upgraded", "2017-12-06T10:00:00.000Z"),
    ("loyaltylion", "downgraded", "2018-01-01T03:00:05.000Z"),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShopTale, list[DemoDelivery]]:
    """The shop's story and the vendors', on one server."""

    async def run(data_dir: Path) -> tuple[ShopTale, list[DemoDelivery]]:
        options = ServeOptions(
            location=Location(data_dir=data_dir), port=0, allow=parse_networks(["127.0.0.0/8"])
        )
        async with (
            open_installation(options.location, serve=True) as installation,
            serving(installation, options) as process,
        ):
            tale = await shop_tale(process.url, installation.catalog)
            return tale, [each async for each in deliveries(process.url, installation.catalog)]

    return asyncio.run(run(tmp_path_factory.mktemp("demo") / "data"))


@pytest.fixture(scope="module")
def lines(demo: tuple[ShopTale, list[DemoDelivery]]) -> list[Json]:
    """What the demo prints with `--json`, one delivery a line."""
    return [json.loads(one.line()) for one in demo[1]]


def printed(write: Callable[[Console], None]) -> list[str]:
    """Lines as a terminal shows them, without colours and trailing spaces."""
    text = io.StringIO()
    write(Console(file=text, width=WIDTH_MIN, color_system=None))
    return [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]


def test_the_readme_shows_what_is_printed(demo: tuple[ShopTale, list[DemoDelivery]]) -> None:
    """The shop's story, to the letter, and the vendors' table."""
    tale, webhooks = demo
    readme = (ROOT / "README.md").read_text().partition("\n## ")[0]
    shop, vendors = re.findall(r"^```\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)

    assert all(line.genuine for line in tale.lines)
    assert shop.splitlines() == ["$ make demo", *printed(lambda to: print_shop(tale, to))]
    assert vendors.splitlines() == printed(lambda to: print_table(webhooks, to))


def moment(line: Json) -> str:
    body = json.loads(line["body"])
    at: str = (body.get("data") or body.get("payload"))["created_at"]
    return at


def exact(value: Any) -> str:
    """JSON text keeps the order of keys and tells 1 from 1.0 and true: equal texts, equal whole."""
    return json.dumps(value, indent=1)


def the(lines: list[Json], kind: str, at: str) -> Json:
    (match,) = (line for line in lines if line["kind"] == kind and moment(line) == at)
    body: Json = json.loads(match["body"])
    return body


def test_every_story_happens(lines: list[Json]) -> None:
    """All five kinds in Voucherify's format, both in LoyaltyLion's, in order of time."""
    assert [(line["format"], line["kind"], moment(line)) for line in lines] == MEANT


def test_both_signatures_verify(lines: list[Json]) -> None:
    """By the `standardwebhooks` package and by the vendor's own recipe."""
    for line in lines:
        headers = line["headers"]
        # The package refuses old timestamps; these are seconds old.
        assert Webhook(line["secrets"]["standard"]).verify(line["body"], headers)
        mac = hmac.new(line["secrets"]["vendor"].encode(), line["body"].encode(), hashlib.sha256)
        if line["format"] == "voucherify":
            assert headers["x-voucherify-signature"] == mac.hexdigest()
        else:
            signed = base64.b64encode(mac.digest()).decode()
            assert headers["x-loyaltylion-hmac-sha256"] == signed


def test_a_line_has_what_verifies_it(lines: list[Json]) -> None:
    """The names are promised."""
    for line in lines:
        assert list(line) == ["format", "kind", "headers", "body", "secrets", "signatures"]
        assert list(line["secrets"]) == ["vendor", "standard"]
        assert (
            json.dumps(json.loads(line["body"]), separators=(",", ":"), ensure_ascii=False)
            == (line["body"])
        )


@pytest.mark.parametrize(
    ("name", "kind", "at"),
    [
        ("voucherify-tier-joined", "joined", "2024-03-14T09:29:32.501Z"),
        ("voucherify-tier-upgraded", "upgraded", "2024-03-11T12:06:34.423Z"),
        ("voucherify-tier-prolonged", "prolonged", "2024-03-19T00:02:13.529Z"),
    ],
)
def test_voucherify_samples(lines: list[Json], name: str, kind: str, at: str) -> None:
    """`data` is the published sample: same keys in the same order, same types, same values."""
    body = the(lines, kind, at)

    assert exact(seed(name)) == exact(body["data"])
    assert body["event"]["type"] == f"customer.loyalty.tier.{kind}"


def freed(sample: Json, got: Json) -> Json:
    """The sample with what is free put in: the two uuids, the envelope's `created_at`,
    `started_at` (the move's instant), `updated_at`, and `number` beside `position`."""
    sample["id"], sample["created_at"] = got["id"], got["created_at"]
    sample["payload"]["id"] = got["payload"]["id"]
    customer = sample["payload"]["properties"]["customer"]
    customer["updated_at"] = got["payload"]["properties"]["customer"]["updated_at"]
    membership = customer["loyalty_tier_membership"]
    membership["started_at"] = sample["payload"]["created_at"]
    tier = membership["loyalty_tier"]
    head = {"id": tier["id"], "name": tier["name"], "number": tier["position"]}
    membership["loyalty_tier"] = {**head, **tier}
    return sample


def corrected(sample: Json) -> Json:
    """The published downgrade repeats the upgrade's tiers; the customer is shown after the move."""
    properties = sample["payload"]["properties"]
    before, after = properties["new_tier"], properties["previous_tier"]
    properties["previous_tier"], properties["new_tier"] = before, after
    rest = {k: v for k, v in after.items() if k != "number"}
    head = {"id": rest.pop("id"), "name": rest.pop("name"), "position": after["number"]}
    properties["customer"]["loyalty_tier_membership"]["loyalty_tier"] = {**head, **rest}
    return sample


@pytest.mark.parametrize(
    ("kind", "mend"), [("upgraded", lambda sample: sample), ("downgraded", corrected)]
)
def test_loyaltylion_samples(lines: list[Json], kind: str, mend: Callable[[Json], Json]) -> None:
    """The whole body is the published sample, but for what is free."""
    got = the(lines, kind, "2018-01-01T03:00:05.000Z")

    assert exact(freed(mend(seed(f"loyaltylion-tier-{kind}")), got)) == exact(got)
