"""`POST /api/programs/{id}/activities`: the hot route, straight on ASGI.

One JSON object is answered when it is durable. An array is validated whole before the first write
and answered per item, in order. NDJSON is answered per line while it is being read, so a file of
any length takes constant memory. A refused item does not stop the others: its answer is a problem.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from msgspec import Meta
from starlette.types import Message, Receive, Scope, Send

from tierline.errors import Invalid, TierlineError, TooLarge
from tierline.ledger.command_parsing import Activity, CommandParser
from tierline.ledger.commands import AUDITED, Answer, Command
from tierline.ledger.orders.statement_parsing import OrderStatement
from tierline.ledger.writer import BATCH_MAX
from tierline.store.catalog.audit import acting
from tierline.store.connection_counts import BATCHES_MAX
from tierline.web import auth, limits, problem, request_body, responses
from tierline.web.auth import Caller
from tierline.web.dependencies import Dependencies
from tierline.web.response_buffer import ResponseBuffer

PATH = "/api/programs/{program}/activities"
PREFIX = b"/api/programs/"
SUFFIX = b"/activities"
NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
LINES_MAX = 500  # read and queued before the loop looks elsewhere
# Lines of one upload whose answers are still to come: what keeps a shard's batches full. More
# would only lie in memory, out of the processor's cache, which costs 5 % of an upload.
UNANSWERED_MAX = BATCHES_MAX * BATCH_MAX  # a shard
ONLINE_MAX = 20  # longer arrays are bulk: they yield to requests of one activity
PATHS_MAX = 10_000  # remembered; callers may send any
_REFS = [{"$ref": f"#/components/schemas/{name}"} for name in ("Activity", "OrderStatement")]
# One activity as a caller may send it, and what an upload may be: read by `CommandParser` alone.
ActivityBody = Annotated[Any, Meta(extra_json_schema={"anyOf": _REFS})]
ActivitiesBody = Annotated[
    Any,
    Meta(extra_json_schema={"anyOf": [*_REFS, {"type": "array", "items": {"anyOf": _REFS}}]}),
]
BODIES = (Activity, OrderStatement)
_JSON = [(b"content-type", b"application/json")]
_encoder = msgspec.json.Encoder()
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines
_Outcome = Answer | TierlineError | asyncio.Future[Answer]


class Headers:
    """The few header fields that matter here."""

    __slots__ = ("authorization", "encoding", "length", "type")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self.authorization: str | None = None
        self.type = "application/json"
        self.encoding = ""
        self.length = 0
        for name, value in raw:
            if name == b"authorization":
                self.authorization = value.decode("latin-1")
            elif name == b"content-type":
                self.type = value.decode("latin-1").partition(";")[0].strip().lower()
            elif name == b"content-length":
                self.length = request_body.content_length(value)
            elif name == b"content-encoding":
                self.encoding = value.decode("latin-1").strip().lower()


class Activities:
    """The ASGI application of this one route; it never raises."""

    def __init__(self, parts: Dependencies) -> None:
        self.parts = parts
        self._parsers: dict[int, CommandParser] = {}
        self._paths: dict[bytes, str] = {}  # path -> program id

    def submit_plain(
        self, caller: Caller | None, raw_path: bytes, raw: bytes
    ) -> asyncio.Future[Answer] | None:
        """Returns the coming answer to one activity of a caller, where the program is in memory
        and nothing is wrong. None: nothing happened, and the request goes uvicorn's way."""
        program_id = self._paths.get(raw_path)
        if caller is None or program_id is None or raw[:1] != b"{":
            return None
        catalog = self.parts.catalog
        try:
            if "write_customers" not in caller.scopes:
                return None
            entry = catalog.program(caller.project.number, program_id)
            if entry is None:
                return None
            now = catalog.now(caller.project.number, self.parts.clock())
            command = self._parser_of(caller, entry[0]).activity(raw, now)
            # What the audit log notes is done under a name, which uvicorn's way gives it.
            slow = command.needs_customer or command.kind in AUDITED
            return None if slow else self.parts.writer.submit(command)
        except TierlineError:
            return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        status = await self._run(scope, receive, send)
        self.parts.metrics.observe(PATH, status, perf_counter() - began)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> int:
        try:
            headers = Headers(scope["headers"])
            parts = self.parts
            caller = await auth.of_request(parts.catalog, parts.sessions, scope, parts.clock())
            caller.require("write_customers")
            request_body.require_known(scope["query_string"], None)
            parts.database.disk.require_room()
            parser = await self._parser(caller, scope["raw_path"])
            with acting(caller.actor):
                body = await self._record(headers, parser, caller, receive, send)
        except Exception as fault:  # noqa: BLE001 - the last line: everything becomes a problem
            error = problem.as_error(fault, path=PATH, method="POST")
            await _refuse(send, error)
            return error.status
        if body is not None:
            await send({"type": "http.response.start", "status": 200, "headers": _length(body)})
            await send({"type": "http.response.body", "body": body})
        return 200

    async def _record(
        self, headers: Headers, parser: CommandParser, caller: Caller, receive: Receive, send: Send
    ) -> bytes | None:
        """Returns the answer; None where it was sent line by line."""
        if headers.encoding not in ("", "identity"):
            raise problem.UnsupportedMediaType(
                content_type=f"encoded as {headers.encoding}", expected="it as it is"
            )
        if headers.type in NDJSON:
            upload = NdjsonUpload(self.parts, parser, caller.project.number)
            await self._lines(upload, receive, send)
            return None
        request_body.require_json(headers.type)
        return await self._whole(await _body(receive, headers.length), parser, caller)

    async def _lines(self, upload: NdjsonUpload, receive: Receive, send: Send) -> None:
        """The answer has begun, so a fault of ours can only cut it short: the client sees that."""
        try:
            await upload.run(receive, send)
        except* Exception as group:  # noqa: BLE001 - as above
            for error in group.exceptions:
                problem.as_error(error, path=PATH, method="POST")

    async def _parser(self, caller: Caller, raw_path: bytes) -> CommandParser:
        program_id = self._paths.get(raw_path)
        if program_id is None:
            program_id = _program_of(raw_path)
            if len(self._paths) < PATHS_MAX:
                self._paths[raw_path] = program_id
        catalog, project = self.parts.catalog, caller.project
        entry = catalog.program(project.number, program_id)
        if entry is None:
            entry = await catalog.need_program(project.number, program_id)
        return self._parser_of(caller, entry[0])

    def _parser_of(self, caller: Caller, number: int) -> CommandParser:
        parser, project = self._parsers.get(number), caller.project
        if parser is None or parser.program_ref.project is not project:
            parser = self._parsers[number] = CommandParser(project, number)
        return parser

    async def _whole(self, raw: bytes, parser: CommandParser, caller: Caller) -> bytes:
        """The answer to one object or to an array."""
        now = self.parts.catalog.now(caller.project.number, self.parts.clock())
        if (raw[:64].lstrip() or raw.lstrip())[:1] != b"[":
            if len(raw) > limits.BODY_BYTES_MAX:
                raise _too_large(limits.BODY_BYTES_MAX)
            answer = await self.parts.writer.record(parser.activity(raw, now))
            return _encode(responses.activity(answer))
        commands = parser.activities(raw, now)
        if len(commands) > limits.ACTIVITIES_MAX:
            limit = f"{limits.ACTIVITIES_MAX} activities"
            raise TooLarge(path="activities", what="array", limit=limit)
        bulk = len(commands) > ONLINE_MAX
        outcomes = await self.parts.writer.submit_all(commands, bulk=bulk)
        _raise_if_away(outcomes)
        return _encode([_content(outcome) for outcome in outcomes])


class NdjsonUpload:
    """One NDJSON upload: reads, queues and answers at the same time, in the lines' order. When the
    server stops, the whole lines that came are answered, and the answer ends in order."""

    def __init__(self, parts: Dependencies, parser: CommandParser, project: int) -> None:
        self.parts = parts
        self.parser = parser
        self.project = project
        self._count = 0
        self._open: asyncio.Queue[list[_Outcome] | None] = asyncio.Queue()
        self._unanswered = 0  # lines
        self._unanswered_max = UNANSWERED_MAX * parts.database.shards
        self._room = asyncio.Event()  # for more lines

    async def run(self, receive: Receive, send: Send) -> None:
        content = [(b"content-type", b"application/x-ndjson")]
        await send({"type": "http.response.start", "status": 200, "headers": content})

        async def piece(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        async with ResponseBuffer(piece) as buffer, asyncio.TaskGroup() as group:
            group.create_task(self._answer(buffer))
            async for lines in _lines(partial(self.parts.commit_signal.message, receive)):
                await self._take(lines)
            self._open.put_nowait(None)
        await send({"type": "http.response.body", "body": b""})

    async def _take(self, lines: list[bytes | TierlineError]) -> None:
        """Queue what is right, note what is wrong, each in its place."""
        now = self.parts.catalog.now(self.project, self.parts.clock())
        slots: list[Command | TierlineError] = [self._read(line, now) for line in lines]
        commands = [slot for slot in slots if isinstance(slot, Command)]
        accepted = iter(await self.parts.writer.accept(commands))
        self._open.put_nowait(
            [next(accepted) if isinstance(slot, Command) else slot for slot in slots]
        )
        self._unanswered += len(slots)
        while self._unanswered >= self._unanswered_max:
            self._room.clear()
            await self._room.wait()

    def _read(self, line: bytes | TierlineError, now: int) -> Command | TierlineError:
        where = f"lines[{self._count}]"
        self._count += 1
        if isinstance(line, TierlineError):
            line.path = where
            return line
        try:
            return self.parser.activity(line, now, where)
        except TierlineError as error:
            return error

    async def _answer(self, buffer: ResponseBuffer) -> None:
        while (outcomes := await self._open.get()) is not None:
            answers: list[Any] = []  # those that are there are written at once
            for each in outcomes:
                outcome = each
                if isinstance(outcome, asyncio.Future):
                    if answers and not outcome.done():
                        await buffer.write(_encode_lines(answers))
                        answers.clear()
                    try:
                        outcome = await outcome
                    except TierlineError as error:
                        outcome = error
                answers.append(_content(outcome))
            await buffer.write(_encode_lines(answers))
            self._unanswered -= len(outcomes)
            self._room.set()


def _raise_if_away(outcomes: Sequence[Answer | TierlineError]) -> None:
    """Raises what kept an array from being recorded where nothing of it was: a client that
    understands `Retry-After` sends it again."""
    refusals = [outcome for outcome in outcomes if isinstance(outcome, TierlineError)]
    away = [refusal for refusal in refusals if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE]
    if away and len(refusals) == len(outcomes):
        raise away[0]


def _content(outcome: Answer | TierlineError) -> Any:
    if isinstance(outcome, Answer):
        return responses.activity(outcome)
    return problem.as_problem(outcome)


def _program_of(raw_path: bytes) -> str:
    try:
        text = unquote(raw_path[len(PREFIX) : -len(SUFFIX)].decode("ascii"), errors="strict")
    except UnicodeDecodeError:
        raise Invalid(path="program", reason="program: the path is not UTF-8.") from None
    return request_body.name(text, "program")


async def _body(receive: Receive, content_length: int) -> bytes:
    """The whole body, refused before it is read where its length says that it is too large."""
    if content_length > limits.ARRAY_BYTES_MAX:
        raise _too_large(limits.ARRAY_BYTES_MAX)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        _check_connected(message)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limits.ARRAY_BYTES_MAX:
            raise _too_large(limits.ARRAY_BYTES_MAX)
    return b"".join(chunks)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(what="body", limit=f"{bytes_max} bytes")


async def _lines(receive: Receive) -> AsyncIterator[list[bytes | TierlineError]]:
    """The body's lines in slices; a line that is too long is an error in its place. What comes
    after a lost connection is not read: an unfinished line is nobody's activity."""
    rest, too_long = b"", False
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
        *whole, rest = (rest + message.get("body", b"")).split(b"\n")
        if not more and (rest or too_long):
            whole, rest = [*whole, rest], b""
        complete: list[bytes | TierlineError] = []
        for line in whole:
            if too_long or len(line) > limits.LINE_BYTES_MAX:
                complete.append(TooLarge(what="line", limit=f"{limits.LINE_BYTES_MAX} bytes"))
                too_long = False
            elif line.strip():
                complete.append(line)
        if len(rest) > limits.LINE_BYTES_MAX:
            rest, too_long = b"", True
        for start in range(0, len(complete), LINES_MAX):
            yield complete[start : start + LINES_MAX]


def _check_connected(message: Message) -> None:
    if message["type"] == "http.disconnect":
        raise Invalid(reason="The connection was closed before the body was complete.")


def _length(body: bytes) -> list[tuple[bytes, bytes]]:
    return [*_JSON, (b"content-length", b"%d" % len(body))]


async def _refuse(send: Send, error: TierlineError) -> None:
    body = problem.body(error)
    headers = [(k.encode(), v.encode()) for k, v in problem.headers(error).items()]
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
