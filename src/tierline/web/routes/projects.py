"""The project that a key speaks for: what it is, its keys, and a sandbox's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType

from tierline.errors import Forbidden, Refused
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.tenant import Project
from tierline.model.validation import FieldWarning
from tierline.store.catalog import keys
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.key_uses import last_uses
from tierline.store.catalog.keys import NATIVE, Key
from tierline.store.catalog.projects import ProjectChange, namesakes
from tierline.vendors import registry
from tierline.web import request_body
from tierline.web.routing import Call, Operation, Reply

if TYPE_CHECKING:

    class VendorPrograms(Struct, frozen=True):
        """The program that a vendor's routes speak of: `<vendor>_program`."""
else:
    VendorPrograms = registry.struct_of(
        "VendorPrograms",
        [(field, str | None, None) for field in registry.PROGRAM_FIELDS],
        frozen=True,
    )


class ProjectBody(VendorPrograms, frozen=True, forbid_unknown_fields=True):
    """What is not said stays as it is. Zone and currency are fixed once there are members."""

    name: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    presentations: dict[str, dict[str, Any]] | None = None
    program_approval: bool | None = None


class ProjectAnswer(VendorPrograms, frozen=True):
    """A project; `clock` is a sandbox's own time, null for wall time."""

    id: str
    name: str
    time_zone: str
    currency: str
    clock: str | None
    presentations: dict[str, dict[str, Any]]
    program_approval: bool
    warnings: tuple[FieldWarning, ...]


class ClockBody(Struct, frozen=True, forbid_unknown_fields=True):
    advance_to: str


class ClockAnswer(Struct, frozen=True):
    clock: str


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A key can only pass on scopes that it holds itself."""

    kind: str = "native"
    scopes: tuple[str, ...] = ()  # empty: all that the calling key holds
    label: str = ""


if TYPE_CHECKING:

    class KeySecrets(Struct, frozen=True):
        """What a key of some kind is shown with."""
else:
    KeySecrets = registry.struct_of(
        "KeySecrets",
        [
            (name, type_ | UnsetType, UNSET)
            for kind in (NATIVE, *registry.KEY_KINDS)
            for name, type_ in kind.answer_fields.items()
        ],
        frozen=True,
    )


class NewKeyAnswer(KeySecrets, frozen=True, kw_only=True):
    """A new key with its secrets, for the only time: a native one has `key`, a vendor's what that
    vendor calls its credentials."""

    id: str
    kind: str
    project_id: str
    scopes: tuple[str, ...]


class KeyLine(Struct, frozen=True):
    """A key without its secret. `kind` names the door that it opens; `beginning` has the first
    characters of its token or id. `last_used_at`: to the minute, null for not yet."""

    id: str
    kind: str
    scopes: tuple[str, ...]
    label: str
    beginning: str
    created_at: str
    last_used_at: str | None
    disabled_at: str | None


class KeyList(Struct, frozen=True):
    keys: tuple[KeyLine, ...]


async def get_project(call: Call) -> ProjectAnswer:
    return _answer(call.parts.catalog, call.project)


async def patch_project(call: Call, body: ProjectBody) -> ProjectAnswer:
    catalog, project = call.parts.catalog, call.project
    programs = {}
    for field, vendor in registry.PROGRAM_FIELDS.items():
        program: str | None = getattr(body, field)
        if program is not None:
            await catalog.need_program(project.number, program)
            programs[vendor] = program
    presentations = body.presentations
    if presentations is not None:
        presentations = request_body.free_json(presentations, "presentations")
    if body.program_approval not in (None, project.program_approval):
        call.caller.require("manage_keys")  # else whoever it binds could free themselves
    change = ProjectChange(
        name=None if body.name is None else request_body.name(body.name, "name"),
        time_zone=body.time_zone,
        currency=body.currency,
        vendor_programs=programs or None,
        presentations=presentations,
        program_approval=body.program_approval,
    )
    return _answer(catalog, await catalog.change_project(project.number, change))


async def post_clock(call: Call, body: ClockBody) -> ClockAnswer:
    to = validation.instant(body.advance_to, "advance_to")
    project = call.project
    if project.clock is None:
        reason = f"Project {project.id} runs on wall time; only a sandbox's clock can be moved."
        raise Refused(path="advance_to", reason=reason)
    if to < project.clock:
        reason = f"advance_to: the clock is at {format_instant(project.clock)} and never goes back."
        raise Refused(path="advance_to", reason=reason)
    await call.parts.advance(project.number, to)
    return ClockAnswer(format_instant(to))


async def list_keys(call: Call) -> KeyList:
    database, catalog, number = call.parts.database, call.parts.catalog, call.project.number
    await catalog.key_uses.write(database, call.wall)
    uses = await last_uses(database, number)
    return KeyList(tuple(_line(key, uses.get(key.id)) for key in catalog.keys(number)))


async def post_key(call: Call, body: KeyBody) -> Reply:
    own_scopes = call.caller.scopes
    further = keys.kind_of(call.parts.catalog.key_kinds, body.kind).scopes
    for scope in body.scopes:
        if further.get(scope, scope) not in own_scopes:
            raise Forbidden(scope=scope, path="scopes")
    passed = [scope for scope, needed in further.items() if needed in own_scopes]
    scopes = body.scopes or (*sorted(own_scopes), *passed)
    catalog, label = call.parts.catalog, body.label and request_body.name(body.label, "label")
    new_key = await catalog.add_key(
        call.project.number, body.kind, scopes, label, call.wall, own_scopes
    )
    return Reply(201, new_key)


async def delete_key(call: Call) -> Reply:
    await call.parts.catalog.disable_key(call.param("key"), call.wall, call.project.number)
    return Reply(204)


def _answer(catalog: Catalog, project: Project) -> ProjectAnswer:
    # Whose the other ones are is not said: they may be another tenant's.
    reason = "another project of this installation has this name; tell them apart by their ids."
    twins = bool(namesakes(catalog.projects(), project))
    return ProjectAnswer(
        id=project.id,
        name=project.name,
        time_zone=project.time_zone,
        currency=project.currency,
        clock=None if project.clock is None else format_instant(project.clock),
        presentations=project.presentations,
        program_approval=project.program_approval,
        warnings=(FieldWarning("name", reason),) if twins else (),
        **{
            field: project.vendor_programs.get(vendor)
            for field, vendor in registry.PROGRAM_FIELDS.items()
        },
    )


def _line(key: Key, used_at: int | None) -> KeyLine:
    return KeyLine(
        id=key.id,
        kind=key.kind,
        scopes=tuple(sorted(key.scopes)),
        label=key.label,
        beginning=key.beginning,
        created_at=format_instant(key.created_at),
        last_used_at=None if used_at is None else format_instant(used_at),
        disabled_at=None if key.disabled_at is None else format_instant(key.disabled_at),
    )


OPERATIONS = (
    Operation(
        "GET", "/api/project", get_project, "The project that the key speaks for.",
        scopes=("read_programs",), answer=ProjectAnswer,
    ),
    Operation(
        "PATCH", "/api/project", patch_project, "Changes the project.",
        scopes=("write_programs",), body=ProjectBody, answer=ProjectAnswer,
    ),
    Operation(
        "POST", "/api/clock", post_clock,
        "Moves a sandbox's clock; what falls due on the way is committed before the answer.",
        scopes=("write_customers",), body=ClockBody, answer=ClockAnswer,
    ),
    Operation(
        "GET", "/api/keys", list_keys, "The project's keys, without their secrets.",
        scopes=("manage_keys",), answer=KeyList,
    ),
    Operation(
        "POST", "/api/keys", post_key, "Makes a key; its secrets are shown only in this answer.",
        scopes=("manage_keys",), body=KeyBody, optional=True, status=201, answer=NewKeyAnswer,
    ),
    Operation(
        "DELETE", "/api/keys/{key}", delete_key, "Disables a key for good.",
        scopes=("manage_keys",), status=204,
    ),
)  # fmt: skip
