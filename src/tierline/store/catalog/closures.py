"""Programs that take nothing new: paused, with their project or alone, or ended at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from tierline.errors import NotFound
from tierline.model.tenant import Project
from tierline.store.catalog import audit
from tierline.store.catalog.programs import ProgramRow
from tierline.store.catalog.queries import CatalogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session


class Closure(Struct, frozen=True):
    """Why a program takes nothing new: it is paused, or it ended at an instant (or will)."""

    program: str
    paused: bool
    ended_at: int | None


class StateChange(Struct, frozen=True):
    """Another state of a program, or (without one) of a project."""

    project: int
    action: Literal["paused", "resumed", "ended"]
    program: str | None = None
    ended_at: int | None = None


def closures_of(
    projects: Mapping[int, Project], programs: Iterable[ProgramRow]
) -> dict[int, Closure]:
    """Returns what is closed, or will be, by the programs' numbers; mostly nothing."""
    closures: dict[int, Closure] = {}
    for row in programs:
        paused = row.state == "paused" or projects[row.project].state == "paused"
        if paused or row.ended_at is not None:
            closures[row.number] = Closure(row.id, paused, row.ended_at)
    return closures


async def write(connection: Session, revision: int, project: Project, change: StateChange) -> None:
    """Raises NotFound for a program that there is not. What is so already is written again."""
    state = "paused" if change.action == "paused" else "active"
    if change.program is None:
        await connection.execute(Sql.change_project_state, project.number, state, revision)
        kind, object_id, before = "project", project.id, {"state": project.state}
        after: dict[str, object] = {"state": state}
    else:
        row = await connection.fetchrow(Sql.program_state, project.id, change.program)
        if row is None:
            raise NotFound(what="program", name=change.program, path="program")
        if change.action == "ended":
            state = row["state"]
        facts = (row["number"], state, change.ended_at, revision)
        await connection.execute(Sql.change_program_state, *facts)
        kind, object_id = "program", change.program
        before = {"state": row["state"], "ended_at": row["ended_at"]}
        after = {"state": state, "ended_at": change.ended_at}
    kind = f"{kind}.{change.action}"
    await audit.note(connection, project.number, kind, object_id, before, after)
