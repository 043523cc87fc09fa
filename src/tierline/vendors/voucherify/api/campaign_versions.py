"""A campaign's rules in Voucherify's words: what they are, and how a change becomes a version."""

from __future__ import annotations

import asyncio
from typing import Any

from tierline.errors import Conflict, Invalid
from tierline.proposals import ProgramBody, refuse_broken
from tierline.rules.program import OnChange, Program, Rules
from tierline.store.catalog.programs import NewVersion, Put
from tierline.vendors.registry import compile_settings
from tierline.vendors.vendor import ProgramFacts
from tierline.vendors.voucherify.api import campaign_settings, programs
from tierline.vendors.voucherify.objects import NAME
from tierline.web.routes.programs import put_rules, rules_of
from tierline.web.routing import Call

Json = dict[str, Any]
MOMENT_MS = 5_000  # what is farther ahead was scheduled by somebody


class NotInTheseWords(Conflict):
    """The program {program!r} has rules that Voucherify's words cannot say; change it by
    PUT /api/programs/{program}."""

    code = "not_in_these_words"
    status = 400


def settings(call: Call, program: Program) -> Json:
    """The settings of a program's newest version, which may come into force in a moment. Raises
    NotInTheseWords where they say less than its rules: what was laid over them would be lost with
    the next change."""
    words = programs.words(call, program, len(program.versions))
    whole = campaign_settings.settings_of(words)
    rules = program.versions[-1].rules
    facts = ProgramFacts(
        program.id, call.project.id, call.now, call.project.currency, rules.name, rules
    )
    readings = (whole, campaign_settings.as_kept_only(whole))
    if not any(_same(rules, compile_settings(NAME, each, facts)) for each in readings):
        raise NotInTheseWords(program=program.id)
    return whole


def _same(rules: Rules, other: Rules) -> bool:
    parts = [(each.policy, each.points, each.auto_join) for each in (rules, other)]
    return parts[0] == parts[1]


async def newest(call: Call) -> Program:
    """The program that the path names, with the newest version, whoever wrote it. One that comes
    into force in a moment is waited for: the next may not come before it."""
    await call.parts.catalog.refresh()
    _, program = await programs.find(call, call.param("campaign"))
    ahead_ms = program.versions[-1].effective_at - call.now
    if call.project.clock is None and 0 < ahead_ms <= MOMENT_MS:
        await asyncio.sleep(ahead_ms / 1000)
        call.wall = call.parts.clock()
    return program


async def put(
    call: Call, program_id: str, settings: Json, on_change: OnChange, based_on: int
) -> Put:
    """Writes a version of the program, in force when this returns. Raises ProgramChanged where
    somebody else wrote one meanwhile."""
    body = ProgramBody(format=NAME, settings=settings, on_change=on_change)
    try:
        rules = await rules_of(call, program_id, body)
    except Invalid as error:
        reason = error.sentence.removeprefix("settings.")
        raise Invalid(path=(error.path or "").removeprefix("settings."), reason=reason) from None
    refuse_broken(rules)
    new = NewVersion(rules, call.raw.decode(), None, on_change, supersede=False, based_on=based_on)
    return await put_rules(call, program_id, new)
