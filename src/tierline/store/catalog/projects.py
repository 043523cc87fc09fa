"""Projects as rows: a tenant's zone, currency, clock and the secrets that sign for all of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from iso4217 import Currency
from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import Conflict, Invalid, NotFound
from tierline.model.calendar import zone
from tierline.model.tenant import Project
from tierline.store.catalog import audit
from tierline.store.catalog.queries import CatalogSql as Sql
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

NAME_CHARACTERS_MAX = 200
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PROGRAM = "_program"
# Those with minor units: not metals, test codes and what stands for none.
CURRENCIES = frozenset(c.code for c in Currency if c.exponent is not None)


class NewProject(Struct, frozen=True):
    """A project to be made. `clock` makes it a sandbox, whose time only moves when told."""

    name: str
    time_zone: str = "UTC"
    currency: str = "USD"
    clock: int | None = None
    id: str | None = None  # None: made up
    presentations: dict[str, dict[str, Any]] = {}


class ProjectChange(Struct, frozen=True):
    """What to change of a project; None leaves a part as it is."""

    name: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    vendor_programs: dict[str, str] | None = None  # by vendor; the others stay
    presentations: dict[str, dict[str, Any]] | None = None
    program_approval: bool | None = None


def namesakes(projects: Iterable[Project], project: Project) -> list[Project]:
    """Those of the projects that have another one's name."""
    return [p for p in projects if p.name == project.name and p.number != project.number]


async def need(connection: Session, project: Project) -> None:
    """Raises NotFound where a project is deleted, which this process may not have heard of. The
    caller holds the revision, so it stays as it is."""
    if await connection.fetchval(Sql.living_project, project.number) is None:
        raise NotFound(what="project", name=project.id)


async def add(connection: Session, revision: int, new: NewProject, now: int) -> int:
    """Write a project and answer its number."""
    project = Project(
        id=new.id or "proj_" + secrets.token_hex(6),
        name=new.name,
        number=0,
        time_zone=new.time_zone,
        currency=new.currency,
        presentations=new.presentations,
    )
    check(project)
    number: int | None = await connection.fetchval(
        Sql.add_project, project.id, new.clock, _encode(project), revision, now
    )
    if number is None:
        raise Conflict(path="id", reason=f"There is a project {project.id!r} already.")
    facts = {**_facts(project), "clock": new.clock}
    await audit.note(connection, number, "project.created", project.id, None, facts)
    return number


async def change(
    connection: Session, revision: int, project: Project, new: ProjectChange, fixed: bool
) -> None:
    """Raises Conflict where zone or currency would change although they are `fixed`."""
    project = await _stored(connection, project)
    changes = {k: v for k, v in msgspec.structs.asdict(new).items() if v is not None}
    if new.vendor_programs is not None:
        changes["vendor_programs"] = {**project.vendor_programs, **new.vendor_programs}
    changed = replace(project, **changes)
    check(changed, currency=changed.currency != project.currency)
    for field in ("time_zone", "currency"):
        if fixed and getattr(project, field) != getattr(changed, field):
            reason = f"The {field} is fixed once a project has members; make another project."
            raise Conflict(path=field, reason=reason)
    await connection.execute(Sql.change_project, project.number, _encode(changed), revision)
    before, after = audit.difference(_facts(project), _facts(changed))
    if after:
        await audit.note(connection, project.number, "project.changed", project.id, before, after)


async def unname_program(
    connection: Session, revision: int, project: Project, program: str
) -> None:
    """No vendor's routes speak of a program any more."""
    project = await _stored(connection, project)
    rest = {v: name for v, name in project.vendor_programs.items() if name != program}
    if rest != project.vendor_programs:
        body = _encode(replace(project, vendor_programs=rest))
        await connection.execute(Sql.change_project, project.number, body, revision)


async def _stored(connection: Session, project: Project) -> Project:
    """A project as it is stored now: what another process changed a moment ago stays."""
    stored = decode(await connection.fetchval(Sql.project_body, project.number))
    return replace(stored, number=project.number)


async def move_clock(connection: Session, revision: int, project: Project, to: int) -> None:
    """Raises Conflict where the project is no sandbox, or its clock is later already."""
    if await connection.fetchval(Sql.move_clock, project.number, to, revision) is None:
        reason = "Only a sandbox's clock can be moved, and only forward."
        raise Conflict(path="advance_to", reason=reason)
    before, after = ({"clock": clock} for clock in (project.clock, to))
    await audit.note(connection, project.number, "clock.moved", project.id, before, after)


def _facts(project: Project) -> dict[str, Any]:
    """What the audit log shows of a project."""
    fields = ("name", "time_zone", "currency", "vendor_programs", "program_approval")
    presentations = dict.fromkeys(project.presentations, audit.HIDDEN)
    return {**{field: getattr(project, field) for field in fields}, "presentations": presentations}


def check(project: Project, *, currency: bool = True) -> None:
    """Raises Invalid, naming the field. A `currency` that stays is not looked at: it may be an
    older one."""
    if not project.name.strip() or len(project.name) > NAME_CHARACTERS_MAX:
        reason = f"The name must have 1 to {NAME_CHARACTERS_MAX} characters."
        raise Invalid(path="name", reason=reason)
    if not _ID.fullmatch(project.id):
        reason = f"The id {project.id!r} must be 1 to 64 letters, digits, '_', '.' or '-'."
        raise Invalid(path="id", reason=reason)
    if currency and project.currency not in CURRENCIES:
        reason = f"There is no currency {project.currency!r}; expected an ISO 4217 code like USD."
        raise Invalid(path="currency", reason=reason)
    try:
        zone(project.time_zone)
    except ValueError as error:
        reason = f"There is no time zone {project.time_zone!r}; expected a name like Europe/Berlin."
        raise Invalid(path="time_zone", reason=reason) from error


def find(projects: Iterable[Project], name: str) -> Project | None:
    """By id, else by name. Raises Conflict where several have that name."""
    named = []
    for project in projects:
        if project.id == name:
            return project
        if project.name == name:
            named.append(project)
    if len(named) > 1:
        several = ", ".join(project.id for project in named)
        raise Conflict(reason=f"Several projects are named {name!r}; say which: {several}.")
    return named[0] if named else None


async def have_members(database: Database, program_numbers: list[int]) -> bool:
    """Whether any of these programs has a member."""
    async with database.pool.acquire() as connection:
        for shard in range(database.shards):
            if await connection.fetchval(Sql.has_members, shard, program_numbers):
                return True
    return False


async def read_secrets(connection: Session, box: SecretBox, project: Project) -> dict[str, str]:
    sealed = await connection.fetchval(Sql.project_secrets, project.number)
    if sealed is None:
        return {}
    return msgspec.json.decode(box.open(sealed, sealed_for(project.id)), type=dict[str, str])


async def write_secrets(
    connection: Session, box: SecretBox, revision: int, project: Project, secrets: dict[str, str]
) -> None:
    sealed = box.seal(msgspec.json.encode(secrets), sealed_for(project.id))
    await connection.execute(Sql.seal_project, project.number, sealed, revision)


async def add_secret(
    connection: Session, revision: int, box: SecretBox, project: Project, name: str, fresh: str
) -> bool:
    """Stores a secret that signs for a project; False where it has one of that name already."""
    stored = await read_secrets(connection, box, project)
    if name in stored:
        return False
    await write_secrets(connection, box, revision, project, {**stored, name: fresh})
    return True


def sealed_for(project: str) -> str:
    return f"project {project}"


def _encode(project: Project) -> str:
    """The clock and the number are columns of their own; a vendor's program is a field of the
    text's top level, `<vendor>_program`."""
    programs = {vendor + _PROGRAM: program for vendor, program in project.vendor_programs.items()}
    elsewhere: dict[str, Any] = {"clock": None, "number": 0, "vendor_programs": {}}
    elsewhere |= {"state": "active", "tells_of_customers": False}
    body = msgspec.to_builtins(replace(project, **elsewhere))
    return msgspec.json.encode({**body, **programs}).decode()


def decode(text: str) -> Project:
    body = msgspec.json.decode(text, type=dict[str, Any])
    programs = {
        field.removesuffix(_PROGRAM): body.pop(field)
        for field in list(body)
        if field.endswith(_PROGRAM)
    }
    return msgspec.convert({**body, "vendor_programs": programs}, Project)


def hearing(
    owners: Mapping[int, Project], hears_customers: Callable[[int], bool]
) -> dict[int, Project]:
    """Returns the projects as they are, where one says whether anybody hears of customers."""
    return {
        number: project
        if project.tells_of_customers == hears_customers(number)
        else replace(project, tells_of_customers=hears_customers(number))
        for number, project in owners.items()
    }


def of_row(row: Any) -> Project:
    """From a record of `projects_since`."""
    facts = {"number": row["number"], "clock": row["clock"], "state": row["state"]}
    return replace(decode(row["body"]), **facts)
