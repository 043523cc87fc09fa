"""HTTP as it may come: many requests at once, offers of other protocols, and what is no HTTP. Each
request gets its own answer or none, and what was answered was recorded once."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.web.conftest import CLUB, Api, running
from tests.web.raw_connection import PATH, activity, balance, connected
from tierline.store.database import Database
from tierline.web import limits, server
from tierline.web.fast_path import FastRequest

REQUESTS = (FastRequest, RequestResponseCycle)
CUSTOMER = "/api/customers/anna"
H2C = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEAAEAA"}


async def test_hundreds_of_requests_at_once_are_answered_in_order(anna: Api) -> None:
    """More than one read holds, so that heads are cut anywhere; slow ones stand between."""
    count = 300
    async with connected(anna) as line:
        sent = [line.earn(n) for n in range(1, count + 1)]
        sent[50::100] = [line.request("GET", "/healthz")] * 3
        sent[70::100] = [line.request("POST", PATH, b"{")] * 3
        assert sum(map(len, sent)) > 2 * limits.HEAD_BYTES_MAX
        answers = await line.answers(b"".join(sent), count)

    keys = [body["key"] for status, body in answers if "key" in body and status == 200]
    numbers = [n for n in range(1, count + 1) if (n - 1) % 100 not in {50, 70}]
    assert keys == [f"a-{n}" for n in numbers]
    assert [status for status, _ in answers].count(400) == 3
    assert await balance(anna) == 1 + len(numbers)


@pytest.mark.parametrize("cut", [0, 1])
async def test_an_offer_of_another_protocol_is_passed_over(anna: Api, cut: int) -> None:
    """As Java's client makes it: with the body, which is read like any other; on every route, and
    what comes after it on the connection is read too."""
    async with connected(anna) as line:
        whole = line.earn(1, **H2C) + line.earn(2, **H2C)
        whole += line.request("PUT", CUSTOMER, b'{"name":"Anna"}', **H2C)
        whole += line.request("GET", CUSTOMER, content_length="", **H2C) + line.earn(3)
        piece = len(line.earn(1)) * cut  # inside the first head: the rest comes later
        line.writer.write(whole[:piece])
        await line.writer.drain()
        answers = await line.answers(whole[piece:], 5)

    assert [status for status, _ in answers] == [200] * 5
    assert answers[3][1]["name"] == "Anna"
    assert await balance(anna) == 4


async def test_what_came_before_nonsense_has_its_answers_first(anna: Api) -> None:
    """The refusal is never in the place of the answer to something that was recorded."""
    async with connected(anna) as line:
        sent = line.earn(1) + line.request("GET", "/healthz") + line.earn(2) + b"nonsense\r\n\r\n"
        answers = await line.answers(sent, 5)
        assert await line.ended()

    assert [status for status, _ in answers] == [200, 200, 200, 400]
    assert answers[2][1]["balance"] == 3
    assert answers[3][1]["code"] == "invalid"
    assert await balance(anna) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"content_length": "+9"},
        {"content_length": "-9"},
        {"content_length": "9e9"},
        {"content_length": "99999999999999999999999"},
        {"content_length": "9\r\ncontent-length: 8"},
        {"transfer_encoding": "chunked"},
        {"transfer_encoding": "identity", "content_length": ""},
        {"x y": "z"},
        {"x": "a\0b"},
        {"x": "a\r\n b"},
        {"x": "a\r\nno colon"},
    ],
    ids=str,
)
async def test_a_head_that_is_not_http_is_a_problem(anna: Api, fields: dict[str, str]) -> None:
    """And the connection ends; nothing was recorded."""
    async with connected(anna) as line:
        ((status, problem),) = await line.answers(line.earn(1, **fields), 1)
        assert await line.ended()

    assert (status, problem["code"]) == (400, "invalid")
    assert "HTTP/1.1" in problem["detail"]
    assert await balance(anna) == 1


async def test_a_body_that_is_cut_wrongly_is_a_problem(anna: Api) -> None:
    """While the route is reading it, or while it waits behind another request."""
    broken = {"content_length": "", "transfer_encoding": "chunked"}
    async with connected(anna) as line:
        bad = line.request("POST", PATH, b"zz\r\n", **broken)
        assert [status for status, _ in await line.answers(bad, 1)] == [400]
        assert await line.ended()
    async with connected(anna) as line:
        bad = line.request("POST", PATH, b"1\r\n{\r\nzz\r\n", **broken)
        answers = await line.answers(line.earn(1) + bad, 2)
        assert await line.ended()

    assert [status for status, _ in answers] == [200, 400]
    assert await balance(anna) == 2


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
async def test_the_bound_of_a_head_is_exact(anna: Api, more: int, status: int) -> None:
    """However it is cut into reads."""
    async with connected(anna) as line:
        size = len(line.request("GET", "/healthz", x="-")) - len("GET  HTTP/1.1\r\n\r\n") - 1
        request = line.request("GET", "/healthz", x="-" * (limits.HEAD_BYTES_MAX - size + more))
        for piece in (request[:60_000], request[60_000:65_000]):
            line.writer.write(piece)
            await line.writer.drain()
        ((answer_status, body),) = await line.answers(request[65_000:], 1)

    assert answer_status == status
    assert body.get("code") == (None if status == 200 else "too_large")


async def test_an_endless_head_ends(anna: Api) -> None:
    """Long before its sender tires."""
    async with connected(anna) as line:
        endless = b"GET /healthz HTTP/1.1\r\nx: " + b"x" * 4_000_000
        assert [status for status, _ in await line.answers(endless, 1)] in ([413], [])


async def test_a_caller_who_hangs_up_leaves_no_trace(
    anna: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of a body, and with answers still to come."""
    caplog.set_level(logging.WARNING)
    async with connected(anna) as line:
        line.writer.write(line.request("POST", PATH, b"{", content_length="900"))
        await line.writer.drain()
    for number in range(1, 20):
        async with connected(anna) as line:
            line.writer.write(line.earn(number) + line.request("GET", CUSTOMER) + line.earn(number))
            await line.writer.drain()
            line.writer.transport.abort()

    # Each was recorded wholly or not at all; what is sent again says which.
    answers = [await anna.post(PATH, activity(number)) for number in range(1, 20)]
    assert [answered.status for answered in answers] == [200] * 19
    assert await balance(anna) == 20
    assert not [record for record in caplog.records if record.name.startswith(("uvi", "asyncio"))]


async def test_an_answered_request_leaves_nothing_to_the_collector(anna: Api) -> None:
    """On either path: a body that waits for the collector waits for tens of thousands of others."""
    gc.collect()
    gc.disable()
    try:
        async with connected(anna) as line:
            sent = [line.earn(n) for n in range(1, 101)]
            sent += [line.request("POST", PATH, b" " + activity(n)) for n in range(101, 201)]
            answers = []
            for request in sent:
                answers += await line.answers(request, 1)
            here = [thing for thing in gc.get_objects() if isinstance(thing, REQUESTS)]
    finally:
        gc.enable()

    assert [status for status, _ in answers] == [200] * 200
    assert len(here) < 10


async def test_every_request_of_a_connection_has_a_key_of_its_own(anna: Api) -> None:
    """What one sent opens nothing for the next, and a key that was disabled in between neither."""
    second = (await anna.post("/api/keys", {})).json
    async with connected(anna) as line:
        own, other = line.earn(1), line.earn(2, authorization=f"Bearer {second['key']}")
        wrong = line.earn(3, authorization="Bearer tk_of_nobody")
        answers = await line.answers(own + other + own + wrong + other, 5)
        await anna.call("DELETE", f"/api/keys/{second['id']}")
        answers += await line.answers(other + own, 2)

    assert [status for status, _ in answers] == [200, 200, 200, 401, 200, 401, 200]


async def test_a_connection_ends_when_nothing_comes_for_too_long(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time begins anew with every answer."""
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.1)
    async with running(database, tmp_path) as api:
        await api.put("/api/programs/club", CLUB)
        async with connected(api) as line:
            answers = await line.answers(line.earn(1) + line.earn(2), 2)
            assert await line.ended()

    assert [status for status, _ in answers] == [200, 200]
