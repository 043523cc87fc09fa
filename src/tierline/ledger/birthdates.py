"""The profile's birthdate as the attribute that birthday rules read.

The engine reads the ledger alone. So where a program's rules ask for birthdays, the birthdate of a
profile is written down for the member: in the batch in which they join, when the profile says
another one, and when such rules are new (`sweep/birthdate_walk`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from tierline.engine.decide import HistoryNeeded
from tierline.errors import TierlineError
from tierline.ledger import commands
from tierline.ledger.commands import Answer, Command, ProgramRef, quietly
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store import customers

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

ATTRIBUTE: Final = "birthdate"
SERVER_ERROR: Final = 500  # the statuses from here on: what may be asked again


class NumberedPrograms(Protocol):
    """The catalog, as far as it is asked here."""

    async def program_numbered(self, number: int, latest: int = 0) -> Program:
        """Returns a program with its versions."""


def attribute_of(birthdate: str | None) -> str | None:
    """Returns a birthdate as rules read it: `--05-17`, of a year that is not known, is `05-17`."""
    return None if birthdate is None else birthdate.removeprefix("--")


async def add_at_joining(
    connection: Session,
    shards: int,
    project_of: Callable[[int], Project],
    work: Iterable[tuple[MemberAggregate, Command]],
) -> None:
    """Adds the attribute to whom a batch makes a member, in that batch."""
    new: dict[int, tuple[MemberAggregate, Command]] = {}
    for aggregate, command in work:
        standing = aggregate.standing
        if aggregate.first_standing.entries or standing.joined_at is None:
            continue
        if aggregate.program.asks_birthdates(standing.at) and command.entry is None:
            new.setdefault(id(aggregate), (aggregate, command))
    for aggregate, command in new.values():
        row = await customers.read(connection, shards, aggregate.customer)
        birthdate = None if row is None else attribute_of(row.customer.birthdate)
        if birthdate is None or ATTRIBUTE in aggregate.standing.attributes:
            continue
        ref = ProgramRef(project_of(command.project), aggregate.number)
        noted = commands.attributes(
            ref, command.customer, {ATTRIBUTE: birthdate}, number=aggregate.customer
        )
        quiet = command.detail is not None and command.detail.quiet
        try:
            aggregate.take(0, quietly(noted) if quiet else noted)
        except (TierlineError, HistoryNeeded):
            continue  # a member who may hold no more attributes


async def write_down(
    programs: NumberedPrograms,
    submit: Callable[[Command], Awaitable[Answer]],
    ref: Callable[[int], ProgramRef],
    customer: tuple[int, str],
    birthdate: str | None,
    standings: Mapping[int, Standing],
) -> None:
    """Writes a profile's new birthdate down wherever the customer (id and a name) is a member of a
    program whose rules ask for it."""
    value = attribute_of(birthdate)
    for number, standing in standings.items():
        if standing.joined_at is None or standing.attributes.get(ATTRIBUTE) == value:
            continue
        program = await programs.program_numbered(number)
        if not program.asks_birthdates(standing.at):
            continue
        values = {ATTRIBUTE: value}
        try:
            await submit(commands.attributes(ref(number), customer[1], values, number=customer[0]))
        except TierlineError as error:
            if error.status >= SERVER_ERROR:
                raise  # asked again, it goes on
