"""Programs and projects that are deleted, and what would go with them."""

from __future__ import annotations

from msgspec import Struct

from tierline.endpoints.endpoint import decode_endpoint
from tierline.errors import Invalid
from tierline.store import listing, removals
from tierline.store.catalog.closures import StateChange
from tierline.web.routing import Call, Operation


class DeletionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to delete is said twice: in the path and in `confirm`. `dry_run` deletes nothing."""

    confirm: str | None = None
    dry_run: bool = False


class ProgramDeletion(Struct, frozen=True):
    """What goes with a program, and what stays; counted before anything went."""

    program: str
    deleted: bool
    members: int
    entries: int
    transfers: int
    versions_kept: int
    events_kept: int
    endpoints: tuple[str, ...]


async def delete_program(call: Call, body: DeletionBody) -> ProgramDeletion:
    parts, project = call.parts, call.project
    number, program = await parts.catalog.need_program(project.number, call.param("program"))
    if not body.dry_run and body.confirm != program.id:
        way_out = f"say {program.id!r} to delete it for good, or send dry_run to see what goes."
        raise Invalid(path="confirm", reason=f"confirm: {way_out}")
    async with parts.database.pool.acquire() as connection:
        held = await removals.holdings(connection, parts.database.shards, number)
    if not body.dry_run:
        await parts.catalog.change_state(StateChange(project.number, "deleted", program.id))
    names = [
        row.id
        for row in parts.operations.of(project)
        if program.id in decode_endpoint(row.body).programs
    ]
    return ProgramDeletion(
        program=program.id,
        deleted=not body.dry_run,
        members=held.members,
        entries=held.entries,
        transfers=held.transfers,
        versions_kept=len(program.versions),
        events_kept=held.events,
        endpoints=tuple(names),
    )


class ProjectDeletion(Struct, frozen=True):
    """What goes with a project; counted before anything went."""

    project: str
    deleted: bool
    customers: int
    programs: tuple[str, ...]
    endpoints: tuple[str, ...]
    keys: int
    members: int
    entries: int


async def delete_project(call: Call, body: DeletionBody) -> ProjectDeletion:
    """The key that asks ends, too, when this is answered."""
    parts, project = call.parts, call.project
    if not body.dry_run and body.confirm != project.id:
        way_out = f"say {project.id!r} to delete it for good, or send dry_run to see what goes."
        raise Invalid(path="confirm", reason=f"confirm: {way_out}")
    programs, shards = parts.catalog.programs(project.number), parts.database.shards
    async with parts.database.pool.acquire() as connection:
        held = [await removals.holdings(connection, shards, row.number) for row in programs]
        customers = await listing.count(connection, shards, project.number)
    keys = [key for key in parts.catalog.keys(project.number) if key.disabled_at is None]
    answer = ProjectDeletion(
        project=project.id,
        deleted=not body.dry_run,
        customers=customers,
        programs=tuple(row.id for row in programs),
        endpoints=tuple(row.id for row in parts.operations.of(project)),
        keys=sum("." not in key.id for key in keys),
        members=sum(each.members for each in held),
        entries=sum(each.entries for each in held),
    )
    if not body.dry_run:
        await parts.catalog.change_state(StateChange(project.number, "deleted"))
    return answer


OPERATIONS = (
    Operation(
        "POST", "/api/project/delete", delete_project,
        "Deletes the project with its programs, keys and endpoints, and erases all customers.",
        scopes=("read_customers", "read_programs", "delete_project"), body=DeletionBody,
        optional=True, answer=ProjectDeletion,
    ),
    Operation(
        "POST", "/api/programs/{program}/delete", delete_program,
        "Deletes a program with its memberships, for good, or says what would go.",
        scopes=("read_programs", "delete_programs"), body=DeletionBody, optional=True,
        answer=ProgramDeletion,
    ),
)  # fmt: skip
