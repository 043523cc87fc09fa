"""What a program that is paused or has ended refuses: whatever would begin something new.

Time passes as ever, and what settles the past goes on: refunds, voids, approvals, points that are
on their way, leaving, and what operators adjust or override. A statement of a whole order may hold
both, so it is refused, and told again later. One that is deleted takes nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tierline.errors import NotFound, TierlineError
from tierline.ledger.commands import Command
from tierline.store.catalog.closures import Closure

REFUSED: Final = frozenset(
    {"earn", "order", "custom", "redeem", "transfer_out", "enrol", "opening", "attribute"}
)


class ProgramPaused(TierlineError):
    """Program {program!r} is paused and takes nothing new; resume it, or send this again later."""

    code = "program_paused"
    status = 422


class ProgramEnded(TierlineError):
    """Program {program!r} has ended and takes nothing new; send this to the one that follows."""

    code = "program_ended"
    status = 422


def refusal(closures: Mapping[int, Closure], command: Command, now: int) -> TierlineError | None:
    """Returns why a command is refused at an instant of its project's time; None: it is not."""
    closure = closures.get(command.program)
    if closure is not None and closure.deleted:
        return NotFound(what="program", name=closure.program, path="program")
    if closure is None or not (command.kind in REFUSED or command.order is not None):
        return None
    if closure.ended_at is not None and now >= closure.ended_at:
        return ProgramEnded(program=closure.program)
    return ProgramPaused(program=closure.program) if closure.paused else None


def refuse_closed(closures: Mapping[int, Closure], command: Command, now: int) -> None:
    """Raises what `refusal` returns."""
    error = refusal(closures, command, now)
    if error is not None:
        raise error
