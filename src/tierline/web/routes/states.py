"""Programs and projects that are paused, ended, or go on."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tierline.errors import Invalid
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.store.catalog.closures import StateChange
from tierline.web.routing import Call, Operation

_PROGRAM = "/api/programs/{program}"


class EndBody(Struct, frozen=True, forbid_unknown_fields=True):
    """From when on; now if not given."""

    at: str | None = None


class ProgramState(Struct, frozen=True):
    """Whether a program takes new activities. `paused` may be its project's doing."""

    program: str
    state: Literal["active", "paused", "ended"]
    ended_at: str | None


async def get_state(call: Call) -> ProgramState:
    number, program = await call.parts.catalog.need_program(
        call.project.number, call.param("program")
    )
    closure = call.parts.catalog.closures.get(number)
    if closure is None:
        return ProgramState(program.id, "active", None)
    ended_at = closure.ended_at
    state: Literal["active", "paused", "ended"] = "paused" if closure.paused else "active"
    if ended_at is not None and call.now >= ended_at:
        state = "ended"
    return ProgramState(program.id, state, None if ended_at is None else format_instant(ended_at))


async def pause_program(call: Call) -> ProgramState:
    return await _change(call, StateChange(call.project.number, "paused", call.param("program")))


async def resume_program(call: Call) -> ProgramState:
    return await _change(call, StateChange(call.project.number, "resumed", call.param("program")))


async def end_program(call: Call, body: EndBody) -> ProgramState:
    at = call.now if body.at is None else validation.instant(body.at, "at")
    if at < call.now:
        raise Invalid(path="at", reason="at: a program ends now or later, never in the past.")
    return await _change(call, StateChange(call.project.number, "ended", call.param("program"), at))


async def _change(call: Call, change: StateChange) -> ProgramState:
    await call.parts.catalog.change_state(change)
    return await get_state(call)


class ProjectState(Struct, frozen=True):
    """Whether the programs of a project take new activities."""

    project: str
    state: Literal["active", "paused", "erasing", "deleted"]


async def pause_project(call: Call) -> ProjectState:
    return await _change_project(call, StateChange(call.project.number, "paused"))


async def resume_project(call: Call) -> ProjectState:
    return await _change_project(call, StateChange(call.project.number, "resumed"))


async def _change_project(call: Call, change: StateChange) -> ProjectState:
    await call.parts.catalog.change_state(change)
    return ProjectState(call.project.id, call.project.state)


_WRITE = ("write_programs",)
OPERATIONS = (
    Operation(
        "GET", f"{_PROGRAM}/state", get_state, "Whether a program takes new activities.",
        scopes=("read_programs",), answer=ProgramState,
    ),
    Operation(
        "POST", f"{_PROGRAM}/pause", pause_program,
        "Lets a program take nothing new; time passes, and the past can be settled.",
        scopes=_WRITE, answer=ProgramState,
    ),
    Operation(
        "POST", f"{_PROGRAM}/resume", resume_program,
        "Lets a program go on, whether it was paused or ended.",
        scopes=_WRITE, answer=ProgramState,
    ),
    Operation(
        "POST", f"{_PROGRAM}/end", end_program,
        "Ends a program, now or at an instant; members keep tiers and points.",
        scopes=_WRITE, body=EndBody, optional=True, answer=ProgramState,
    ),
    Operation(
        "POST", "/api/project/pause", pause_project,
        "Lets all programs of the project take nothing new.", scopes=_WRITE, answer=ProjectState,
    ),
    Operation(
        "POST", "/api/project/resume", resume_project,
        "Lets the project's programs go on, but for those that are paused themselves.",
        scopes=_WRITE, answer=ProjectState,
    ),
)  # fmt: skip
