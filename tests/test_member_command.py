"""`tierline member`: lists, ledgers and histories beside a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.test_cli import serving, tierline
from tests.web.conftest import CLUB

PROJECT = ("--project", "proj_default")


async def test_members_their_entries_and_their_tiers_are_printed(data_dir: Path) -> None:
    async with serving(directory=data_dir) as (_, ready):
        key = json.loads(Path(ready["keys"]).read_text())["key"]
        headers = {"authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def send(method: str, path: str, body: Any) -> None:
                async with session.request(method, ready["url"] + path, json=body) as response:
                    assert response.status in (200, 201), await response.text()

            await send("PUT", "/api/programs/club", CLUB)
            for name, points in (("anna", 150), ("ben", 10)):
                activity = {"customer": name, "kind": "earn", "points": points, "key": f"{name}-1"}
                await send("POST", "/api/programs/club/activities", activity)

            profile = {"name": "Anna Nowak", "email": "anna@shop.example"}
            await send("PUT", "/api/customers/anna", profile)

        async def lines(*arguments: str) -> list[dict[str, Any]]:
            code, out, err = await tierline(*arguments, "--json", *PROJECT, directory=data_dir)
            assert code == 0, err
            return [json.loads(line) for line in out.splitlines()]

        everybody = await lines("member", "list", "club")
        silver = await lines("member", "list", "club", "--tier", "silver")
        one = await lines("member", "list", "club", "--limit", "1")
        entries = await lines("member", "entries", "club", "anna")
        history = await lines("member", "history", "club", "anna")
        people = await lines("customer", "list")
        finds = [
            await lines("customer", "list", *search)
            for search in (("--name", "anna n"), ("--email-part", "SHOP"), ("--id", "ben"))
        ]
        both = await tierline(
            "customer", "list", "--id", "a", "--name", "b", *PROJECT, directory=data_dir
        )
        table = await tierline("member", "list", "club", *PROJECT, directory=data_dir)
        nobody = await tierline("member", "entries", "club", "x", *PROJECT, directory=data_dir)
        nowhere = await tierline("member", "list", "no", *PROJECT, directory=data_dir)

    assert {line["customer"]: line["balance"] for line in everybody} == {"anna": 150, "ben": 10}
    assert {line["customer"]: line["email"] for line in people} == {
        "anna": "anna@shop.example",
        "ben": None,
    }
    assert [[line["customer"] for line in some] for some in finds] == [["anna"], ["anna"], ["ben"]]
    assert (both[0], "one at a time" in both[2]) == (2, True)
    assert [line["customer"] for line in silver] == ["anna"]
    assert len(one) == 1
    assert [(e["entry"], e["kind"], e["key"]) for e in entries] == [
        (1, "enrol", None),
        (2, "earn", "anna-1"),
    ]
    assert [(h["kind"], h["tier"], h["cause"], h["key"]) for h in history] == [
        ("joined", "silver", "activity", "anna-1")
    ]
    assert (table[0], "anna" in table[1]) == (0, True)
    assert (nobody[0], "There is no customer" in nobody[2]) == (1, True)
    assert (nowhere[0], "There is no program" in nowhere[2]) == (1, True)
