"""Programs that take nothing new: paused, with their project or alone, ended at an instant, or
deleted for good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from tierline.clock import wall
from tierline.errors import Conflict, NotFound
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
    """Another state of a program, or (without one) of a project. `deleted` is for good; `erasing`
    and `erased` (its end, with how many `customers`) are a project's."""

    project: int
    action: Literal["paused", "resumed", "ended", "deleted", "erasing", "erased"]
    program: str | None = None
    ended_at: int | None = None
    customers: int = 0


class ProjectBeingErased(Conflict):
    """The project {project!r} is being erased and takes nothing new; resume it when that has
    ended."""

    code = "project_being_erased"


def closures_of(owners: Mapping[int, Project], rows: Iterable[ProgramRow]) -> dict[int, Closure]:
    """Returns what is closed, or will be, by the programs' numbers; mostly nothing."""
    closures: dict[int, Closure] = {}
    for row in rows:
        paused = row.state == "paused" or owners[row.project].state in ("paused", "erasing")
        deleted = row.state == "deleted"
        if paused or deleted or row.ended_at is not None:
            closures[row.number] = Closure(row.id, paused, row.ended_at, deleted)
    return closures


def deleted_among(closures: Mapping[int, Closure]) -> frozenset[int]:
    """Returns the numbers of the programs that are deleted."""
    return frozenset(number for number, closure in closures.items() if closure.deleted)


async def write(connection: Session, revision: int, project: Project, change: StateChange) -> None:
    """Raises NotFound for a program that there is not, and ProjectBeingErased. What is so already
    is written again."""
    state = "paused" if change.action == "paused" else "active"
    before: dict[str, Any]
    after: dict[str, Any]
    if change.program is None and change.action in ("erasing", "erased"):
        await _erase_project(connection, revision, project, change)
        return
    if change.program is None and change.action == "deleted":
        await _delete_project(connection, revision, project)
        kind, object_id, before = "project", project.id, {"state": project.state}
        after = {"state": "deleted"}
    elif change.program is None:
        facts = (project.number, state, revision)
        if await connection.fetchval(Sql.change_project_state, *facts) is None:
            if await connection.fetchval(Sql.erasing_since, project.number) is not None:
                raise ProjectBeingErased(project=project.id)
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


async def _erase_project(
    connection: Session, revision: int, project: Project, change: StateChange
) -> None:
    """Its beginning and its end: each is noted once, whoever comes second."""
    after: dict[str, Any]
    if change.action == "erasing":
        before, after = {"state": project.state}, {"state": "erasing"}
        begun = (project.number, wall(), revision)
        noted = await connection.fetchval(Sql.begin_erasing_project, *begun)
        if noted is None and await connection.fetchval(Sql.erasing_since, project.number) is None:
            raise NotFound(what="project", name=project.id)
    else:
        before, after = {"state": "erasing"}, {"state": "paused", "customers": change.customers}
        noted = await connection.fetchval(Sql.end_erasing_project, project.number, revision)
    if noted is not None:
        kind = f"project.{change.action}"
        await audit.note(connection, project.number, kind, project.id, before, after)


async def _delete_project(connection: Session, revision: int, project: Project) -> None:
    """With its programs, keys and endpoints. Raises NotFound where it is deleted already."""
    now = wall()
    if await connection.fetchval(Sql.delete_project, project.number, now, revision) is None:
        raise NotFound(what="project", name=project.id)
    for statement in (Sql.delete_programs_of, Sql.disable_keys_of, Sql.delete_endpoints_of):
        await connection.execute(statement, project.id, now, revision)
