"""Members: joining, leaving, overrides and attributes; and where somebody stands, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from tierline.analysis.explain import explain, standing_at
from tierline.analysis.phrasebook import FALLBACK
from tierline.engine.decide import HistoryNeeded
from tierline.errors import Invalid, NotAMember, NotAMemberThen, TooMany
from tierline.ledger import commands
from tierline.ledger.closed_programs import refuse_closed
from tierline.ledger.commands import Command, ProgramRef
from tierline.ledger.stored_originals import entry_of
from tierline.model import json_text, validation
from tierline.model.calendar import format_instant
from tierline.model.entries import Entry, Override, OverrideKind
from tierline.model.standing import Standing, effective_ledger
from tierline.model.tenant import Customer
from tierline.rules.program import Program
from tierline.rules.sentence_template import is_language
from tierline.store import members, transfers
from tierline.web import limits, request_body, responses
from tierline.web.dry_run import DryRunAnswer, dry_run_of
from tierline.web.explanation import ExplanationAnswer, explanation_answer
from tierline.web.responses import ActivityAnswer, MemberAnswer
from tierline.web.routes.customers import find_customer
from tierline.web.routing import Call, Operation, OtherAnswer

MEMBER = "/api/programs/{program}/members/{source_id}"


class MemberBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An import may say since when, in which tier and until when."""

    enrolled_at: str | None = None
    tier: str | None = None
    expires_at: str | None = None
    quiet: bool = False  # announce nothing
    key: str | None = None


class OverrideBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A dated assertion over the computed tier."""

    kind: OverrideKind
    tier: str | None = None
    starts_at: str | None = None  # None: now
    until: str | None = None  # exclusive; None: until it is released
    then: Literal["rejudge", "start_term"] = "rejudge"
    source: Literal["manual", "gift", "match", "challenge", "import", "pooled"] = "manual"
    reason: str | None = None
    actor: str | None = None
    key: str | None = None
    dry_run: bool = False  # say what it would do, and record nothing


class AttributesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Facts about the person that criteria may ask for; null takes one away."""

    attributes: dict[str, str | int | bool | None]
    dry_run: bool = False  # say what it would do, and record nothing


class AtQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """As of a past or a future instant; without it, now."""

    at: str | None = None


class ExplainQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """As of an instant; by what was known then, or at another instant. `language` is that of the
    sentences."""

    at: str | None = None
    known_at: str | None = None
    language: str = FALLBACK


class ReleaseQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which override; without it, all of them."""

    id: int | None = None


# Writing ----------------------------------------------------------------------------------------


async def put_member(call: Call, body: MemberBody) -> MemberAnswer | ActivityAnswer:
    """Who may only write is answered as to any other activity."""
    number, program = await _program(call)
    source_id = call.param("source_id")
    enrolled_at = validation.optional_instant(body.enrolled_at, "enrolled_at")
    if enrolled_at is not None and enrolled_at > call.now:
        raise Invalid(path="enrolled_at", reason="enrolled_at: it lies ahead of now.")
    if body.tier is not None:
        _check_tier(program, body.tier, call.now)
    command = commands.enrol(
        ProgramRef(call.project, number),
        source_id,
        key=_key(body.key),
        enrolled_at=enrolled_at,
        tier=body.tier,
        expires_at=validation.optional_instant(body.expires_at, "expires_at"),
        quiet=body.quiet,
    )
    recorded = await _record(call, command)
    may_read = "read_customers" in call.caller.scopes
    return await get_member(call) if may_read else recorded


async def delete_member(call: Call) -> ActivityAnswer:
    number, _ = await _program(call)
    return await _record(
        call, commands.leave(ProgramRef(call.project, number), call.param("source_id"))
    )


async def put_override(call: Call, body: OverrideBody) -> ActivityAnswer | DryRunAnswer:
    number, program = await _program(call)
    now = call.now
    starts_at = validation.optional_instant(body.starts_at, "starts_at")
    until = validation.optional_instant(body.until, "until")
    if body.tier is not None:
        _check_tier(program, body.tier, now)
    if body.kind in ("floor", "cap") and body.tier is None:
        raise Invalid(path="tier", reason=f"tier: a {body.kind} names the tier that it is.")
    if until is not None and until <= (now if starts_at is None else starts_at):
        raise Invalid(path="until", reason="until: it must lie after the start.")
    override = Override(
        kind=body.kind,
        tier=body.tier,
        starts_at=now if starts_at is None else starts_at,
        until=until,
        then=body.then,
        source=body.source,
        reason=_text(body.reason, "reason"),
        actor=_text(body.actor, "actor"),
    )
    door = ProgramRef(call.project, number)
    command = commands.override(door, call.param("source_id"), override, key=_key(body.key))
    return await (_dry_run(call, command) if body.dry_run else _record(call, command))


async def delete_override(call: Call) -> ActivityAnswer:
    number, _ = await _program(call)
    query = call.query(ReleaseQuery)
    door = ProgramRef(call.project, number)
    return await _record(call, commands.release(door, call.param("source_id"), query.id))


async def put_attributes(call: Call, body: AttributesBody) -> ActivityAnswer | DryRunAnswer:
    number, _ = await _program(call)
    door, source_id = ProgramRef(call.project, number), call.param("source_id")
    values: dict[str, str | int | bool | None] = {}
    if len(body.attributes) > limits.ATTRIBUTES_MAX:
        raise TooMany(what="attributes", limit=limits.ATTRIBUTES_MAX, path="attributes")
    for name, value in body.attributes.items():
        path = f"attributes.{name}"
        request_body.name(name, path)
        checked = request_body.name(value, path) if isinstance(value, str) else value
        if isinstance(checked, int) and abs(checked) >= json_text.SAFE:
            raise Invalid(path=path, reason=f"{path}: expected an integer within 2^53 of zero.")
        values[name] = checked
    if not values:
        raise Invalid(path="attributes", reason="attributes: name at least one.")
    command = commands.attributes(door, source_id, values)
    return await (_dry_run(call, command) if body.dry_run else _record(call, command))


async def _record(call: Call, command: Command) -> ActivityAnswer:
    return responses.activity(await call.parts.writer.submit(command))


async def _dry_run(call: Call, command: Command) -> DryRunAnswer:
    """What it would do; it tells where the member stands, which takes the right to read."""
    call.caller.require("read_customers")
    number, program = await _program(call)
    refuse_closed(call.parts.catalog.closures, command, call.now)
    return await dry_run_of(call, number, program, command, partial(history, call))


def _check_tier(program: Program, tier: str, now: int) -> None:
    tiers = [t.id for t in program.version(now).rules.policy.tiers]
    if tier not in tiers:
        reason = f"tier: there is no tier {tier!r}; known are {', '.join(tiers)}."
        raise Invalid(path="tier", reason=reason)


def _text(text: str | None, path: str) -> str | None:
    return None if text is None else request_body.name(text, path)


def _key(key: str | None) -> str | None:
    return None if key is None else request_body.name(key, "key")


# Reading ----------------------------------------------------------------------------------------


async def get_member(call: Call) -> MemberAnswer:
    at = validation.optional_instant(call.query(AtQuery).at, "at")
    number, program = await _program(call)
    row = await find_customer(call, call.param("source_id"))
    now = call.now
    if at is not None and at < now:
        entries = await history(call, row.id, number)
        return await asyncio.to_thread(_as_of, call, program, row.customer, at, entries)
    standing, in_transit = await _standing(call, row.id, number)
    at = now if at is None else at
    try:
        return _answer(call, program, row.customer, standing, at, in_transit=in_transit)
    except HistoryNeeded:
        entries = await history(call, row.id, number)
        return await asyncio.to_thread(
            _answer, call, program, row.customer, standing, at, entries, in_transit=in_transit
        )


def _as_of(
    call: Call, program: Program, customer: Customer, at: int, entries: Sequence[Entry]
) -> MemberAnswer:
    standing, _, _ = standing_at(program, entries, at)
    if entries and not standing.entries:
        facts = {"customer": call.param("source_id"), "program": program.id}
        raise NotAMemberThen(**facts, at=format_instant(at), path="at")
    return _answer(call, program, customer, standing, at, entries)


def _answer(
    call: Call,
    program: Program,
    customer: Customer,
    standing: Standing | None,
    at: int,
    history: Sequence[Entry] | None = None,
    *,
    in_transit: int = 0,
) -> MemberAnswer:
    if standing is None or not standing.entries:
        raise _no_member(call, program)
    at = max(at, standing.at)
    return responses.member(program, customer, standing, at, history, in_transit)


async def explain_member(call: Call) -> dict[str, Any]:
    query = call.query(ExplainQuery)
    number, program = await _program(call)
    row = await find_customer(call, call.param("source_id"))
    entries = await history(call, row.id, number)
    if not entries:
        raise _no_member(call, program)
    at = validation.optional_instant(query.at, "at")
    known_at = validation.optional_instant(query.known_at, "known_at")
    at = call.now if at is None else at
    if not is_language(query.language):
        raise Invalid(path="language", reason="language: expected a tag like de or pt-BR.")
    database = call.parts.database
    async with database.pool.acquire() as connection:
        keys = await members.all_keys(connection, database.shards, (row.id, number))
    explanation = await asyncio.to_thread(
        explain, program, entries, at, known_at, keys=keys, language=query.language
    )
    return explanation_answer(explanation)


async def _program(call: Call) -> tuple[int, Program]:
    return await call.parts.catalog.need_program(call.project.number, call.param("program"))


async def _standing(call: Call, customer: int, program: int) -> tuple[Standing | None, int]:
    """And the points that are on their way to others, in one snapshot: points are never shown
    twice or nowhere."""
    database = call.parts.database
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        place = (connection, database.shards, customer, program)
        return await members.standing(*place), await transfers.in_transit(*place)


async def history(call: Call, customer: int, program: int) -> tuple[Entry, ...]:
    """A member's whole ledger, as it is read today. It may be long: what is made of it is made in a
    thread, so that the arithmetic does not hold up everybody else."""
    database = call.parts.database
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        place = (connection, database.shards, customer, program)
        rows, standing = await members.history(*place), await members.standing(*place)
    return effective_ledger([entry_of(tuple(row)) for row in rows], standing)


def _no_member(call: Call, program: Program) -> NotAMember:
    return NotAMember(customer=call.param("source_id"), program=program.id, path="source_id")


OPERATIONS = (
    Operation(
        "PUT", MEMBER, put_member,
        "Makes a customer a member; an import says since when and in which tier.",
        scopes=("write_customers",), body=MemberBody, optional=True, answer=MemberAnswer,
        other_answers=(OtherAnswer(200, (MemberAnswer, ActivityAnswer)),),
    ),
    Operation(
        "DELETE", MEMBER, delete_member, "Ends a membership; points stay with the customer.",
        scopes=("write_customers",), answer=ActivityAnswer,
    ),
    Operation(
        "GET", MEMBER, get_member,
        "Where a member stands, what is needed next, and what will happen by itself.",
        scopes=("read_customers",), query=AtQuery, answer=MemberAnswer,
    ),
    Operation(
        "GET", f"{MEMBER}/explain", explain_member,
        "The arithmetic behind a member's tier: entries, window, threshold, rule and dates.",
        scopes=("read_customers",), query=ExplainQuery, answer=ExplanationAnswer,
    ),
    Operation(
        "PUT", f"{MEMBER}/override", put_override,
        "Asserts a tier over the computed one, for a while or until released.",
        scopes=("write_customers",), body=OverrideBody, answer=ActivityAnswer,
        other_answers=(OtherAnswer(200, (ActivityAnswer, DryRunAnswer)),),
    ),
    Operation(
        "DELETE", f"{MEMBER}/override", delete_override, "Releases one override, or all.",
        scopes=("write_customers",), query=ReleaseQuery, answer=ActivityAnswer,
    ),
    Operation(
        "PUT", f"{MEMBER}/attributes", put_attributes,
        "Sets facts about a member that criteria may ask for.",
        scopes=("write_customers",), body=AttributesBody, answer=ActivityAnswer,
        other_answers=(OtherAnswer(200, (ActivityAnswer, DryRunAnswer)),),
    ),
)  # fmt: skip
