"""A caller with a key, over real HTTP; and the rules that these tests play by."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp
from yarl import URL

from tests.receiver import Received, Receiver
from tests.web.conftest import Answered
from tierline.vendors.registry import FORMATS

Json = dict[str, Any]
ARRIVAL_SECONDS = 30
LARGE_BYTES = 1 << 20  # from here on the client wants to read a body piece by piece
# A ladder of small steps: nearly every activity moves its member, up or down.
STAIRS: Json = {
    "name": "Stairs",
    "policy": {
        "tiers": [
            {"id": f"t{n}", "name": f"Step {n}", "from": n * 50}
            | ({"to": n * 50 + 49} if n < 8 else {})
            for n in range(9)
        ],
    },
}


class Caller:
    """`url` may be a function: a server that starts again has another one."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str | Callable[[], str], key: str
    ) -> None:
        self.session = session
        self.key = key
        self._url = url

    @property
    def url(self) -> str:
        return self._url if isinstance(self._url, str) else self._url()

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> Answered:
        """`body` bytes go as they are, anything else as JSON; `key` "" sends none."""
        sent_headers = {"content-type": "application/json"}
        key = self.key if key is None else key
        if key:
            sent_headers["authorization"] = f"Bearer {key}"
        sent_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = data if data is None or len(data) < LARGE_BYTES else io.BytesIO(data)
        async with self.session.request(
            method, URL(self.url + path, encoded=True), data=sent, headers=sent_headers
        ) as response:
            return Answered(response.status, response.headers, await response.read())

    async def get(self, path: str) -> Any:
        return (await self._good("GET", path)).json

    async def put(self, path: str, body: Json) -> Any:
        return (await self._good("PUT", path, body)).json

    async def post(self, path: str, body: Any) -> Any:
        return (await self._good("POST", path, body)).json

    async def _good(self, method: str, path: str, body: Any = None) -> Answered:
        answered = await self.call(method, path, body)
        assert answered.status in (200, 201), (path, body, answered.body)
        return answered

    async def balance(self, program: str, customer: str) -> int:
        member = await self.get(f"/api/programs/{program}/members/{customer}")
        return int(member["points"]["balance"])

    async def feed(self) -> list[Json]:
        """Every event of the project, by the pull feed, page by page."""
        events: list[Json] = []
        cursor, more = "", True
        while more:
            page = await self.get(f"/api/events?limit=1000&after={cursor}")
            events += page["events"]
            cursor, more = page["next"], page["more"]
        return events


async def until(receiver: Receiver, holds: Callable[[list[Received]], bool], what: str) -> None:
    """As soon as what has arrived fulfils a condition; it is asked anew with every request."""
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while not holds(receiver.requests):
                await receiver.wait(len(receiver.requests) + 1, ARRIVAL_SECONDS)
    except (TimeoutError, AssertionError):
        raise AssertionError(f"{what}: {len(receiver.requests)} requests came") from None


async def all_told(receiver: Receiver, events: Iterable[Json], endpoint: str) -> None:
    """As soon as the receiver has each of these events, by its delivery id."""
    ids = {FORMATS["standard"].delivery_id(event["id"], endpoint) for event in events}
    assert ids

    def arrived(requests: list[Received]) -> bool:
        return ids <= {request.headers["webhook-id"] for request in requests}

    await until(receiver, arrived, f"{len(ids)} events were to be told")


def check_told(receiver: Receiver, events: Iterable[Json], endpoint: str) -> int:
    """Nothing else was told; a repetition has its first bytes; first receipts are in the order
    of each member's log. How many came more than once."""
    by_delivery = {FORMATS["standard"].delivery_id(e["id"], endpoint): e for e in events}
    first: dict[str, bytes] = {}
    by_member: dict[tuple[str, str], list[int]] = {}
    for request in receiver:
        delivery = request.headers["webhook-id"]
        event = by_delivery[delivery]
        assert first.setdefault(delivery, request.body) == request.body
        seqs = by_member.setdefault((event["program"], event["customer"]), [])
        if event["seq"] not in seqs:
            seqs.append(event["seq"])
    assert all(seqs == sorted(seqs) for seqs in by_member.values())
    return len(receiver.requests) - len(first)


def check_seqs(events: Iterable[Json]) -> None:
    """Each member's events are numbered 1, 2, 3 … in the order of the log."""
    seqs: dict[tuple[str, str], list[int]] = {}
    for event in events:
        seqs.setdefault((event["program"], event["customer"]), []).append(event["seq"])
    for member_seqs in seqs.values():
        assert member_seqs == list(range(1, len(member_seqs) + 1))
