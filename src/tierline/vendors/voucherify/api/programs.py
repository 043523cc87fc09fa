"""Programs by Voucherify's names for them: a campaign's id, or its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tierline.errors import NotFound
from tierline.rules.program import Program
from tierline.vendors.voucherify.objects import Presentation, presentation
from tierline.web.routing import Call


def words(call: Call, program: Program, number: int | None = None) -> Presentation:
    """Returns the version in force (or the one of this number) in Voucherify's words, whatever
    words it was made in."""
    version = program.version(call.now) if number is None else program.versions[number - 1]
    return presentation(version, call.project.id, program.id)


def campaign_of(call: Call, program: Program) -> dict[str, Any]:
    return words(call, program).campaign


def has_ended(call: Call, number: int) -> bool:
    """Whether a program has ended: a campaign that was deleted is one."""
    closure = call.parts.catalog.closures.get(number)
    return closure is not None and closure.ended_at is not None and call.now >= closure.ended_at


async def programs(call: Call) -> list[tuple[int, Program]]:
    """Returns the project's programs with their numbers, oldest first, but for those that have
    ended."""
    catalog, numbered = call.parts.catalog, []
    for row in catalog.programs(call.project.number):
        if not has_ended(call, row.number):
            program = await catalog.program_numbered(row.number, row.latest)
            numbered.append((row.number, program))
    return numbered


async def find_or_none(call: Call, name: str) -> tuple[int, Program] | None:
    """Returns a program by its campaign's id, our own id for it, or its campaign's name."""
    numbered = await programs(call)
    ways: tuple[Callable[[Program], str], ...] = (
        lambda program: str(campaign_of(call, program)["id"]),
        lambda program: program.id,
        lambda program: str(campaign_of(call, program)["name"]),
    )
    for way in ways:
        for number, program in numbered:
            if way(program) == name:
                return number, program
    return None


async def find(call: Call, name: str) -> tuple[int, Program]:
    """As `find_or_none`, looking again for what another process made. Raises NotFound."""
    match = await find_or_none(call, name)
    if match is None:
        await call.parts.catalog.refresh_soon()
        match = await find_or_none(call, name)
    if match is None:
        raise NotFound(what="campaign", name=name, path="campaign")
    return match
