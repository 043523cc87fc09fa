"""Programs that take nothing new: paused, with their project or alone, ended at an instant, or
deleted for good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from tierline.clock import wall
from tierline.errors import NotFound
from tierline.model.tenant import Project
from tierline.store.catalog import audit, projects
from tierline.store.catalog.programs import ProgramRow
from tierline.store.catalog.queries import CatalogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session


class Closure(Struct, frozen=True):
    """Why a program takes nothing new: it is paused, it ended at an instant (or will), or it is
    deleted, and takes nothing at all."""

    program: str
    paused: bool
    ended_at: int | None
    deleted: bool = False


class StateChange(Struct, frozen=True):
    """Another state of a program, or (without one) of a project. `deleted` is for good."""

    project: int
    action: Literal["paused", "resumed", "ended", "deleted"]
    program: str | None = None
    ended_at: int | None = None


def closures_of(owners: Mapping[int, Project], rows: Iterable[ProgramRow]) -> dict[int, Closure]:
    """Returns what is closed, or will be, by the programs' numbers; mostly nothing."""
    closures: dict[int, Closure] = {}
    for row in rows:
        paused = row.state == "paused" or owners[row.project].state == "paused"
        deleted = row.state == "deleted"
        if paused or deleted or row.ended_at is not None:
            closures[row.number] = Closure(row.id, paused, row.ended_at, deleted)
    return closures


def deleted_among(closures: Mapping[int, Closure]) -> frozenset[int]:
    """Returns the numbers of the programs that are deleted."""
    return frozenset(number for number, closure in closures.items() if closure.deleted)


async def write(connection: Session, revision: int, project: Project, change: StateChange) -> None:
    """Raises NotFound for a program that there is not. What is so already is written again."""
    state = "paused" if change.action == "paused" else "active"
    before: dict[str, Any]
    after: dict[str, Any]
    if change.program is None and change.action == "deleted":
        await _delete_project(connection, revision, project)
        kind, object_id, before = "project", project.id, {"state": project.state}
        after = {"state": "deleted"}
    elif change.program is None:
        facts = (project.number, state, revision)
        if await connection.fetchval(Sql.change_project_state, *facts) is None:
            raise NotFound(what="project", name=project.id)
        kind, object_id, before = "project", project.id, {"state": project.state}
        after = {"state": state}
    else:
        row = await connection.fetchrow(Sql.program_state, project.id, change.program)
        if row is None or row["state"] == "deleted":
            raise NotFound(what="program", name=change.program, path="program")
        if change.action == "ended":
            state = row["state"]
        kind, object_id = "program", change.program
        before = {"state": row["state"], "ended_at": row["ended_at"]}
        if change.action == "deleted":
            await connection.execute(Sql.delete_program, row["number"], wall(), revision)
            await projects.unname_program(connection, revision, project, change.program)
            after = {"state": "deleted", "ended_at": row["ended_at"]}
        else:
            row_facts = (row["number"], state, change.ended_at, revision)
            await connection.execute(Sql.change_program_state, *row_facts)
            after = {"state": state, "ended_at": change.ended_at}
    kind = f"{kind}.{change.action}"
    await audit.note(connection, project.number, kind, object_id, before, after)


async def _delete_project(connection: Session, revision: int, project: Project) -> None:
    """With its programs, keys and endpoints. Raises NotFound where it is deleted already."""
    now = wall()
    if await connection.fetchval(Sql.delete_project, project.number, now, revision) is None:
        raise NotFound(what="project", name=project.id)
    for statement in (Sql.delete_programs_of, Sql.disable_keys_of, Sql.delete_endpoints_of):
        await connection.execute(statement, project.id, now, revision)
