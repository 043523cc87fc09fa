"""`POST /api/programs/{id}/preview`: what other rules would do to every member, before a PUT.

The body is that of a PUT of the program. The answer is the report; with
`Accept: application/x-ndjson` it comes line by line, progress first, and closing the connection
ends the work. Nothing is kept: no job outlives its request, and any process can answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from weakref import WeakSet

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tierline.engine import typed
from tierline.engine.calendar import DAY_MS
from tierline.engine.policy import Program, Rules
from tierline.engine.preview import Proposal, propose
from tierline.errors import Busy, Invalid, TierlineError
from tierline.ledger.preview import SAMPLES_DEFAULT, SAMPLES_MAX, Progress, Report, preview
from tierline.store.database import Database
from tierline.vendors import traps
from tierline.web import problem, programs
from tierline.web.programs import PROGRAM, ProgramBody
from tierline.web.routing import Call, Operation

MEMBERS_MAX: Final = 200_000  # answered in one piece: some seconds
SECONDS_MAX: Final = 30  # less than what is between us and the caller usually waits
AHEAD_DAYS_MAX: Final = 10 * 366
NDJSON: Final = "application/x-ndjson"
_encode = msgspec.json.Encoder().encode
_at_work: WeakSet[Database] = WeakSet()  # one preview at a time: each takes every core it finds


class PreviewTooSlow(TierlineError):
    """The preview takes longer than {seconds} seconds, which is the most that is answered in one
    piece; ask with `Accept: application/x-ndjson`, which shows progress while it works."""

    code = "preview_too_slow"
    status = 422


class PreviewBody(ProgramBody, frozen=True, forbid_unknown_fields=True):
    """The rules as a PUT would send them. `until`: look at what follows up to that instant (by
    default only at the change itself). `samples`: how many members of each cell to explain."""

    until: str | None = None
    samples: Annotated[int, Meta(ge=0, le=SAMPLES_MAX)] = SAMPLES_DEFAULT


class Ask(Struct, frozen=True):
    """A preview that was asked for, checked."""

    database: Database
    program: int
    proposal: Proposal
    samples: int


async def preview_program(call: Call, body: PreviewBody) -> Any:
    ask = await _ask(call, body)
    if ask.database in _at_work:
        raise Busy(retry_after=10)
    if NDJSON in call.request.headers.get("accept", ""):
        return Lines(ask)
    work = preview(
        ask.database, ask.program, ask.proposal, samples=ask.samples, members_max=MEMBERS_MAX
    )
    with _working(ask):
        try:
            return _warned(ask, await asyncio.wait_for(work, SECONDS_MAX))
        except TimeoutError:
            raise PreviewTooSlow(seconds=SECONDS_MAX) from None


async def _ask(call: Call, body: PreviewBody) -> Ask:
    program_id = call.param("program")
    number, program = await call.parts.catalog.need_program(call.project.number, program_id)
    rules = await programs.rules_of(call, program_id, body)
    return Ask(
        call.parts.database, number, proposal_of(program, rules, body, call.now), body.samples
    )


def proposal_of(program: Program, rules: Rules, body: PreviewBody, now: int) -> Proposal:
    """What a body proposes. Raises RulesInvalid for rules that a PUT would refuse, Invalid for
    instants that are over. `now` is the project's own time."""
    programs.refuse_broken(rules)
    effective_at = typed.optional_instant(body.effective_at, "effective_at")
    until = typed.optional_instant(body.until, "until")
    effective_at = now if effective_at is None else effective_at
    _check_order(now, effective_at, until)
    return propose(program, rules, on_change=body.on_change, effective_at=effective_at, until=until)


def _check_order(now: int, effective_at: int, until: int | None) -> None:
    if effective_at < now:
        reason = "effective_at: rules never change the past; expected now or later."
        raise Invalid(path="effective_at", reason=reason)
    latest = effective_at + AHEAD_DAYS_MAX * DAY_MS
    if until is not None and not effective_at <= until <= latest:
        reason = "until: expected an instant from effective_at on, at most ten years later."
        raise Invalid(path="until", reason=reason)


@contextlib.contextmanager
def _working(ask: Ask) -> Any:
    _at_work.add(ask.database)
    try:
        yield
    finally:
        _at_work.discard(ask.database)


class Lines(StreamingResponse):
    """Told while it works. It is at work as soon as it is called, which nothing can come between
    once it was found that nobody else is: nothing awaits in between."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(_lines(ask), media_type=NDJSON)
        self._ask = ask

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _working(self._ask):
            await super().__call__(scope, receive, send)


async def _lines(ask: Ask) -> AsyncIterator[bytes]:
    """`{"progress": …}` after each page, then `{"preview": …}`, or `{"problem": …}`."""
    told: asyncio.Queue[Progress | None] = asyncio.Queue()
    work = preview(
        ask.database, ask.program, ask.proposal, samples=ask.samples, told=told.put_nowait
    )
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: told.put_nowait(None))
    try:
        while (progress := await told.get()) is not None:
            yield _line(progress=progress)
        yield _outcome(ask, task)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def _warned(ask: Ask, report: Report) -> Report:
    """The ledger knows no vendor: what a vendor's pages warn of is said here."""
    return replace(report, warnings=(*report.warnings, *traps(ask.proposal.version.rules)))


def _outcome(ask: Ask, task: asyncio.Task[Report]) -> bytes:
    error = task.exception()
    if error is None:
        return _line(preview=_warned(ask, task.result()))
    if not isinstance(error, Exception):
        raise error
    return _line(problem=problem.as_problem(problem.told(error, what="preview")))


def _line(**content: Any) -> bytes:
    return _encode(content) + b"\n"


OPERATIONS = (
    Operation(
        "POST", f"{PROGRAM}/preview", preview_program,
        "Who would move under other rules, by how many, with samples and their arithmetic.",
        scopes=("read_programs", "read_customers"), body=PreviewBody, answer=Report,
    ),
)  # fmt: skip
