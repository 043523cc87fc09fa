"""`tierline customer` and `tierline compact` beside a server; and no file tells afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.test_cli import serving, tierline
from tests.web.conftest import CLUB
from tests.web.erasure.traces import in_files

TOKEN = "zqfileplanted"
PROFILE = {"name": f"{TOKEN} Nowak", "email": f"{TOKEN}@shop.example", "phone": f"+48 {TOKEN}"}
PROJECT = ("--project", "proj_default")


async def test_what_is_held_is_printed_and_then_erased(data_dir: Path) -> None:
    """Asked for by name; after compacting no file of the data directory, but the write-ahead log,
    holds any text of the customer's."""
    async with serving(directory=data_dir) as (_, ready):
        key = json.loads(Path(ready["keys"]).read_text())["key"]

        async def send(method: str, path: str, body: Any = None) -> int:
            headers = {"authorization": f"Bearer {key}"}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.request(method, ready["url"] + path, json=body) as response,
            ):
                await response.read()
                return response.status

        assert await send("PUT", "/api/programs/club", CLUB) == 201
        assert await send("PUT", f"/api/customers/{TOKEN}", PROFILE) == 201
        for n in range(3):
            activity = {"customer": TOKEN, "kind": "earn", "points": 90, "key": f"{TOKEN}-{n}"}
            said = {"metadata": {"note": TOKEN}}
            assert await send("POST", "/api/programs/club/activities", activity | said) == 200

        held = await tierline("customer", "data", TOKEN, *PROJECT, directory=data_dir)
        erased = await tierline("customer", "erase", TOKEN, *PROJECT, "--yes", directory=data_dir)
        nobody = await tierline("customer", "erase", "-", *PROJECT, "--yes", directory=data_dir)
        verified = await tierline("rebuild", "--verify", directory=data_dir)
        well = await tierline("doctor", directory=data_dir)
        compacted = await tierline("compact", directory=data_dir)
        left = in_files(data_dir, TOKEN)
        gone = await send("GET", f"/api/customers/{TOKEN}")

        assert await send("PUT", "/api/customers/zqeve", {"name": "zqeve"}) == 201
        ended = await tierline("project", "erase", PROJECT[1], "--yes", directory=data_dir)
        while await send("GET", "/api/customers") != 401:
            pass  # the server follows within a second

    assert json.loads(held[1])["customer"]["profile"]["email"] == PROFILE["email"]
    assert (erased[0], "was erased at" in erased[1]) == (0, True)
    assert (nobody[0], "There is no customer" in nobody[2]) == (1, True)
    assert "1 membership of erased customers" in verified[1]
    assert (verified[0], well[0], compacted[0]) == (0, 0, 0)
    assert left == []
    assert gone == 404
    assert ended[0] == 0
    assert ended[1] == (
        "1 customer of proj_default erased, 6 keys disabled, 0 endpoints deleted.\n"
    )
