"""In which programs an event or an order counts: where its customer is a member, and where a rule
answers it and the program enrols by itself."""

from __future__ import annotations

from msgspec import Struct

from tierline.rules.earning_rule import ActivityTrigger
from tierline.rules.program import Program
from tierline.store.customers import CustomerRow
from tierline.store.shared_reads import CustomerStandings
from tierline.vendors.voucherify.api import customer_attributes, members, memberships, programs
from tierline.vendors.voucherify.api.memberships import Member
from tierline.web.routing import Call


class Participant(Struct, frozen=True):
    """A program for which something counts; `member` where its customer is one already."""

    number: int
    program: Program
    member: Member | None = None


def answers(program: Program, at: int, kind: str, name: str | None) -> bool:
    """Whether a rule in force gives points for such an activity at this instant."""
    points = program.version(at).rules.points
    if kind == "order" and points.orders is not None:
        return True
    return any(
        isinstance(rule.trigger, ActivityTrigger)
        and rule.trigger.concerns(kind, name)
        and rule.runs_at(at, program.zone)
        for rule in points.rules
    )


async def participants(
    call: Call, holder: CustomerStandings, kind: str, name: str | None
) -> list[Participant]:
    """Returns where it counts, oldest program first. Who has left a program is not asked in
    again."""
    stored = await memberships.standings_of(call, holder)
    chosen = []
    for number, program in await programs.programs(call):
        standing = stored.get(number)
        if standing is not None:
            member = await memberships.current(call, holder.row, number, program, standing)
            if member.joined:
                await customer_attributes.note(call, member)
                chosen.append(Participant(number, program, member))
        elif program.version(call.now).rules.auto_join and answers(program, call.now, kind, name):
            chosen.append(Participant(number, program))
    return chosen


async def welcome(call: Call, row: CustomerRow, participant: Participant) -> None:
    """Gives a card to who has just joined by what they did, and notes what the rules ask for: of
    one who was no member before."""
    member = await memberships.in_program(call, row, participant.number, participant.program)
    if member is None or not member.joined:
        return
    await members.give_card(call, member)
    await customer_attributes.note(call, member)
