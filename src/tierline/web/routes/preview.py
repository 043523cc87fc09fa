"""`POST /api/programs/{id}/preview`: what other rules would do to every member, before a PUT.

The body is that of a PUT of the program. The answer is the report; with
`Accept: application/x-ndjson` it comes line by line, progress first, and closing the connection
ends the work. Nothing is kept: no job outlives its request, and any process can answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final
from weakref import WeakSet

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tierline.analysis.preview import Proposal
from tierline.errors import Busy, TierlineError
from tierline.ledger.previews.preview import PreviewProgress, Report, preview
from tierline.proposals import PreviewBody, proposal_of
from tierline.store.database import Database
from tierline.vendors.registry import traps
from tierline.web import problem
from tierline.web.explanation import (
    PreviewAnswer,
    PreviewProblemLine,
    PreviewProgressLine,
    PreviewResultLine,
    preview_answer,
)
from tierline.web.routes import programs
from tierline.web.routes.programs import PROGRAM
from tierline.web.routing import Call, Operation, OtherAnswer

MEMBERS_MAX: Final = 200_000  # answered in one piece: some seconds
SECONDS_MAX: Final = 30  # less than what is between us and the caller usually waits
NDJSON: Final = "application/x-ndjson"
_encode = msgspec.json.Encoder().encode
_at_work: WeakSet[Database] = WeakSet()  # one preview at a time: each takes every core it finds


class PreviewTooSlow(TierlineError):
    """The preview takes longer than {seconds} seconds, which is the most that is answered in one
    piece; ask with `Accept: application/x-ndjson`, which shows progress while it works."""

    code = "preview_too_slow"
    status = 422


class PreviewRequest(Struct, frozen=True):
    """A preview's checked arguments."""

    database: Database
    program: int
    proposal: Proposal
    samples: int


async def preview_program(call: Call, body: PreviewBody) -> Any:
    return await preview_of(call, call.param("program"), body)


async def preview_of(call: Call, program_id: str, body: PreviewBody) -> Any:
    """The preview of a program's next version, or the lines of one."""
    request = await _request(call, program_id, body)
    if request.database in _at_work:
        raise Busy(retry_after=10)
    if NDJSON in call.request.headers.get("accept", ""):
        return NdjsonPreview(request)
    work = preview(
        request.database,
        request.program,
        request.proposal,
        samples=request.samples,
        members_max=MEMBERS_MAX,
    )
    with _working(request):
        try:
            return preview_answer(_with_traps(request, await asyncio.wait_for(work, SECONDS_MAX)))
        except TimeoutError:
            raise PreviewTooSlow(seconds=SECONDS_MAX) from None


async def _request(call: Call, program_id: str, body: PreviewBody) -> PreviewRequest:
    number, program = await call.parts.catalog.need_program(call.project.number, program_id)
    rules = await programs.rules_of(call, program_id, body)
    return PreviewRequest(
        call.parts.database, number, proposal_of(program, rules, body, call.now), body.samples
    )


@contextlib.contextmanager
def _working(request: PreviewRequest) -> Any:
    _at_work.add(request.database)
    try:
        yield
    finally:
        _at_work.discard(request.database)


class NdjsonPreview(StreamingResponse):
    """Told while it works. It is at work as soon as it is called, which nothing can come between
    once it was found that nobody else is: nothing awaits in between."""

    def __init__(self, request: PreviewRequest) -> None:
        super().__init__(_lines(request), media_type=NDJSON)
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _working(self._request):
            await super().__call__(scope, receive, send)


async def steps_of(
    call: Call, program_id: str, body: PreviewBody
) -> AsyncIterator[PreviewProgress | dict[str, Any]]:
    """How far a preview is, again and again, and then its answer. Who stops asking ends it."""
    request = await _request(call, program_id, body)
    if request.database in _at_work:
        raise Busy(retry_after=10)
    return _steps(request)


async def _steps(request: PreviewRequest) -> AsyncIterator[PreviewProgress | dict[str, Any]]:
    with _working(request):
        async with aclosing(_stages(request)) as stages:
            async for stage in stages:
                if isinstance(stage, PreviewProgress):
                    yield stage
                else:
                    yield preview_answer(_with_traps(request, stage.result()))


async def _lines(request: PreviewRequest) -> AsyncIterator[bytes]:
    """`{"progress": …}` after each page, then `{"preview": …}`, or `{"problem": …}`."""
    async with aclosing(_stages(request)) as stages:
        async for stage in stages:
            if isinstance(stage, PreviewProgress):
                yield _line(progress=stage)
            else:
                yield _outcome(request, stage)


async def _stages(
    request: PreviewRequest,
) -> AsyncGenerator[PreviewProgress | asyncio.Task[Report]]:
    """Progress after each page, and at last the work itself, which is done."""
    queue: asyncio.Queue[PreviewProgress | None] = asyncio.Queue()
    work = preview(
        request.database,
        request.program,
        request.proposal,
        samples=request.samples,
        on_progress=queue.put_nowait,
    )
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (progress := await queue.get()) is not None:
            yield progress
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def _with_traps(request: PreviewRequest, report: Report) -> Report:
    """The ledger knows no vendor: what a vendor's pages warn of is said here."""
    return replace(report, warnings=(*report.warnings, *traps(request.proposal.version.rules)))


def _outcome(request: PreviewRequest, task: asyncio.Task[Report]) -> bytes:
    error = task.exception()
    if error is None:
        return _line(preview=preview_answer(_with_traps(request, task.result())))
    if not isinstance(error, Exception):
        raise error
    return _line(problem=problem.as_problem(problem.as_error(error, what="preview")))


def _line(**content: Any) -> bytes:
    return _encode(content) + b"\n"


OPERATIONS = (
    Operation(
        "POST", f"{PROGRAM}/preview", preview_program,
        "Who would move under other rules, by how many, with samples and their arithmetic.",
        scopes=("read_programs", "read_customers"), body=PreviewBody, answer=PreviewAnswer,
        other_answers=(
            OtherAnswer(
                200, (PreviewProgressLine, PreviewResultLine, PreviewProblemLine), NDJSON
            ),
        ),
    ),
)  # fmt: skip
