"""Voucherify's own SDKs, unmodified, against a live server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.receiver import Receiver
from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.test_documentation import same
from tests.vendors.voucherify_api.test_transactions import act
from tierline.vendors.voucherify.api import OPERATIONS

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv" / "sdk" / "bin" / "python"
SDK = Path(__file__).parent / "sdk"
EXAMPLES = ROOT / "examples" / "voucherify"
OPERATION = re.compile(
    r"def _(\w+)_serialize\(.*?method='(\w+)',\s*resource_path='([^']+)'", re.DOTALL
)
# Why the Python SDK does not call what works here.
UNCALLED = {
    "create_export": "its body is a choice of types that the SDK cannot make",
    "export_loyalty_campaign_transactions": "the SDK reads ids of one character",
    "track_custom_event_client_side": "the JavaScript SDK is the one for pages",
}
LIFE_SECONDS = 300
STORY = """\
joined: 0 points, Silver
bought: 120 points, Gold
sent back: 0 points, Silver
"""


def run(arguments: list[str | Path], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=LIFE_SECONDS,
        check=False,
    )


@pytest.mark.sdk
async def test_the_python_sdk_runs_a_programs_life(shop: Shop, receiver: Receiver) -> None:
    """It makes its webhook beside one for tier events, whose names it cannot read."""
    tier_events = {"target_url": receiver.url, "events": ["customer.loyalty.tier.upgraded"]}
    path = f"/management/v1/projects/{shop.project}/webhooks"
    await shop.good("POST", path, tier_events)
    keys = {
        "X-App-Id": shop.keys["app_id"],
        "X-App-Token": shop.keys["app_token"],
        "X-Management-Id": shop.keys["management_id"],
        "X-Management-Token": shop.keys["management_token"],
    }
    arguments: list[str | Path] = [PYTHON, SDK / "life.py", shop.url, shop.project]
    ended = await asyncio.to_thread(run, arguments, VOUCHERIFY_KEYS=json.dumps(keys))

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)[-1] == "list_campaigns: unauthorized"
    (upgraded,) = await receiver.wait(1)
    assert json.loads(upgraded.body)["type"] == "customer.loyalty.tier.upgraded"


@pytest.mark.sdk
async def test_the_javascript_sdk_runs_a_programs_life(shop: Shop) -> None:
    keys = (shop.keys["app_id"], shop.keys["app_token"])
    arguments: list[str | Path] = ["node", SDK / "life.mjs", shop.url, *keys]
    ended = await asyncio.to_thread(run, arguments)

    assert ended.returncode == 0, ended.stderr
    campaign = json.loads(ended.stdout)["Loyalty Campaign"]
    assert (campaign["points"], campaign["loyalty_tier"][:4]) == (100, "ltr_")


@pytest.mark.sdk
async def test_the_javascript_sdk_reads_what_happened_to_points(shop: Shop, tmp_path: Path) -> None:
    """And sends files, and calls as a page in a browser does."""
    await shop.configure(
        client_origins=["https://shop.example"], client_events=True, requests_per_minute=100_000
    )
    keys = json.dumps(shop.keys)
    arguments: list[str | Path] = ["node", SDK / "points_life.mjs", shop.url, keys]
    ended = await asyncio.to_thread(run, [*arguments, tmp_path / "customers.csv"])

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"seen": 2}


@pytest.mark.sdk
async def test_the_python_sdk_reads_what_happened_to_points(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Points"})
    tiers = [{"name": "Silver", "points": {"from": 10}}]
    await shop.good("POST", "/v1/loyalties/Points/tiers", tiers)
    card = await shop.good("POST", "/v1/loyalties/Points/members", {"customer": "ann"})
    await shop.good("POST", "/v1/loyalties/Points/members", {"customer": "bob"})
    balance = f"/v1/loyalties/members/{card['code']}/balance"
    await shop.good("POST", balance, {"points": 40, "source_id": "first"})
    until = {"expiration_type": "CUSTOM_DATE", "expiration_date": "2099-12-24"}
    await shop.good("POST", balance, {"points": 5, **until})
    for n in (1, 2):
        waits = {"points": n * 10, "available_at": "2099-01-01T00:00:00Z"}
        await act(shop, customer="ann", kind="earn", key=f"p-{n}", **waits)
    await act(shop, customer="ann", kind="transfer", key="t", points=3, to="bob")
    await act(shop, customer="ann", kind="redeem", key="r", points=2)
    keys = {"X-App-Id": shop.keys["app_id"], "X-App-Token": shop.keys["app_token"]}
    arguments: list[str | Path] = [PYTHON, SDK / "points_life.py", shop.url, card["code"]]
    ended = await asyncio.to_thread(run, arguments, VOUCHERIFY_KEYS=json.dumps(keys))

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)[-1] == "delete_export"


@pytest.mark.sdk
async def test_the_python_sdk_makes_the_rest_of_the_calls(shop: Shop) -> None:
    keys = {"X-App-Id": shop.keys["app_id"], "X-App-Token": shop.keys["app_token"]}
    arguments: list[str | Path] = [PYTHON, SDK / "rest_life.py", shop.url]
    ended = await asyncio.to_thread(run, arguments, VOUCHERIFY_KEYS=json.dumps(keys))

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)[-1] == "get_async_action: not_found"


@pytest.mark.sdk
def test_every_call_of_the_python_sdk_that_works_is_made() -> None:
    """By name in one of the lives, for each operation that there is here."""
    (package,) = (ROOT / ".venv" / "sdk" / "lib").glob("python*/site-packages/voucherify/api")
    sources = (path.read_text() for path in package.glob("*_api.py"))
    calls = [match for text in sources for match in OPERATION.findall(text)]
    here = {(each.method, same(each.path)) for each in OPERATIONS}
    works = {name for name, method, path in calls if (method, same(path)) in here}
    lives = "".join(path.read_text() for path in SDK.glob("*.py"))
    named = {name for name in works if re.search(rf"\b{name}\b", lives)}

    assert len(works) > 80
    assert works - named == UNCALLED.keys()


@pytest.mark.sdk
@pytest.mark.parametrize("name", ["shop.py", "shop.mjs"])
async def test_the_examples_run(shop: Shop, tmp_path: Path, name: str) -> None:
    """As they stand, beside the SDK; the second time nothing has changed but what was sent back."""
    script = tmp_path / name
    shutil.copy(EXAMPLES / name, script)
    (tmp_path / "node_modules").symlink_to(SDK / "node_modules")
    program = PYTHON if script.suffix == ".py" else "node"
    keys = {"APP_ID": shop.keys["app_id"], "APP_TOKEN": shop.keys["app_token"]}

    async def story() -> str:
        ended = await asyncio.to_thread(run, [program, script], TIERLINE_URL=shop.url, **keys)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert await story() == STORY
    assert set((await story()).splitlines()) == {
        f"{when}: 0 points, Silver" for when in ("joined", "bought", "sent back")
    }
