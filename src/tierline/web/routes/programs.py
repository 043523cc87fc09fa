"""Programs: rules go in whole, and a version comes out where something changed."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from tierline.errors import NoSuchRecord, NotFound
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.validation import FieldWarning
from tierline.proposals import ProgramBody, refuse_broken, rules_from
from tierline.rules.lint import lint
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import OnChange, Program, Rules, Version
from tierline.rules.reminders import Reminders
from tierline.store.catalog.programs import NewVersion, Put
from tierline.vendors.registry import traps
from tierline.vendors.vendor import ProgramFacts
from tierline.web.routing import Call, Operation, OtherAnswer, Reply

PROGRAM = "/api/programs/{program}"


class VersionLine(Struct, frozen=True):
    number: int
    effective_at: str
    on_change: OnChange
    superseded: bool  # a later version came into force before it, or will


class ProgramAnswer(Struct, frozen=True):
    """A program as one version has it. `versions` lists all of them, newest first."""

    id: str
    name: str
    version: int
    effective_at: str
    policy: Policy
    points: Points
    auto_join: bool
    presentations: dict[str, dict[str, Any]]
    sentences: dict[str, dict[str, str]]
    reminders: Reminders
    warnings: tuple[FieldWarning, ...]
    versions: tuple[VersionLine, ...]


class ProgramLine(Struct, frozen=True):
    id: str
    name: str
    version: int
    tiers: tuple[str, ...]


class ProgramList(Struct, frozen=True):
    programs: tuple[ProgramLine, ...]


class VersionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which version; by default the one in force."""

    version: int | None = None
    at: str | None = None


async def put_program(call: Call, body: ProgramBody) -> Reply:
    program_id = call.param("program")
    effective_at = validation.optional_instant(body.effective_at, "effective_at")
    rules = await rules_of(call, program_id, body)
    refuse_broken(rules)
    how = (effective_at, body.on_change, body.supersede, body.based_on)
    new = NewVersion(rules, call.raw.decode(), *how)
    put = await put_rules(call, program_id, new)
    program = await call.parts.catalog.program_numbered(put.program, put.version)
    answer = _answer(program, program.versions[put.version - 1])
    return Reply(201 if put.created else 200, answer)


async def get_program(call: Call) -> ProgramAnswer:
    query = call.query(VersionQuery)
    catalog, project = call.parts.catalog, call.project
    _, program = await catalog.need_program(project.number, call.param("program"))
    if query.version is None:
        at = validation.optional_instant(query.at, "at")
        return _answer(program, program.version(call.now if at is None else at))
    for version in program.versions:
        if version.number == query.version:
            return _answer(program, version)
    raise NoSuchRecord(what="version", name=str(query.version), path="version")


async def list_programs(call: Call) -> ProgramList:
    catalog, lines = call.parts.catalog, []
    for row in catalog.programs(call.project.number):
        program = await catalog.program_numbered(row.number, row.latest)
        version = program.version(call.now)
        tiers = tuple(tier.id for tier in version.rules.policy.tiers)
        lines.append(ProgramLine(program.id, version.rules.name, version.number, tiers))
    return ProgramList(tuple(lines))


async def put_rules(call: Call, program_id: str, new: NewVersion) -> Put:
    """Writes a version where the rules differ; what comes into force at once is in force when
    this returns."""
    put = await call.parts.catalog.put_program(call.project.number, program_id, new, call.wall)
    at_once = new.effective_at is None or new.effective_at < put.effective_at
    await _settled(call, put.effective_at, at_once=at_once)
    return put


async def rules_of(call: Call, program_id: str, body: ProgramBody) -> Rules:
    """The rules that a body means. Raises Invalid, naming the field."""
    return rules_from(body, await _facts(call, program_id, body.name))


async def _facts(call: Call, program_id: str, name: str | None) -> ProgramFacts:
    project, previous = call.project, None
    try:
        _, program = await call.parts.catalog.need_program(project.number, program_id)
    except NotFound:
        pass
    else:
        previous = program.versions[-1].rules
    return ProgramFacts(program_id, project.id, call.now, project.currency, name, previous)


async def _settled(call: Call, effective_at: int, *, at_once: bool) -> None:
    """Rules put "at once" are in force when we answer (see `programs.Stamp`)."""
    if not at_once:
        return
    if call.project.clock is None:
        await asyncio.sleep(max(0, effective_at - call.parts.clock() + 1) / 1000)
    elif effective_at > call.project.clock:
        # A sandbox's clock steps on by the millisecond that parts the old rules from the new.
        await call.parts.advance(call.project.number, effective_at)


def _answer(program: Program, version: Version) -> ProgramAnswer:
    rules = version.rules
    findings = [*(f for f in lint.lint(rules) if f.severity == "warning"), *traps(rules)]
    lines = [
        VersionLine(v.number, format_instant(v.effective_at), v.on_change, program.supersedes(v))
        for v in reversed(program.versions)
    ]
    return ProgramAnswer(
        id=program.id,
        name=rules.name,
        version=version.number,
        effective_at=format_instant(version.effective_at),
        policy=rules.policy,
        points=rules.points,
        auto_join=rules.auto_join,
        presentations=rules.presentations,
        sentences=rules.sentences,
        reminders=rules.reminders,
        warnings=tuple(FieldWarning(finding.path, finding.reason) for finding in findings),
        versions=tuple(lines),
    )


OPERATIONS = (
    Operation(
        "GET", "/api/programs", list_programs, "All programs of the project.",
        scopes=("read_programs",), answer=ProgramList,
    ),
    Operation(
        "PUT", PROGRAM, put_program,
        "Sets a program's rules: a new version where they differ, effective at once or later.",
        scopes=("write_programs",), body=ProgramBody, answer=ProgramAnswer,
        other_answers=(OtherAnswer(201, (ProgramAnswer,), about="A new version was made."),),
    ),
    Operation(
        "GET", PROGRAM, get_program, "A program's rules, now or as of another version.",
        scopes=("read_programs",), query=VersionQuery, answer=ProgramAnswer,
    ),
)  # fmt: skip
