"""The paths that Voucherify's clients call all the time go past uvicorn's cycle where a request is
plain. Nobody can tell: not by what is answered, nor by when, nor by what a broken request does."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.vendors.voucherify_api.conftest import Json, Shop
from tierline.web.fast_path import FastProtocol, FastRequest
from tierline.web.vendor_path import DoorPath

EVENTS, ORDERS = "/v1/events", "/v1/orders"
Headers = list[tuple[bytes, bytes]]


class Wire:
    """A connection on which bytes are sent as they are."""

    def __init__(
        self, shop: Shop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.shop = shop
        self.reader = reader
        self.writer = writer

    def request(
        self, path: str, body: bytes, more: Mapping[str, str] = {}, *, chunked: bool = False
    ) -> bytes:
        """A POST; in chunks it is no plain one."""
        fields = {"host": "x", "content-type": "application/json", **self.shop.app}
        if chunked:
            fields["transfer-encoding"] = "chunked"
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        else:
            fields["content-length"] = str(len(body))
        fields |= more
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    async def answer(self) -> tuple[int, dict[str, str], Json]:
        async with asyncio.timeout(30):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.split(": ", 1) for line in head.splitlines()[1:-1]]
            fields = {name.lower(): value for name, value in lines}
            body = await self.reader.readexactly(int(fields["content-length"]))
        assert len(fields) == len(lines), head
        return int(head.split()[1]), fields, json.loads(body)


@asynccontextmanager
async def connected(shop: Shop) -> AsyncIterator[Wire]:
    url = urlsplit(shop.url)
    reader, writer = await asyncio.open_connection(str(url.hostname), url.port)
    try:
        yield Wire(shop, reader, writer)
    finally:
        writer.close()


def event(name: str, customer: str = "anna", **more: object) -> bytes:
    return json.dumps({"event": name, "customer": customer, **more}).encode()


def order(amount: int) -> bytes:
    return json.dumps({"source_id": f"o-{amount}", "customer": "anna", "amount": amount}).encode()


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that went past uvicorn's cycle."""
    paths: list[str] = []
    run = FastProtocol._run

    def counted(
        self: FastProtocol, request: FastRequest, path: DoorPath, headers: Headers
    ) -> Awaitable[None]:
        paths.append(path.path)
        return run(self, request, path, headers)

    monkeypatch.setattr(FastProtocol, "_run", counted)
    return paths


GOOD = [
    (EVENTS, event("visit", metadata={"page": "/shoes", "n": 1.5})),
    (EVENTS, event("visit", "żółw")),
    (ORDERS, order(300)),
]
BAD = [
    (EVENTS, b"{"),
    (EVENTS, b'{"event":"a","event":"b","customer":"anna"}'),
    (EVENTS, b"[]"),
    (EVENTS, b'{"customer":"anna"}'),
    (EVENTS, event("visit", more=1)),
    (EVENTS, event("visit", "\0")),
    (EVENTS, event("visit", loyalty={"code": "nobody's"})),
    (ORDERS, b'{"id":"ord_nobody","customer":"anna"}'),
    (ORDERS, b'{"amount":-1,"customer":"anna"}'),
]


@pytest.mark.parametrize(("path", "body"), GOOD + BAD)
async def test_both_ways_answer_the_same(
    shop: Shop, passed: list[str], path: str, body: bytes
) -> None:
    async with connected(shop) as wire:
        answers = []
        for chunked in (False, True):
            wire.writer.write(wire.request(path, body, chunked=chunked))
            answers.append(await wire.answer())
    assert passed == [path]

    (status, fields, answer), (other_status, other_fields, other_answer) = answers
    assert status == other_status == (200 if (path, body) in GOOD else status)
    assert fields.keys() == other_fields.keys()
    for fields_ in (fields, other_fields):
        assert fields_.pop("x-request-id").startswith("v-")
        del fields_["date"], fields_["content-length"]
    assert fields == other_fields
    for own in ("request_id", "updated_at"):
        answer.pop(own, None)
        other_answer.pop(own, None)
    assert answer == other_answer


@pytest.mark.parametrize(
    "more",
    [
        {"x-app-token": "wrong"},
        {"x-app-token": ""},
        {"authorization": "Bearer nobody"},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {"expect": "100-continue"},
        {"content-length": "70000"},
    ],
)
async def test_what_is_no_plain_request_is_read_as_ever(shop: Shop, more: dict[str, str]) -> None:
    body = event("visit").ljust(int(more.get("content-length", 0)))
    async with connected(shop) as wire:
        wire.writer.write(wire.request(EVENTS, body, more))
        if "expect" in more:
            await wire.reader.readuntil(b"100 Continue\r\n\r\n")
        status, _, answer = await wire.answer()

    wrong = {"wrong": 401, "": 401, "text/plain": 415}
    assert status == wrong.get(next(iter(more.values())), 200), answer


async def test_answers_come_in_the_order_of_the_requests(shop: Shop, passed: list[str]) -> None:
    """However they are mixed, and whatever each of them takes."""
    async with connected(shop) as wire:
        sent = []
        for number in range(200):
            sent.append(wire.request(EVENTS, event(f"e-{number}", f"c-{number % 7}")))
            if number % 10 == 3:
                sent[-1] = wire.request(EVENTS, event(f"e-{number}"), chunked=True)
            elif number % 10 == 6:
                sent[-1] = wire.request(EVENTS, b"{")
            elif number % 10 == 9:
                sent[-1] = wire.request("/v1/nothing", b"{}")
        wire.writer.write(b"".join(sent))
        answers = [await wire.answer() for _ in sent]

    statuses = [200, 200, 200, 200, 200, 200, 400, 200, 200, 404] * 20
    assert [status for status, _, _ in answers] == statuses
    names = [answer.get("type") for _, _, answer in answers]
    assert names == [f"e-{n}" if statuses[n] == 200 else None for n in range(200)]
    assert passed  # those that nothing was waiting before


async def test_who_asks_for_the_end_of_the_connection_has_it(shop: Shop) -> None:
    async with connected(shop) as wire:
        wire.writer.write(wire.request(EVENTS, event("visit"), {"connection": "close"}))
        status, fields, _ = await wire.answer()
        async with asyncio.timeout(30):
            assert await wire.reader.read() == b""

    assert (status, fields["connection"]) == (200, "close")


async def test_who_hangs_up_leaves_no_trace(
    shop: Shop, passed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """With the answer still to come: it is recorded, and nobody is written to."""
    caplog.set_level(logging.WARNING)
    await shop.good("POST", EVENTS, {"event": "visit", "customer": "anna"})
    for number in range(20):
        async with connected(shop) as wire:
            wire.writer.write(wire.request(EVENTS, event(f"e-{number}")))
            await wire.writer.drain()
            while len(passed) < number + 2:  # the server has it
                await asyncio.sleep(0)
            wire.writer.transport.abort()

    assert (await shop.good("POST", EVENTS, {"event": "last", "customer": "anna"}))[
        "type"
    ] == "last"
    assert not [record for record in caplog.records if record.name.startswith(("uvi", "asyncio"))]


async def test_an_answered_request_leaves_nothing_to_the_collector(shop: Shop) -> None:
    gc.collect()
    gc.disable()
    try:
        async with connected(shop) as wire:
            for number in range(100):
                wire.writer.write(wire.request(EVENTS, event(f"e-{number}")))
                assert (await wire.answer())[0] == 200
        here = [thing for thing in gc.get_objects() if isinstance(thing, FastRequest)]
    finally:
        gc.enable()

    assert len(here) < 10


async def test_who_was_let_in_once_is_asked_each_time(shop: Shop) -> None:
    """Another token, another kind of key and a disabled key are refused after it, and a good one
    is let in between."""
    path = "/v1/customers/anna"
    key = next(k for k in shop.catalog.keys(shop.number) if k.lookup == shop.keys["app_id"])
    wrong = {**shop.app, "x-app-token": "f" * len(shop.app["x-app-token"])}
    of_management = {
        "x-app-id": shop.keys["management_id"],
        "x-app-token": shop.keys["management_token"],
    }
    await shop.good("POST", "/v1/customers", {"source_id": "anna"})
    for headers in (wrong, of_management):
        assert (await shop.call("GET", path, headers=headers)).status == 401
        assert (await shop.call("GET", path)).status == 200
    await shop.catalog.disable_key(key.id, 1)

    assert (await shop.call("GET", path)).status == 401
