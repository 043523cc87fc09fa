"""Programs and their versions as rows: a version is written once and never changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from tierline.errors import Conflict, Invalid
from tierline.model.calendar import format_instant
from tierline.model.tenant import Project
from tierline.rules.program import OnChange, Program, Rules, Version
from tierline.store.catalog import audit, change_requests, projects
from tierline.store.catalog.change_requests import NothingProposed
from tierline.store.catalog.queries import CatalogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session


class ProgramRow(Struct, frozen=True):
    """A program without its rules. `latest` is the number of its newest version."""

    number: int
    project: int
    id: str
    latest: int
    state: Literal["active", "paused", "deleted"] = "active"
    ended_at: int | None = None  # takes nothing new from then on


def by_project(rows: Iterable[ProgramRow]) -> dict[int, dict[str, ProgramRow]]:
    """Returns each project's programs by id, but for those that are deleted."""
    programs: dict[int, dict[str, ProgramRow]] = defaultdict(dict)
    for row in rows:
        if row.state != "deleted":
            programs[row.project][row.id] = row
    return dict(programs)


class NewVersion(Struct, frozen=True):
    """Rules to come into force. `effective_at` None: at once. `supersede`: versions that are
    scheduled for later never come into force. `based_on`: the newest version that the caller
    knows of; 0 for a new program. `approves`: the proposed change that they come of."""

    rules: Rules
    request: str  # what the caller sent, kept verbatim
    effective_at: int | None = None
    on_change: OnChange = "next_assessment"
    supersede: bool = False
    based_on: int | None = None  # None: written whatever the newest version is
    approves: str | None = None


class ProgramChanged(Conflict):
    """The program is at version {latest}, not {based_on}: somebody changed it meanwhile. Read it
    again, then repeat the change."""

    code = "program_changed"


class ProgramDeleted(Conflict):
    """There was a program {program!r}, which is deleted; events still name it, so choose another
    id."""

    code = "program_deleted"


class Stamp(Struct, frozen=True):
    """When and as which change something is written. `now` is the project's own time. The
    earliest that rules may come into force ("at once") is `settle_ms` later: by then every batch
    that judges has seen the version, for a batch looks for the newest one after it took its own
    time. What a batch decided before would else not follow from ledger and rules any more."""

    revision: int
    now: int
    recorded_at: int
    settle_ms: int = 0


class Put(Struct, frozen=True):
    """What a PUT did: which version holds the rules now, and whether it is a new one."""

    program: int
    version: int
    effective_at: int
    made: bool
    created: bool  # the program itself is new


async def put(
    connection: Session, project: Project, program_id: str, new: NewVersion, stamp: Stamp
) -> Put:
    """Write a version if it differs from the newest. The caller holds the revision, so no other
    change is under way. Raises Invalid for an instant in the past, Conflict where a later version
    is already scheduled, ProgramChanged where the newest is not that of `based_on`,
    ProgramDeleted, NotFound for a deleted project, and what `change_requests.admit` raises."""
    await projects.need(connection, project)
    effective_at = new.effective_at
    body = encode_rules(new.rules)
    row = await connection.fetchrow(Sql.program_row, project.id, program_id)
    latest = 0 if row is None else row["latest"]
    if row is not None and row["state"] == "deleted":
        raise ProgramDeleted(path="program", program=program_id)
    if new.approves is not None:
        await change_requests.admit(connection, project, program_id, new.approves, latest)
    elif new.based_on not in (None, latest):
        raise ProgramChanged(path="based_on", latest=latest, based_on=new.based_on)
    if row is None:
        effective_at = stamp.now if effective_at is None else effective_at
        _not_past(effective_at, stamp.now)
        if new.approves is None:
            await change_requests.admit(connection, project, program_id, None, latest)
        facts = (project.id, program_id, stamp.revision, stamp.recorded_at)
        program: int = await connection.fetchval(Sql.add_program, *facts)
        born = Put(program, 1, effective_at, made=True, created=True)
        await _add(connection, born, new, stamp)
        await _note(connection, project, program_id, born, new)
        return born
    at_once = stamp.now + stamp.settle_ms
    start = at_once if effective_at is None else effective_at
    effective_at = max(start, at_once)
    program = row["number"]
    newest = await connection.fetchrow(Sql.latest_version, program, latest)
    assert newest is not None  # a program is born with a version
    if newest["body"] == body and newest["effective_at"] <= effective_at:
        if new.approves is not None:
            raise NothingProposed(path="change", version=latest)
        return Put(program, latest, newest["effective_at"], made=False, created=False)
    _not_past(start, stamp.now)
    if newest["effective_at"] > effective_at and not new.supersede:
        reason = f"Version {latest} is scheduled for {format_instant(newest['effective_at'])}."
        way_out = "Send a later effective_at, or `supersede: true` to drop it."
        raise Conflict(path="effective_at", reason=f"{reason} {way_out}")
    if new.approves is None:
        await change_requests.admit(connection, project, program_id, None, latest)
    put = Put(program, latest + 1, effective_at, made=True, created=False)
    await _add(connection, put, new, stamp)
    await connection.execute(Sql.raise_latest, program, put.version, stamp.revision)
    await _note(connection, project, program_id, put, new)
    return put


async def _note(
    connection: Session, project: Project, program_id: str, put: Put, new: NewVersion
) -> None:
    """The rules themselves are not repeated: versions stay, and their numbers say which."""
    kind = "program.created" if put.created else "program.changed"
    before = None if put.created else {"version": put.version - 1}
    after = {"version": put.version, "effective_at": put.effective_at, "on_change": new.on_change}
    await audit.note(connection, project.number, kind, program_id, before, after)


def _not_past(effective_at: int, now: int) -> None:
    if effective_at < now:
        reason = f"Rules never change the past: expected {format_instant(now)} (now) or later."
        raise Invalid(path="effective_at", reason=reason)


async def _add(connection: Session, put: Put, new: NewVersion, stamp: Stamp) -> None:
    when = (put.effective_at, stamp.recorded_at, new.on_change)
    body = encode_rules(new.rules)
    await connection.execute(Sql.add_version, put.program, put.version, *when, body, new.request)


async def load(
    connection: Session, rows: Sequence[ProgramRow], projects: Mapping[int, Project]
) -> dict[int, Program]:
    """Programs with every version, by number."""
    versions: dict[int, list[Version]] = {row.number: [] for row in rows}
    for v in await connection.fetch(Sql.versions, list(versions)):
        version = Version(v["number"], v["effective_at"], decode_rules(v["body"]), v["on_change"])
        versions[v["program"]].append(version)
    by_number = {}
    for row in rows:
        project, own = projects[row.project], tuple(versions[row.number])
        by_number[row.number] = Program(
            row.id, project.id, project.time_zone, project.currency, own
        )
    return by_number


def encode_rules(rules: Rules) -> str:
    return msgspec.json.encode(rules).decode()


decode_rules = msgspec.json.Decoder(Rules).decode
