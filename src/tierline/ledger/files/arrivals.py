"""The people of a file on their way in: whatever speaks against a record is found before anything
of it is written.

A file says of one person once what they bring. A second record that says something else of them is
refused, for nobody knows which is meant; one that says the same counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from tierline.errors import Invalid, KeyReused, TierlineError
from tierline.ledger.commands import Command
from tierline.ledger.files.corrections import Corrections
from tierline.ledger.files.people import Outcome, People, numbers_of
from tierline.ledger.files.records import Record
from tierline.ledger.files.trial import TrialWriter
from tierline.model.tenant import Project
from tierline.store.database import Database
from tierline.store.profiles import Profile


class Arrival(Struct, frozen=True):
    """A record of a person, with what it makes. `command`: where they become a member."""

    record: Record
    customer: str
    profile: Profile
    command: Command | None

    @property
    def ageless(self) -> bool:
        """Whether points come without a word on when they expire."""
        return self.record.person is not None and self.record.person.ageless


class Arrivals:
    """Lets people in, those of one slice of a file at a time. `trial` makes a ledger that records
    nothing."""

    def __init__(
        self,
        database: Database,
        project: Project,
        people: People,
        corrections: Corrections,
        trial: Callable[[], TrialWriter],
    ) -> None:
        self.database = database
        self.project = project
        self.people = people
        self.corrections = corrections
        self.trial = trial
        self._brought: dict[int, int] = {}  # by customer, what this run let them bring; hashes

    async def write(self, arrivals: Sequence[Arrival], now: int) -> list[tuple[Arrival, Outcome]]:
        """Writes the profiles of those that nothing speaks against. Returns what became of each."""
        outcomes: list[tuple[Arrival, Outcome]] = []
        for each_once in _rounds(arrivals):
            outcomes += await self._write(each_once, now)
        return outcomes

    async def _write(self, arrivals: Sequence[Arrival], now: int) -> list[tuple[Arrival, Outcome]]:
        refusals: dict[int, TierlineError] = {}
        for arrival in arrivals:
            if self._says_otherwise(arrival):
                reason = (
                    "another record in this file says something else of them; keep one of both."
                )
                refusals[id(arrival)] = Invalid(path="customer", reason=f"customer: {reason}")
        rest = [arrival for arrival in arrivals if id(arrival) not in refusals]
        refusals |= await self._would_refuse(rest)
        good = [arrival for arrival in rest if id(arrival) not in refusals]
        people = [(arrival.customer, arrival.profile) for arrival in good]
        outcomes = await self.people.write(people, now) if people else []
        for arrival, outcome in zip(good, outcomes, strict=True):
            if arrival.command is not None and not isinstance(outcome, TierlineError):
                self._brought[hash(arrival.customer)] = hash(arrival.command.digest)
        bad = [(a, refusals[id(a)]) for a in arrivals if id(a) in refusals]
        return [*zip(good, outcomes, strict=True), *bad]

    def _says_otherwise(self, arrival: Arrival) -> bool:
        before = self._brought.get(hash(arrival.customer))
        command = arrival.command
        return before is not None and command is not None and before != hash(command.digest)

    async def _would_refuse(self, arrivals: Sequence[Arrival]) -> dict[int, TierlineError]:
        """What the ledger would refuse: of people who exist, and of a standing from elsewhere."""
        openings = [(a, a.command) for a in arrivals if a.command is not None]
        if not openings:
            return {}
        numbers = await numbers_of(self.database, self.project, [a.customer for a, _ in openings])
        doubtful = [(a, c) for a, c in openings if a.customer in numbers or _carries(c)]
        if not doubtful:
            return {}
        trial = self.trial()
        answers = await trial.accept([command for _, command in doubtful])
        errors = [answer.exception() for answer in answers]
        repeated = [c for (_, c), e in zip(doubtful, errors, strict=True) if _reused(e)]
        plans = iter(
            await self.corrections.plan([(c, False) for c in repeated]) if repeated else ()
        )
        refusals: dict[int, TierlineError] = {}
        for (arrival, _), first in zip(doubtful, errors, strict=True):
            error = first
            if _reused(first) and (plan := next(plans)) is not None:
                (answer,) = await trial.accept([plan])
                error = answer.exception()
            if isinstance(error, TierlineError) and not _reused(error):
                refusals[id(arrival)] = error
        return refusals


def _rounds(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Divides them so that nobody stands twice in one round, and each person's order stays."""
    rest = list(arrivals)
    while rest:
        names: set[str] = set()
        once: list[Arrival] = []
        later: list[Arrival] = []
        for arrival in rest:
            (later if arrival.customer in names else once).append(arrival)
            names.add(arrival.customer)
        yield once
        rest = later


def _carries(command: Command) -> bool:
    """Whether it brings a whole standing, of which the ledger knows more than the file."""
    return command.detail is not None and command.detail.standing is not None


def _reused(error: BaseException | None) -> bool:
    return isinstance(error, KeyReused)
