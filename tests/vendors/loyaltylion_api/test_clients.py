"""A public client in CI. The vendor publishes none at npm or PyPI: `docs/loyaltylion.md` says how
its own were run; here is the library on which its TypeScript client is built."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.vendors.loyaltylion_api.conftest import Shop
from tests.vendors.loyaltylion_api.test_rules import with_rules

CLIENTS = Path(__file__).parent / "clients"
RUN_SECONDS = 120


@pytest.mark.sdk
async def test_openapi_fetch_runs_a_storefront(sandbox_shop: Shop) -> None:
    """With ids that are encoded twice, errors as JSON, and a customer who rises by a review."""
    await with_rules(sandbox_shop, {"kind": "custom", "name": "review", "points": 250})
    keys = (str(sandbox_shop.keys["site_id"]), sandbox_shop.keys["key"])
    ended = await asyncio.to_thread(
        subprocess.run,
        ["node", CLIENTS / "headless_fetch.mjs", sandbox_shop.url, *keys],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    customer = json.loads(ended.stdout)
    assert (customer["state"], customer["points_approved"]) == ("enrolled", 250)
    assert customer["tier_membership"]["tier_id"] == 16
