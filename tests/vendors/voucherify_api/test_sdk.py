"""Voucherify's own SDKs, unmodified, against a live server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.receiver import Receiver
from tests.vendors.voucherify_api.conftest import Shop

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv" / "sdk" / "bin" / "python"
LIFE = Path(__file__).parent / "sdk" / "life.py"
LIFE_SECONDS = 120


def run(shop: Shop, keys: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, LIFE, shop.url, shop.project],
        env={**os.environ, "VOUCHERIFY_KEYS": json.dumps(keys)},
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
    ended = await asyncio.to_thread(run, shop, keys)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)[-1] == "list_campaigns: unauthorized"
    (upgraded,) = await receiver.wait(1)
    assert json.loads(upgraded.body)["type"] == "customer.loyalty.tier.upgraded"
