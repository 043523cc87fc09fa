"""Previews over HTTP: the report in one piece, or line by line, and nothing changed."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from tests.web.conftest import CLUB, POLICY, Api

LOWER: dict[str, Any] = {
    **CLUB,
    "policy": {
        **POLICY,
        "tiers": [
            {"id": "bronze", "name": "Bronze", "from": 0, "to": 49},
            {"id": "silver", "name": "Silver", "from": 50, "to": 499},
            {"id": "gold", "name": "Gold", "from": 500},
        ],
    },
    "on_change": "rejudge",
}
PREVIEW = "/api/programs/club/preview"


async def test_a_preview_tells_who_would_move_and_moves_nobody(club: Api) -> None:
    """The body is that of a PUT; afterwards the program is what it was."""
    await club.earn("anna", 60)
    await club.earn("ben", 10)
    answer = await club.post(PREVIEW, LOWER)

    assert answer.status == 200, answer.body
    moves = [cell for cell in answer.json["matrix"] if cell["moves"]]
    assert moves == [{"from": "bronze", "to": "silver", "members": 1, "moves": True}]
    assert (answer.json["members"], answer.json["events"]) == (2, {"upgraded": 1})
    sample = answer.json["samples"][0]
    assert (sample["customer"], sample["explanation"]["totals"]["metric"]["total"]) == ("anna", 60)
    assert (await club.get("/api/programs/club")).json["version"] == 1
    assert (await club.earn("anna", 1)).json["tier"] == "bronze"


async def test_a_preview_can_be_followed(club: Api) -> None:
    """Line by line: progress, then the report."""
    await club.earn("anna", 60)
    answer = await club.post(PREVIEW, LOWER, headers={"accept": "application/x-ndjson"})

    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert lines[0]["progress"] == {"done": 0, "total": 1, "reread": 0, "reread_entries": 0}
    assert lines[-2]["progress"]["done"] == 1
    assert lines[-1]["preview"]["moved"] == 1


async def test_what_cannot_be_previewed_is_refused(club: Api) -> None:
    """Broken rules, an instant that is over, a program that is not there: each by its field."""
    upside_down = {**POLICY, "tiers": list(reversed(POLICY["tiers"]))}
    broken = await club.post(PREVIEW, CLUB | {"policy": upside_down})
    past = await club.post(PREVIEW, LOWER | {"effective_at": "2024-01-01T00:00:00Z"})
    before = await club.post(PREVIEW, LOWER | {"until": "2024-01-01T00:00:00Z"})
    samples = await club.post(PREVIEW, LOWER | {"samples": 1_000})
    missing = await club.post("/api/programs/none/preview", LOWER)

    assert broken.problem[:2] == (422, "rules_invalid")
    assert past.problem == (400, "invalid", "effective_at")
    assert before.problem == (400, "invalid", "until")
    assert samples.problem == (400, "invalid", "samples")
    assert missing.problem == (404, "not_found", "program")


async def test_one_preview_is_followed_at_a_time(club: Api) -> None:
    """Also of those that are asked for at the same moment; the others are told to come back."""
    await club.earn("anna", 60)
    body = json.dumps(LOWER).encode()
    head = (
        f"POST {PREVIEW} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Accept: application/x-ndjson\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {club.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    port = urlsplit(club.process.url).port
    connected = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
    for _, writer in connected:  # nobody else runs in between
        writer.write(head + body)
    answers = [await reader.read() for reader, _ in connected]
    for _, writer in connected:
        writer.close()
        await writer.wait_closed()

    statuses = sorted(int(answer.split()[1]) for answer in answers)
    assert statuses == [200, 503, 503, 503]
    assert (await club.post(PREVIEW, LOWER)).status == 200
