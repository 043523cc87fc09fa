"""Changes of programs that one person proposes and another one approves: see
`store/catalog/change_requests`, which keeps the rules."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from tierline.errors import NotFound
from tierline.model import validation
from tierline.model.actor import ActorKind
from tierline.model.calendar import format_instant
from tierline.proposals import ProgramBody, refuse_broken
from tierline.rules.program import OnChange, Rules
from tierline.store.catalog import change_requests
from tierline.store.catalog.change_requests import NothingProposed, ProposedChange, StoredChange
from tierline.store.catalog.programs import NewVersion, decode_rules, encode_rules
from tierline.web import request_body
from tierline.web.routes.programs import PROGRAM, put_rules, rules_of
from tierline.web.routing import Call, Operation

CHANGES: Final = "/api/change-requests"
CHANGE: Final = f"{CHANGES}/{{change}}"
PAGE_MAX: Final = 100
REASON_CHARACTERS_MAX: Final = 2_000


class ChangeRequestBody(ProgramBody, frozen=True, forbid_unknown_fields=True):
    """The rules as a PUT would send them. `reason`: why, for whoever approves."""

    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)] = ""


class ChangeRequestsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of them; the newest first."""

    state: Literal["open", "approved", "rejected", "withdrawn"] | None = None
    program: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_MAX


class ChangeRequestLine(Struct, frozen=True):
    """A proposed change without its rules. `outdated`: the program was changed since, so that it
    can only be turned down."""

    id: str
    program: str
    based_on: int
    effective_at: str | None
    on_change: OnChange
    reason: str
    state: Literal["open", "approved", "rejected", "withdrawn"]
    outdated: bool
    proposed_at: str
    proposer_kind: ActorKind
    proposer: str
    decided_at: str | None
    decider: str | None
    version: int | None


class ChangeRequestAnswer(ChangeRequestLine, frozen=True, kw_only=True):
    """A proposed change with its rules."""

    rules: Rules


class ChangeRequestList(Struct, frozen=True):
    """The newest first. `next` goes on with older ones; null: there are none."""

    changes: tuple[ChangeRequestLine, ...]
    next: str | None


async def propose(call: Call, body: ChangeRequestBody) -> ChangeRequestAnswer:
    program, catalog = call.param("program"), call.parts.catalog
    effective_at = validation.optional_instant(body.effective_at, "effective_at")
    rules = await rules_of(call, program, body)
    refuse_broken(rules)
    reason = request_body.name(body.reason, "reason") if body.reason else ""
    how = (effective_at, body.on_change, body.supersede, reason)
    new = ProposedChange(program, encode_rules(rules), call.raw.decode(), *how)
    latest = await _latest(call, program)
    await _check_differs(call, program, new)
    based_on = latest if body.based_on is None else body.based_on
    async with catalog.changing() as (connection, _):
        id_ = await change_requests.add(connection, call.project, new, based_on)
    return await _answer(call, await _one(call, id_))


async def list_changes(call: Call) -> ChangeRequestList:
    query = call.query(ChangeRequestsQuery)
    program = query.program and validation.identifier(query.program, "program")
    after = query.after and validation.identifier(query.after, "after")
    async with call.parts.database.pool.acquire() as connection:
        page = await change_requests.page(
            connection, call.project.number, query.state, program, after, query.limit
        )
    lines = [ChangeRequestLine(**await _facts(call, change)) for change in page]
    return ChangeRequestList(tuple(lines), page[-1].id if len(page) == query.limit else None)


async def get_change(call: Call) -> ChangeRequestAnswer:
    return await _answer(call, await _one(call, call.param("change")))


async def approve(call: Call) -> ChangeRequestAnswer:
    change = await _one(call, call.param("change"))
    rules = decode_rules(change.body)
    refuse_broken(rules)
    how = (change.effective_at, change.on_change, change.supersede)
    new = NewVersion(rules, change.request, *how, approves=change.id)
    await put_rules(call, change.program, new)
    return await _answer(call, await _one(call, change.id))


async def turn_down(call: Call) -> ChangeRequestAnswer:
    id_ = call.param("change")
    async with call.parts.catalog.changing() as (connection, _):
        await change_requests.turn_down(connection, call.project, id_)
    return await _answer(call, await _one(call, id_))


async def _one(call: Call, id_: str) -> StoredChange:
    async with call.parts.database.pool.acquire() as connection:
        return await change_requests.one(connection, call.project.number, id_)


async def _latest(call: Call, program: str) -> int:
    """The number of a program's newest version; 0 where there is no such program."""
    try:
        _, current = await call.parts.catalog.need_program(call.project.number, program)
    except NotFound:
        return 0
    return len(current.versions)


async def _check_differs(call: Call, program: str, new: ProposedChange) -> None:
    """Raises NothingProposed for what a PUT would find in force, or scheduled."""
    if not await _latest(call, program):
        return
    _, current = await call.parts.catalog.need_program(call.project.number, program)
    newest = current.versions[-1]
    start = call.now if new.effective_at is None else new.effective_at
    if encode_rules(newest.rules) == new.body and newest.effective_at <= start:
        raise NothingProposed(path="policy", version=newest.number)


async def _facts(call: Call, change: StoredChange) -> dict[str, Any]:
    latest = await _latest(call, change.program)
    instants = {
        name: None if (at := getattr(change, name)) is None else format_instant(at)
        for name in ("effective_at", "proposed_at", "decided_at")
    }
    outdated = change.state == "open" and latest != change.based_on
    stored = msgspec.structs.asdict(change)
    plain = {name: stored[name] for name in ChangeRequestLine.__struct_fields__ if name in stored}
    return {**plain, **instants, "outdated": outdated}


async def _answer(call: Call, change: StoredChange) -> ChangeRequestAnswer:
    facts = await _facts(call, change)
    return ChangeRequestAnswer(**facts, rules=decode_rules(change.body))


_WRITE: Final = ("write_programs",)
_READ: Final = ("read_programs",)
OPERATIONS = (
    Operation(
        "POST", f"{PROGRAM}/change-requests", propose,
        "Proposes rules that a second person approves before they take effect.",
        scopes=_WRITE, body=ChangeRequestBody, status=201, answer=ChangeRequestAnswer,
    ),
    Operation(
        "GET", CHANGES, list_changes, "The changes of programs that were proposed.",
        scopes=_READ, query=ChangeRequestsQuery, answer=ChangeRequestList,
    ),
    Operation(
        "GET", CHANGE, get_change, "One change that was proposed, with its rules.",
        scopes=_READ, answer=ChangeRequestAnswer,
    ),
    Operation(
        "POST", f"{CHANGE}/approve", approve,
        "Approves a change of another person's: it becomes the program's next version.",
        scopes=_WRITE, answer=ChangeRequestAnswer,
    ),
    Operation(
        "POST", f"{CHANGE}/turn-down", turn_down,
        "Turns a change down; whoever proposed it withdraws it so.",
        scopes=_WRITE, answer=ChangeRequestAnswer,
    ),
)  # fmt: skip
