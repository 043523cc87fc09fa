"""Importing a file: customers, what they bring along, and histories, through the one path.

Constant memory: records are read as there is room for them. Resumable twice over: a note beside
the file says how far everything is done, and every command's key follows from its record, so that
what is sent again counts once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.clock import Clock, wall
from tierline.errors import TierlineError
from tierline.ledger import commands
from tierline.ledger.batch import Catalog
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import Answer, Command
from tierline.ledger.files.records import Person, Record, RecordReader
from tierline.ledger.writer import Writer
from tierline.model.tenant import CARD, NameKind, Project
from tierline.store import bulk_customers, profiles
from tierline.store.database import Database
from tierline.store.profiles import Profile

BATCH: Final = 1_000  # commands a commit: nobody waits for a single one
SLICE: Final = 500  # records whose customers are written together
OPEN_MAX: Final = 4_000  # commands on their way
WRITES_MAX: Final = 8  # profiles at once
PROBLEMS_MAX: Final = 100
NOTE_S: Final = 1.0  # how often it is noted how far an import has come


class Problem(Struct, frozen=True):
    """A record that was refused."""

    line: int
    reason: str
    path: str | None = None


class Imported(Struct, frozen=True):
    """How far an import has come."""

    records: int = 0
    customers: int = 0
    commands: int = 0
    repeated: int = 0  # counted before: from an earlier run
    refused: int = 0
    problems: tuple[Problem, ...] = ()  # the first hundred

    def refuse(self, line: int, error: TierlineError) -> Imported:
        problems = self.problems
        if len(problems) < PROBLEMS_MAX:
            problems = (*problems, Problem(line, error.sentence, error.path))
        return replace(self, refused=self.refused + 1, problems=problems)


class Numbered(Catalog, Protocol):
    """What an import asks of the catalog besides."""

    async def make_room(self, project: int, number: int) -> None: ...


class Importer:
    """Imports files into one program of one project. `quiet`: decide, but announce nothing.
    `name_kinds` are the names that people may bring along, each in its column."""

    def __init__(
        self,
        database: Database,
        catalog: Numbered,
        writer: Writer,
        project: Project,
        program: int,
        *,
        quiet: bool = True,
        name_kinds: Iterable[NameKind] = (CARD,),
        clock: Clock = wall,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.writer = writer
        self.parser = CommandParser(project, program)
        self.quiet = quiet
        self.clock = clock
        self._reader = RecordReader(name_kinds)
        self._done = Imported()
        # (records before it, line, answer) of every command on its way
        self._open: deque[tuple[int, int, asyncio.Future[Answer]]] = deque()

    async def run(
        self,
        path: Path,
        on_progress: Callable[[Imported], None] = lambda _: None,
        *,
        resume: bool = True,
    ) -> Imported:
        """Import a file, from where an earlier run of it stopped."""
        note = path.with_name(path.name + ".progress")
        mark = await asyncio.to_thread(fingerprint, path)
        self._done = _noted(note, mark) if resume else Imported()
        rest = islice(self._reader.records(path), self._done.records, None)
        noted = monotonic()
        while batch := list(islice(rest, SLICE)):
            await self._slice(mark, batch)
            on_progress(self._done)
            if monotonic() - noted > NOTE_S:
                _keep(note, mark, self._settled())
                noted = monotonic()
        await self._await_until(0)
        note.unlink(missing_ok=True)
        on_progress(self._done)
        return self._done

    async def _slice(self, mark: str, batch: Sequence[Record]) -> None:
        gate = asyncio.Semaphore(WRITES_MAX)
        people = await self._with_newcomers_made(batch)
        refused = await asyncio.gather(*(self._write(record, gate) for record in people))
        bad = {id(record): error for record, error in zip(people, refused, strict=True) if error}
        sent: list[tuple[int, int, Command]] = []
        before, now = self._done.records, self._now()
        for i, record in enumerate(batch):
            try:
                if problem := record.problem or bad.get(id(record)):
                    raise problem
                if (command := self._command(record, mark, now)) is not None:
                    sent.append((before + i, record.line, command))
            except TierlineError as error:
                self._done = self._done.refuse(record.line, error)
        self._done = replace(self._done, records=before + len(batch))
        answers = await self.writer.accept([command for _, _, command in sent])
        self._open.extend(
            (before, line, answer) for (before, line, _), answer in zip(sent, answers, strict=True)
        )
        await self._await_until(OPEN_MAX)

    async def _with_newcomers_made(self, batch: Sequence[Record]) -> list[Record]:
        """Make the customers who are plainly new, at once; the records of the others."""
        people = [record for record in batch if record.person is not None]
        plain: dict[str, tuple[Record, Profile]] = {}
        for record in people:
            assert record.person is not None
            with suppress(TierlineError):
                plain.setdefault(record.person.customer, (record, record.person.profile()))
        profiles_of = {name: profile for name, (_, profile) in plain.items()}
        project = self.parser.program_ref.project
        numbers = (record.person.number or 0 for record in people if record.person is not None)
        # Numbers made here lie above those that come in, also while the import runs.
        await self.catalog.make_room(project.number, max(numbers, default=0))
        made = await bulk_customers.add(self.database, project, profiles_of, self._now())
        self._done = replace(self._done, customers=self._done.customers + len(made))
        done = {id(plain[name][0]) for name in made}
        return [record for record in people if id(record) not in done]

    async def _write(self, record: Record, gate: asyncio.Semaphore) -> TierlineError | None:
        """A person's profile and names; what is wrong with them."""
        assert record.person is not None
        try:
            profile = record.person.profile()
            async with gate:
                project = self.parser.program_ref.project
                name = record.person.customer
                await profiles.put(self.database, project, name, profile, self._now())
        except TierlineError as error:
            return error
        self._done = replace(self._done, customers=self._done.customers + 1)
        return None

    def _command(self, record: Record, mark: str, now: int) -> Command | None:
        if record.activity is not None:
            key = f"import:{mark}:{record.line}"
            command = self.parser.activity(record.activity, now, key=key)
            return commands.quietly(command) if self.quiet else command
        assert record.person is not None
        return self._opening(record.person) if record.person.joins else None

    def _opening(self, person: Person) -> Command:
        return commands.opening(
            self.parser.program_ref,
            person.customer,
            person.balance,
            person.detail(quiet=self.quiet),
            # One per customer and program, whichever file brings it.
            key=f"import:opening:{self.parser.program_ref.program}",
            occurred_at=person.enrolled(),
        )

    async def _await_until(self, most: int) -> None:
        """Take in answers until no more than so many commands are on their way."""
        counted = repeated = 0
        while len(self._open) > most:
            _, line, answer = self._open.popleft()
            try:
                outcome = await answer
            except TierlineError as error:
                self._done = self._done.refuse(line, error)
            else:
                counted += 1
                repeated += outcome.repeated
        done = self._done
        self._done = replace(
            done, commands=done.commands + counted, repeated=done.repeated + repeated
        )

    def _settled(self) -> Imported:
        """What may be noted as done: the records before the oldest that is still on its way."""
        return replace(self._done, records=self._open[0][0]) if self._open else self._done

    def _now(self) -> int:
        clock = self.catalog.project(self.parser.program_ref.project.number).clock
        return self.clock() if clock is None else clock


def fingerprint(path: Path) -> str:
    """Names a file by all that is in it, so that a note belongs to one content."""
    whole = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()


class _Note(Struct, frozen=True):
    mark: str
    done: Imported


def _noted(note: Path, mark: str) -> Imported:
    try:
        stored = msgspec.json.decode(note.read_bytes(), type=_Note)
    except (OSError, msgspec.MsgspecError):
        return Imported()
    return stored.done if stored.mark == mark else Imported()


def _keep(note: Path, mark: str, done: Imported) -> None:
    try:
        note.write_bytes(msgspec.json.encode(_Note(mark, done)))
    except OSError:
        return  # nowhere to note it: a second run is slower, and as right
