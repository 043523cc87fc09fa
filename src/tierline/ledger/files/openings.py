"""What somebody brings along from elsewhere, as the command that opens their membership."""

from __future__ import annotations

from msgspec.structs import replace

from tierline.errors import Invalid
from tierline.ledger import commands, member_limits
from tierline.ledger.commands import Command, ProgramRef
from tierline.ledger.files.person import Person
from tierline.rules.program import Program


def opening(
    program_ref: ProgramRef, program: Program, person: Person, now: int, *, quiet: bool
) -> Command:
    """Returns the command. Raises Invalid for a tier that the program lacks, and for more than a
    member may hold."""
    points, enrolled_at, detail = person.opening()
    tier, rank = detail.tier, program.version(now).rank
    if tier is not None and tier not in rank:
        reason = f"tier: the program has no tier {tier!r}; tiers are {', '.join(rank)}."
        raise Invalid(path="tier", reason=reason)
    if len(detail.lots) > member_limits.LOTS_MAX:
        reason = f"lots: a member holds at most {member_limits.LOTS_MAX}."
        raise Invalid(path="lots", reason=reason)
    elsewhere = quiet and detail.standing is not None
    return commands.opening(
        program_ref,
        person.customer,
        points,
        replace(detail, quiet=quiet, elsewhere=elsewhere),
        # One per customer and program, whichever file brings it.
        key=f"import:opening:{program_ref.program}",
        occurred_at=enrolled_at,
    )
