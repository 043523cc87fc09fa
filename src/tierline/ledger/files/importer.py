"""Importing a file: customers, what they bring along, and histories, through the one path.

1. A record goes in whole or not at all: whatever can be refused is looked at before the profile is
   written, by the checks of the API.
2. Every command's key follows from its record. What is sent again counts once; what says something
   else under the same key corrects: the entry is taken back and another one takes its place.
3. Constant memory, but for a few bytes a person: records are read as there is room for them. A note
   beside the file says how far everything is done, so that a stopped import goes on.
4. A dry run is the same walk with people and a writer that write nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import asdict, replace

from tierline.clock import Clock, wall
from tierline.errors import KeyReused, TierlineError
from tierline.ledger import commands
from tierline.ledger.closed_programs import refuse_closed
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import Answer, Command
from tierline.ledger.files.arrivals import Arrival, Arrivals
from tierline.ledger.files.corrections import Corrections
from tierline.ledger.files.erased_people import ErasedHere, ErasedPeople
from tierline.ledger.files.openings import opening
from tierline.ledger.files.order_lines import OrderLine, restored
from tierline.ledger.files.people import People, StoredPeople, TrialPeople
from tierline.ledger.files.progress import (
    Imported,
    Note,
    RecordProblem,
    added,
    alone,
    fingerprint,
    keep,
    read_note,
)
from tierline.ledger.files.records import InputFile, Record
from tierline.ledger.files.rejects import Output, Rejects
from tierline.ledger.files.trial import TrialWriter
from tierline.model.tenant import CARD, NameKind, Project
from tierline.rules.program import Program
from tierline.store.catalog import audit
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database

BATCH: Final = 1_000  # commands a commit: nobody waits for a single one
SLICE: Final = 1_000  # records whose customers are written together
OPEN_MAX: Final = 4_000  # commands on their way
PROBLEMS_MAX: Final = 100
NOTE_S: Final = 3.0  # how often it is noted how far an import has come


class CommandWriter(Protocol):
    """Where the commands of an import go."""

    async def accept(
        self, commands: Sequence[Command], *, bulk: bool = True
    ) -> list[asyncio.Future[Answer]]: ...


class _Sent(Struct, frozen=True):
    """A command on its way. `again`: this run sent another one under the same key."""

    record: Record
    command: Command
    again: bool


class Importer:
    """Imports files into one program of one project. `quiet`: decide, but announce nothing of what
    was before. `name_kinds` are the names that people may bring along, each in its column."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        writer: CommandWriter | None,
        project: Project,
        program: int,
        *,
        quiet: bool = True,
        name_kinds: Iterable[NameKind] = (CARD,),
        clock: Clock = wall,
    ) -> None:
        """Without a writer it is a dry run."""
        self.database = database
        self.catalog = catalog
        self.writer = writer
        self.parser = CommandParser(project, program)
        self.quiet = quiet
        self.allow_erased = False  # also who was erased here
        self.clock = clock
        self._name_kinds = tuple(name_kinds)
        self._columns = {f"names.{name.kind}": name.column for name in self._name_kinds}
        self._columns["source_id"] = "customer"
        self._textual = False  # a CSV file's metadata has no types
        self._done = Imported()
        self._open: deque[_Sent] = deque()
        self._answers: deque[asyncio.Future[Answer]] = deque()
        self._keys: set[int] = set()  # of (customer, key), hashed, as this run sent them

    async def run(
        self,
        path: Path,
        on_progress: Callable[[Imported], None] = lambda _: None,
        *,
        resume: bool = True,
        rejects: Path | Output | None = None,
    ) -> Imported:
        """Imports a file, from where an earlier run of it stopped. `rejects`: where the refused
        records go. Raises FileUnreadable when nothing can be made of the whole, and where another
        import of it runs."""
        with nullcontext() if self.writer is None else alone(path):
            return await self._run(path, on_progress, resume=resume, rejects=rejects)

    async def _run(
        self,
        path: Path,
        on_progress: Callable[[Imported], None],
        *,
        resume: bool,
        rejects: Path | Output | None,
    ) -> Imported:
        file = InputFile(path, self._name_kinds)
        self._textual = not file.is_json
        place = path.with_name(path.name + ".progress")
        mark = await asyncio.to_thread(fingerprint, path)
        note = Note(f"{mark} {self._target()}")
        if self.writer is not None and resume:
            note = read_note(place, note.mark)
        self._done = note.done
        await self._begin(file, rejects, note)
        if self.writer is None:
            return await self._records(file, mark, on_progress, lambda: None)
        await self._note_audit("import.begun", mark)
        try:
            with audit.acting(None):  # the import is noted, not each of its records
                await self._records(
                    file, mark, on_progress, lambda: keep(place, self._note(note.mark))
                )
        finally:
            for answer in self._answers:  # of a run that ends early: nobody waits for them
                answer.add_done_callback(_overlook)
        await asyncio.to_thread(place.unlink, missing_ok=True)
        await self._note_audit("import.ended", mark)
        return self._done

    def _target(self) -> str:
        """Where the records go, and how: what one place has taken in, another has not."""
        how = "quiet" if self.quiet else "aloud"
        return f"{self.database.epoch} {self.parser.program_ref.program} {how}"

    def _note(self, mark: str) -> Note:
        where, size = (None, 0) if self._rejects is None else self._rejects.extent()
        return Note(mark, self._done, where, size)

    async def _note_audit(self, kind: str, mark: str) -> None:
        counts = {f: n for f, n in asdict(self._done).items() if isinstance(n, int)}
        facts = {"program": self._program.id, "quiet": self.quiet, **counts}
        project = self.parser.program_ref.project.number
        async with self.database.pool.acquire() as connection, connection.transaction():
            await audit.note_import(connection, project, kind, mark, facts)

    async def _records(
        self,
        file: InputFile,
        mark: str,
        on_progress: Callable[[Imported], None],
        note: Callable[[], None],
    ) -> Imported:
        rest = islice(file.records(), self._done.records, None)
        noted_at = monotonic()
        while batch := list(islice(rest, SLICE)):
            await self._slice(mark, batch)
            on_progress(self._done)
            if monotonic() - noted_at > NOTE_S:
                await self._await_until(0)  # counts and rejects are those of the records so far
                note()
                noted_at = monotonic()
        await self._await_until(0)
        on_progress(self._done)
        return self._done

    async def _begin(self, file: InputFile, rejects: Path | Output | None, note: Note) -> None:
        project, number = self.parser.program_ref.project, self.parser.program_ref.program
        self._program: Program = await self.catalog.program_numbered(number)
        self._rejects = None
        if rejects is not None:
            self._rejects = Rejects(rejects, file, (note.rejects, note.rejects_size))
        self._people: People
        self._writer: CommandWriter
        if self.writer is None:
            self._people = TrialPeople(self.database, project)
            self._writer = self._trial_writer()
        else:
            tells = project.tells_of_customers and not self.quiet
            owner = replace(project, tells_of_customers=tells)
            self._people, self._writer = StoredPeople(self.database, owner), self.writer
        digests = self.catalog.digests
        self._corrections = Corrections(self.database, digests, project, number)
        self._arrivals = Arrivals(
            self.database, project, self._people, self._corrections, self._trial_writer
        )
        allowed = self.allow_erased
        self._erased = ErasedPeople(self.database, digests, project, allowed=allowed)

    # -- a slice of records -------------------------------------------------------------------

    async def _slice(self, mark: str, batch: Sequence[Record]) -> None:
        now = self._now()
        sound: list[tuple[Record, Command | None]] = []
        arrivals: list[Arrival] = []
        orders: list[tuple[Record, OrderLine]] = []
        erased = await self._erased.among(batch)
        for record in batch:
            if id(record) in erased:
                self._refuse(record, ErasedHere())
                continue
            if record.problem is not None:
                self._refuse(record, record.problem)  # raised here, it would hold this frame
                continue
            if record.order is not None:
                orders.append((record, record.order))
                continue
            try:
                command = self._command(record, mark, now)
                if command is not None:
                    refuse_closed(self.catalog.closures, command, now)
                if (person := record.person) is not None:
                    arrivals.append(Arrival(record, person.customer, person.profile(now), command))
                sound.append((record, command))
            except TierlineError as error:
                self._refuse(record, error)
        written = await self._write(arrivals, now)
        self._done = replace(self._done, records=self._done.records + len(batch))
        sent = [
            self._sent(record, command)
            for record, command in sound
            if command is not None and (record.person is None or id(record) in written)
        ]
        self._answers.extend(await self._writer.accept([s.command for s in sent]))
        self._open.extend(sent)
        for record, line in orders:
            trial = self.writer is None
            if why := await restored(self.database, self.parser.program_ref, line, trial=trial):
                self._refuse(record, why)
        await self._await_until(OPEN_MAX)

    def _command(self, record: Record, mark: str, now: int) -> Command | None:
        if record.activity is not None:
            key = f"import:{mark}:{record.line}"
            command = self.parser.activity(record.activity, now, key=key)
            if self._textual and command.detail is not None:
                command = replace(command, textual=True)
            return commands.quietly(command) if self.quiet else command
        if record.entry is not None:
            return record.entry.command(self.parser.program_ref, now, quiet=self.quiet)
        assert record.person is not None
        if not record.person.joins:
            return None
        facts = (self.parser.program_ref, self._program, record.person)
        return opening(*facts, now, quiet=self.quiet)

    def _trial_writer(self) -> TrialWriter:
        project, number = self.parser.program_ref.project, self.parser.program_ref.program
        facts = (project, number, self._program, self._now())
        return TrialWriter(self.database, self.catalog.digests, *facts)

    async def _write(self, arrivals: Sequence[Arrival], now: int) -> set[int]:
        """Writes the profiles of those that nothing speaks against; returns their records' ids."""
        if not arrivals:
            return set()
        if self.writer is not None:
            # Numbers made here lie above those that come in, also while the import runs.
            numbers = (a.profile.number for a in arrivals if isinstance(a.profile.number, int))
            await self.catalog.make_room(
                self.parser.program_ref.project.number, max(numbers, default=0)
            )
        written: set[int] = set()
        made = changed = ageless = 0
        for arrival, outcome in await self._arrivals.write(arrivals, now):
            if isinstance(outcome, TierlineError):
                self._refuse(arrival.record, outcome)
                continue
            written.add(id(arrival.record))
            made += outcome == "made"
            changed += outcome == "changed"
            ageless += arrival.ageless
        self._sum(made=made, changed=changed, ageless=ageless)
        return written

    def _sent(self, record: Record, command: Command) -> _Sent:
        # A key that was made from the line stands nowhere else.
        if record.activity is not None and b'"key"' not in record.activity:
            return _Sent(record, command, again=False)
        key = hash((command.customer, command.key))
        again = key in self._keys
        if record.activity is not None:
            self._keys.add(key)
        return _Sent(record, command, again)

    # -- answers ------------------------------------------------------------------------------

    async def _await_until(self, most: int) -> None:
        """Takes in answers until no more than so many commands are on their way."""
        doubtful: list[tuple[_Sent, bool]] = []
        counted: Counter[str] = Counter()
        repeated = uncounted = 0
        while len(self._open) > most:
            sent, answer = self._open[0], self._answers[0]
            try:
                outcome = await answer
            except KeyReused as error:
                if sent.again or sent.command.is_final:
                    self._refuse(sent.record, error)
                else:
                    doubtful.append((sent, False))
            except TierlineError as error:
                self._refuse(sent.record, error)
            else:
                if outcome.repeated and not sent.command.is_final:
                    doubtful.append((sent, True))
                else:
                    counted[sent.command.kind] += 1
                    uncounted += outcome.uncounted is not None
                    repeated += outcome.repeated
            self._open.popleft()
            self._answers.popleft()
        self._count(counted)
        self._sum(repeated=repeated, uncounted=uncounted)
        if doubtful:
            await self._correct(doubtful)

    async def _correct(self, doubtful: Sequence[tuple[_Sent, bool]]) -> None:
        """Records that were here before: what says the same is counted, what does not corrects."""
        plans = await self._corrections.plan([(s.command, same) for s, same in doubtful])
        corrections = [(s, plan) for (s, _), plan in zip(doubtful, plans, strict=True) if plan]
        pairs = zip(doubtful, plans, strict=True)
        counted: Counter[str] = Counter(s.command.kind for (s, _), plan in pairs if plan is None)
        repeated, corrected = counted.total(), 0
        answers = await self._writer.accept([plan for _, plan in corrections])
        for (sent, _), answer in zip(corrections, answers, strict=True):
            try:
                await answer
            except TierlineError as error:
                self._refuse(sent.record, error)
            else:
                corrected += 1
                counted[sent.command.kind] += 1
        self._count(counted)
        self._sum(repeated=repeated, corrected=corrected)

    def _sum(self, **more: int) -> None:
        sums = {field: getattr(self._done, field) + count for field, count in more.items()}
        self._done = replace(self._done, **sums)

    def _count(self, kinds: Counter[str]) -> None:
        done = self._done
        commands = done.commands + kinds.total()
        self._done = replace(done, commands=commands, kinds=added(done.kinds, kinds))

    def _refuse(self, record: Record, error: TierlineError) -> None:
        if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise error  # it says nothing of this record: the same file again goes on here
        path = self._columns.get(error.path or "", error.path)
        problem = RecordProblem(record.line, error.sentence, path)
        problems = self._done.problems
        if len(problems) < PROBLEMS_MAX:
            problems = (*problems, problem)
        column = (path or "").partition(".")[0].partition("[")[0]
        columns = added(self._done.columns, {column: 1})
        self._done = replace(
            self._done, refused=self._done.refused + 1, columns=columns, problems=problems
        )
        if self._rejects is not None:
            self._rejects.add(record, problem.sentence)

    def _now(self) -> int:
        clock = self.catalog.project(self.parser.program_ref.project.number).clock
        return self.clock() if clock is None else clock


def _overlook(answer: asyncio.Future[Answer]) -> None:
    if not answer.cancelled():
        answer.exception()
