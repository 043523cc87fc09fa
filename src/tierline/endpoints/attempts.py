"""A line of the attempt log: what was sent, where, and what came back. Secrets never."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tierline.endpoints.compiled_endpoint import CompiledEndpoint, SignedRequest
from tierline.store.event_log import AttemptRow, LogEvent
from tierline.transport import HttpReply
from tierline.transport.exchange import Timings

KEPT_HEADERS = frozenset(("content-type", "retry-after", "webhook-delivery", "location", "server"))


class AttemptAnswer(Struct):
    headers: dict[str, str]
    body: str


class AttemptDetail(Struct):
    """As JSON beside the columns: the address that was really dialled, each phase, and the start
    of the answer or the fault."""

    url: str
    headers: dict[str, str]
    address: str | None
    reused: bool
    timings: Timings
    events: list[str] | UnsetType = UNSET
    fault: str | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    answer: AttemptAnswer | Raw | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode
_NOTHING_SAID = Raw(_encode(AttemptAnswer({}, "")))


_FIRST = {"tierline-attempt": "1"}


def attempt_headers(number: int, run: int) -> dict[str, str]:
    """`number`: 1, 2, 3 … of this delivery; `run`: 0 is the live one, the others are replays."""
    if number == 1 and not run:
        return _FIRST
    headers = {"tierline-attempt": str(number)}
    return {**headers, "tierline-replay": str(run)} if run else headers


def attempt_row(
    compiled: CompiledEndpoint,
    events: Sequence[LogEvent],
    request: SignedRequest,
    reply: HttpReply,
    outcome: str,
    *,
    at: int,
    run: int = 0,
    number: int = 1,
) -> AttemptRow:
    """Returns the row as it is written. `number`: 1, 2, 3 … of this delivery."""
    event, timings = events[0], reply.timings
    silent = compiled.tells_of_erased(events)
    headers = {} if silent else request.headers
    detail = AttemptDetail(compiled.endpoint.url, headers, reply.address, reply.reused, timings)
    if len(events) > 1:
        detail.events = [event.id for event in events]
    if reply.fault is not None:
        detail.fault, detail.reason = reply.fault, reply.reason
    else:
        detail.answer = _NOTHING_SAID if silent else _answer(reply)
    return (
        compiled.number, run, at, request.id, number, event.offset, event.id, reply.status or 0,
        outcome, int(timings.total), _encode(detail).decode(),
    )  # fmt: skip


def _answer(reply: HttpReply) -> AttemptAnswer | Raw:
    headers = reply.headers
    if not reply.body and KEPT_HEADERS.isdisjoint(headers):
        return _NOTHING_SAID
    headers = {name: value for name, value in headers.items() if name in KEPT_HEADERS}
    return AttemptAnswer(headers, reply.body.decode("utf-8", "replace"))
