"""Bytes that other servers have been taken in by: trailers, odd lengths, smuggled and pipelined
requests, slow heads, and bodies that go on after their answer. Nothing is recorded that no head
with a key asked for."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.conftest import Api
from tests.web.raw_connection import PATH, Line, activity, balance, connected

PROGRAM = (
    b'{"name":"Other","policy":{"tiers":[{"id":"a","name":"A"}],"metric":{"source":"earned"}}}'
)
CHUNKED = {"content_length": "", "transfer_encoding": "chunked"}


def chunks(body: bytes, trailer: str = "", size: int = 100) -> bytes:
    """A body in chunks, and the trailer's lines."""
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    lines = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join([*lines, b"0\r\n", trailer.encode(), b"\r\n"])


@pytest.mark.parametrize("path", [PATH, "/api/programs/other"])
async def test_a_key_in_a_trailer_opens_nothing(anna: Api, path: str) -> None:
    """The fields of a trailer are no header fields (RFC 9110 section 6.5.1), on any path."""
    method, body = ("POST", activity(1)) if path == PATH else ("PUT", PROGRAM)
    trailer = f"authorization: Bearer {anna.key}\r\n"
    async with connected(anna) as line:
        sent = line.request(method, path, chunks(body, trailer), authorization="", **CHUNKED)
        ((status, problem),) = await line.answers(sent, 1)

    assert (status, problem["code"]) == (401, "unauthorized")
    assert await balance(anna) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_trailer_changes_nothing_of_its_request(anna: Api, method: str) -> None:
    """Neither the key of the head nor what the body is; and what follows is read as it was sent."""
    path, body = (PATH, activity(1)) if method == "POST" else ("/api/programs/other", PROGRAM)
    trailer = (
        "authorization: Bearer wrong\r\ncontent-type: text/plain\r\n"
        "content-encoding: gzip\r\nexpect: 100-continue\r\n"
    )
    async with connected(anna) as line:
        sent = line.request(method, path, chunks(body, trailer), **CHUNKED)
        answers = await line.answers(sent + line.earn(2), 2)

    assert [status for status, _ in answers] == [200 if method == "POST" else 201, 200]


@pytest.mark.parametrize("field", ["content-length: 7", "transfer-encoding: gzip"])
async def test_a_trailer_does_not_say_where_a_body_ends(anna: Api, field: str) -> None:
    """Such a field may not come there; what follows it is not taken for a request."""
    async with connected(anna) as line:
        sent = line.request("POST", PATH, chunks(b"{}", f"{field}\r\n"), **CHUNKED)
        answers = await line.answers(sent + line.earn(2), 2)
        assert await line.ended()

    assert [status for status, _ in answers] == [400]
    assert await balance(anna) == 1


@pytest.mark.parametrize("endless", [b"x: ", b"0;x="], ids=["trailer", "chunk extension"])
async def test_an_endless_trailer_ends(anna: Api, endless: bytes) -> None:
    """As an endless head does; what is not kept is not waited for either."""
    async with connected(anna) as line:
        start = b"" if endless.startswith(b"0") else b"0\r\n"
        body = start + endless + b"x" * 1_000_000
        answers = await line.answers(line.request("POST", PATH, body, **CHUNKED), 1)
        assert await line.ended()

    assert [(status, problem["code"]) for status, problem in answers] == [(413, "too_large")]


@pytest.mark.parametrize("zeros", [1, 30, 5_000, 60_000])
async def test_a_length_may_begin_with_zeros(anna: Api, zeros: int) -> None:
    """On the hot path, on its slow side, and elsewhere: a length is digits, however many."""
    body = activity(1)
    length = "0" * zeros + str(len(body))
    slow = b" " + activity(2)
    async with connected(anna) as line:
        sent = line.earn(1, content_length=length)
        sent += line.request("POST", PATH, slow, content_length="0" * zeros + str(len(slow)))
        put = {"content_length": "0" * zeros + str(len(PROGRAM))}
        sent += line.request("PUT", "/api/programs/other", PROGRAM, **put)
        answers = await line.answers(sent, 3)

    assert [status for status, _ in answers] == [200, 200, 201]


SMUGGLED = {
    "length and chunks": "content-length: 4\r\ntransfer-encoding: chunked\r\n",
    "chunks and length": "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    "two lengths": "content-length: 4\r\ncontent-length: 60\r\n",
    "lengths in one field": "content-length: 4, 60\r\n",
    "a space before the colon": "content-length : 4\r\n",
    "a coding that is not the last": "transfer-encoding: chunked, identity\r\n",
    "an unknown coding": "transfer-encoding: xchunked\r\n",
    "a coding in two fields": "transfer-encoding: chunked\r\ntransfer-encoding: x\r\n",
    "a tab in a name": "transfer\t-encoding: chunked\r\n",
    "a line that is continued": "x: y\r\n transfer-encoding: chunked\r\n",
    "a bare line feed": "x: y\ncontent-length: 60\r\n",
    "a bare carriage return": "x: y\rcontent-length: 60\r\n",
    "a hexadecimal length": "content-length: 0x4\r\n",
    "a signed length": "content-length: +4\r\n",
}


@pytest.mark.parametrize("fields", SMUGGLED.values(), ids=SMUGGLED)
async def test_a_request_inside_another_is_never_taken(anna: Api, fields: str) -> None:
    """Two readers of these heads could disagree about where the body ends: they are refused, and
    the connection ends before what may be a second request."""
    async with connected(anna) as line:
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {anna.key}\r\n{fields}\r\n"
        )
        answers = await line.answers(head.encode() + b"0\r\n\r\n" + line.earn(1), 3)
        assert await line.ended()

    assert [status for status, _ in answers] == [400]
    assert await balance(anna) == 1


@pytest.mark.parametrize(
    "body", [b"-1\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n",
             b"fffffffffffffffff\r\n{}", b"2\r\n{}0\r\n\r\n", b"2 2\r\n{}\r\n0\r\n\r\n"],
    ids=["negative", "prefixed", "line feeds", "past 64 bits", "no end of line", "two numbers"],
)  # fmt: skip
async def test_a_chunk_has_one_reading(anna: Api, body: bytes) -> None:
    """What is not a size and its line is refused, and ends the connection."""
    async with connected(anna) as line:
        sent = line.request("POST", PATH, body, **CHUNKED) + line.earn(1)
        answers = await line.answers(sent, 3)
        assert await line.ended()

    assert [status for status, _ in answers] == [400]
    assert await balance(anna) == 1


async def test_nothing_is_taken_after_the_last_request(anna: Api) -> None:
    """`Connection: close` says that none comes; HTTP/1.0 says it by itself."""
    for last in (
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ):
        async with connected(anna) as line:
            answers = await line.answers(last + line.earn(1), 2)
            assert [status for status, _ in answers] == [200]
            assert await line.ended()
    async with connected(anna) as line:
        answers = await line.answers(line.earn(2, connection="close") + line.earn(3), 2)
        assert await line.ended()

    assert [status for status, _ in answers] == [200]
    assert await balance(anna) == 2


@pytest.mark.parametrize("field", ["authorization", "content-type", "host", "content-encoding"])
@pytest.mark.parametrize("path", [PATH, "/api/customers/anna"])
async def test_a_field_that_has_one_value_comes_once(anna: Api, path: str, field: str) -> None:
    """Another reader on the way might take the other one."""
    value = {"authorization": f"Bearer {anna.key}", "content-type": "application/json"}
    twice = f"{value.get(field, 'x')}\r\n{field}: {value.get(field, 'y')}"
    method = "POST" if path == PATH else "PUT"
    async with connected(anna) as line:
        body = activity(1) if path == PATH else b"{}"
        sent = line.request(method, path, body, **{field.replace("-", "_"): twice})
        ((status, problem),) = await line.answers(sent, 1)

    assert (status, problem["code"], problem["path"]) == (400, "invalid", field)
    assert await balance(anna) == 1


async def test_a_request_may_come_byte_by_byte(anna: Api) -> None:
    """Head, body, chunks and trailer, each cut anywhere."""
    async with connected(anna) as line:
        chunked = line.request("POST", PATH, chunks(activity(2), "x: y\r\n", 7), **CHUNKED)
        for request in (line.earn(1), chunked):
            for i in range(len(request)):
                line.writer.write(request[i : i + 1])
                await line.writer.drain()
                await asyncio.sleep(0)
        answers = await line.answers(b"", 2)

    assert [status for status, _ in answers] == [200, 200]
    assert await balance(anna) == 3


async def test_a_head_that_never_ends_is_given_up(
    anna: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says so; one whose head is there waits for as long as its answer takes."""
    monkeypatch.setattr("tierline.web.limits.HEAD_SECONDS_MAX", 0.2)
    async with connected(anna) as line, connected(anna) as slow_body:
        body = activity(1)
        slow_body.writer.write(slow_body.request("POST", PATH, body)[: -len(body)])
        await slow_body.writer.drain()
        ((status, problem),) = await line.answers(b"GET /healthz HTTP/1.1\r\nx: y", 1)
        assert await line.ended()
        rest = await slow_body.answers(body, 1)

    assert (status, problem["code"]) == (408, "request_timeout")
    assert [answer[0] for answer in rest] == [200]


@pytest.mark.parametrize("path", [PATH, "/api/customers/anna"])
async def test_after_a_413_the_connection_ends(anna: Api, path: str) -> None:
    """The answer arrives, says that it is the last, and the rest of the body is not read."""
    method = "POST" if path == PATH else "PUT"
    async with connected(anna) as line:
        head = line.request(method, path, content_length=str(500_000_000))
        reading = asyncio.create_task(line.reader.read())
        sent = await flood(line, head)
        answer = await reading

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"}")
    assert sent < 50_000_000


async def test_a_body_that_nobody_reads_ends_the_connection(anna: Api) -> None:
    """Whatever the answer was: here the key is missing."""
    async with connected(anna) as line:
        sent = await flood(
            line, line.request("POST", PATH, authorization="", content_length="500000000")
        )

    assert sent < 50_000_000


async def flood(line: Line, head: bytes) -> int:
    """Sends a body until the connection does not take more; returns the bytes that it took."""
    piece, sent = b" " * 262_144, 0
    line.writer.write(head)
    try:
        while sent < 500_000_000 and not line.reader.at_eof():
            line.writer.write(piece)
            await line.writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    return sent
