"""A batch: some commands of one shard, one transaction. Load, decide, write, commit.

Locks are taken in one order everywhere: second halves of transfers, members by id, new members in
order, the shard's head last; nothing waits after it. A refused command answers with its error and
leaves the others alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog
from msgspec import Struct

from tierline.engine.decide import HistoryNeeded
from tierline.errors import KeyReused, NotFound, TierlineError
from tierline.ledger.command_handlers import joins
from tierline.ledger.commands import Answer, Command
from tierline.ledger.member_aggregate import MemberAggregate, first_answer
from tierline.ledger.reversal import SPEAKING, Original
from tierline.ledger.transfers.legs import Outcome, TransferLegs
from tierline.model import ids
from tierline.model.encoding import decode_standing
from tierline.model.entries import Detail, Entry
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store import customers
from tierline.store.ledger_transaction import CountDiffers, LedgerTx
from tierline.store.transfers import Intent

_event_text = msgspec.json.Encoder().encode
_read_detail = msgspec.json.Decoder(Detail).decode
_NOBODY: Final = Standing()
BREATH: Final = 50  # members decided at a stretch, about a millisecond; then others may go on
_log = structlog.get_logger("tierline.ledger")


class Catalog(Protocol):
    """What the ledger asks of the catalog."""

    def project(self, number: int) -> Project: ...
    async def program_numbered(self, number: int, latest: int = 0) -> Program: ...


class Done(Struct, frozen=True):
    """A batch that is ready to commit: the outcomes in the commands' order, events written."""

    outcomes: list[Outcome]
    events: int
    intents: dict[int, Intent]  # by position: transfers that set out


class Batch:
    """The work on one batch. Made anew for each attempt: an attempt leaves nothing behind."""

    def __init__(self, tx: LedgerTx, catalog: Catalog, shard: int, shards: int, wall: int) -> None:
        self.tx = tx
        self.catalog = catalog
        self.shard = shard
        self.shards = shards
        self.wall = wall
        self.commands: Sequence[Command] = ()
        self.numbers: Sequence[int] = ()
        self.outcomes: dict[int, Outcome] = {}
        self.seats: dict[tuple[int, int], MemberAggregate] = {}
        self.work: dict[int, tuple[MemberAggregate, Command]] = {}
        self._reserved: list[tuple[int, int]] = []

    async def load(self, commands: Sequence[Command], numbers: Sequence[int]) -> None:
        """Lock and read whom the commands speak of, as far as they are members. `numbers`:
        customers' ids where they are known already, else 0."""
        self.commands, self.numbers = commands, numbers
        self._halves = TransferLegs(self.tx, self.shard, commands)
        if self._halves.arriving:
            self.numbers = await self._halves.claim(numbers, self.outcomes)
        await self._load(range(len(commands)))

    @property
    def members(self) -> frozenset[tuple[int, int]]:
        """Whose locks it holds: (customer, program)."""
        return frozenset(self.seats)

    @property
    def missing(self) -> list[int]:
        """Positions of commands whose members were not found."""
        if len(self.work) + len(self.outcomes) == len(self.commands):
            return []
        places = range(len(self.commands))
        return [i for i in places if i not in self.work and i not in self.outcomes]

    async def look_again(self) -> None:
        """After another batch: who was missing may be there now."""
        missing = self.missing
        if missing:
            await self._load(missing)

    async def run(self) -> Done:
        """Everything after the load but the commit. Raises CountDiffers when another writer
        interfered: begin again."""
        missing = self.missing
        if missing:
            await self._meet(missing)
        if any(command.of is not None for command in self.commands):
            await self._find_originals()
        halves = self._halves
        if halves.arriving:
            await halves.leave_out_erased(self.work, self.outcomes)
        await self._decide()
        await self._look_again()
        intents = await halves.conclude(self.work, self.outcomes, self.wall)
        idle = [place for place in self._reserved if not self.seats[place].changed]
        if idle:
            await self.tx.unreserve(self.shard, idle)
        events = write(self.tx, self.shard, self.seats.values(), self.wall)
        return Done([self.outcomes[i] for i in range(len(self.commands))], events, intents)

    # -- load ---------------------------------------------------------------------------------

    async def _load(self, positions: Sequence[int]) -> None:
        wanted = []
        for i in positions:
            c, number = self.commands[i], self.numbers[i]
            wanted.append((c.project, c.program, "" if number else c.customer, number, c.key))
        for row in await self.tx.load(self.shard, wanted):
            nth, customer, standing, latest, clock, *receipt = row
            i = positions[nth - 1]
            if i in self.outcomes:
                continue  # a second half that was refused before
            command = self.commands[i]
            place = (customer, command.program)
            seat = self.seats.get(place)
            if seat is None:
                program = await self.catalog.program_numbered(command.program, latest)
                try:
                    known = decode_standing(standing)
                except (msgspec.MsgspecError, ValueError) as fault:
                    self.outcomes[i] = _failed(command, fault)
                    continue
                seat = MemberAggregate(customer, command.program, program, known, self._now(clock))
                self.seats[place] = seat
            self._seat(i, command, seat, receipt)

    def _seat(
        self, i: int, command: Command, seat: MemberAggregate, receipt: Sequence[Any]
    ) -> None:
        if receipt and receipt[0] is not None:
            self.outcomes[i] = _repeated(command, receipt)
        else:
            self.work[i] = (seat, command)

    # -- whom the load did not find -----------------------------------------------------------

    async def _meet(self, missing: Sequence[int]) -> None:
        """Customers without a membership here, unknown ones, and those of other shards."""
        commands, numbers = self.commands, self.numbers
        current = await self.tx.current(sorted({commands[i].program for i in missing}))
        known = {i: numbers[i] for i in missing if numbers[i]}
        named = [i for i in missing if not numbers[i]]
        if named:
            pairs = [(commands[i].project, commands[i].customer) for i in named]
            found = await self.tx.resolve(self.shard, pairs)
            known |= {named[j]: customer for j, customer in found.items()}
        nobody = {i: commands[i] for i in named if i not in known}
        await self._admit(commands, known, current)
        await self._create(nobody, current)

    def _may_enter(self, command: Command, program: Program, now: int) -> bool:
        """Whether this command, as somebody's first, makes a member."""
        if command.kind in ("enrol", "opening"):
            return True
        return program.version(now).rules.auto_join and joins(command)

    async def _admit(
        self, commands: Sequence[Command], known: dict[int, int], current: Current
    ) -> None:
        """Existing customers who are no members (yet)."""
        for i, customer in list(known.items()):
            if ids.shard_of(ids.route_of_customer(customer), self.shards) != self.shard:
                self.outcomes[i] = known.pop(i)
        living = await self.tx.living(self.shard, sorted(set(known.values())))
        for i, customer in list(known.items()):
            if customer not in living:
                del known[i]
                self.outcomes[i] = NotFound(what="customer", name=ids.customer_id(customer))
        order = sorted(known)
        keys = [(known[i], commands[i].program, commands[i].key) for i in order]
        receipts = await self.tx.receipts(self.shard, keys) if keys else {}
        entering: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        for j, i in enumerate(order):
            command, place = commands[i], (known[i], commands[i].program)
            if j in receipts:
                self.outcomes[i] = _repeated(command, tuple(receipts[j])[1:])
                continue
            seat = await self._empty_seat(place, command, current)
            self.work[i] = (seat, command)
            if place not in entering and self._may_enter(command, seat.program, seat.now):
                entering[place] = (*place, seat.clock, seat.program.versions[-1].number)
        if entering:
            await self.tx.reserve(self.shard, [entering[place] for place in sorted(entering)])
            self._reserved = list(entering)
            for place in entering:
                self.seats[place].fresh = False  # from here on the row is there

    async def _create(self, unknown: dict[int, Command], current: Current) -> None:
        """Customers whom nobody knew, where their first command may enrol them."""
        wanted: dict[int, dict[str, int]] = {}  # project -> name -> when
        for command in unknown.values():
            latest, clock = current[command.program]
            program = await self.catalog.program_numbered(command.program, latest)
            now = self._now(clock)
            if self._may_enter(command, program, now):
                wanted.setdefault(command.project, {})[command.customer] = now
        made: dict[tuple[int, str], int] = {}
        for project, names in sorted(wanted.items()):
            rows = [customers.bare(name, names[name]) for name in sorted(names)]
            found = await customers.create(
                self.tx.connection, self.shard, self.catalog.project(project), rows
            )
            if len(found) < len(names):
                raise CountDiffers("create")  # renamed in between: the next attempt finds them
            made |= {(project, name): row.id for name, row in found.items()}
        for i, command in unknown.items():
            # Who is not made here is nobody: the seat only words the refusal.
            customer = made.get((command.project, command.customer), -1 - i)
            seat = await self._empty_seat((customer, command.program), command, current)
            self.work[i] = (seat, command)

    async def _empty_seat(
        self, place: tuple[int, int], command: Command, current: Current
    ) -> MemberAggregate:
        seat = self.seats.get(place)
        if seat is None:
            latest, clock = current[command.program]
            program = await self.catalog.program_numbered(command.program, latest)
            seat = self.seats[place] = MemberAggregate(*place, program, _NOBODY, self._now(clock))
            seat.fresh = True
            seat.clock = 0 if clock is None else command.project
        return seat

    def _now(self, clock: int | None) -> int:
        return self.wall if clock is None else clock

    # -- decide -------------------------------------------------------------------------------

    async def _find_originals(self) -> None:
        asked: dict[tuple[int, int, str], MemberAggregate] = {}
        for seat, command in self.work.values():
            if command.kind in SPEAKING and command.of is not None:
                asked[seat.customer, seat.number, command.of] = seat
        places = list(asked)
        for j, row in (await self.tx.originals(self.shard, places)).items():
            entry = entry_of(tuple(row)[1:8])
            original = Original(entry, row["points_taken"], row["amount_taken"], row["times"])
            asked[places[j]].originals[places[j][2]] = original

    async def _decide(self) -> None:
        by_seat: dict[int, list[int]] = {}
        for i, (seat, _) in sorted(self.work.items()):
            by_seat.setdefault(id(seat), []).append(i)
        for n, positions in enumerate(by_seat.values()):
            if n % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            seat = self.work[positions[0]][0]
            try:
                self._judge(seat, positions)
            except HistoryNeeded:
                seat.reset()
                rows = await self.tx.history(self.shard, seat.customer, seat.number)
                seat.history = [entry_of(tuple(row)) for row in rows]
                self._judge(seat, positions)

    async def _look_again(self) -> None:
        """Who waits for a member's lock reads the standing as it is then, but the receipts as they
        were before: what is refused here may be what another process has just recorded. (What is
        not refused meets the unique key, and the batch runs again.)"""
        refused = [
            i
            for i, (seat, _) in self.work.items()
            if seat.customer > 0 and isinstance(self.outcomes[i], TierlineError)
        ]
        if not refused:
            return
        keys = [
            (self.work[i][0].customer, self.work[i][1].program, self.work[i][1].key)
            for i in refused
        ]
        for j, row in (await self.tx.receipts(self.shard, keys)).items():
            i = refused[j]
            self.outcomes[i] = _repeated(self.work[i][1], tuple(row)[1:])

    def _judge(self, seat: MemberAggregate, positions: Iterable[int]) -> None:
        answered: dict[str, tuple[Command, Answer]] = {}
        for i in positions:
            command = self.work[i][1]
            earlier = answered.get(command.key)
            if earlier is not None:
                self.outcomes[i] = _same(command, *earlier)
                continue
            try:
                answer = seat.take(i, command)
            except HistoryNeeded:
                raise
            except TierlineError as refused:
                self.outcomes[i] = refused
            except Exception as fault:  # noqa: BLE001
                self.outcomes[i] = _failed(command, fault)
            else:
                self.outcomes[i] = answer
                answered[command.key] = (command, answer)


def write(tx: LedgerTx, shard: int, seats: Iterable[MemberAggregate], wall: int) -> int:
    """What was decided, to be written: entries, members, and with the commit the events in the
    order in which they happened. Answers how many events there are."""
    changed = sorted((s for s in seats if s.changed), key=lambda s: (s.customer, s.number))
    if not changed:
        return 0
    entries = [row for seat in changed for row in seat.rows]
    if entries:
        tx.add_entries(shard, entries)
    known = [seat.member() for seat in changed if not seat.fresh]
    if known:
        tx.update_members(shard, known)
    fresh = [(*seat.member(), seat.clock) for seat in changed if seat.fresh]
    if fresh:
        tx.add_members(shard, fresh)
    told = [(order, seat, event) for seat in changed for order, event in seat.events]
    if told:
        told.sort(key=lambda t: (t[0], t[1].customer, t[1].number, t[2].seq))
        tx.add_events(shard, wall, [event_row(seat, event) for _, seat, event in told])
    return len(told)


def event_row(seat: MemberAggregate, event: Event) -> tuple[int, int, str, str, int]:
    program = seat.program
    fact = ids.event_fact(program.project, program.id, seat.customer, event.seq, event.kind)
    return seat.number, seat.customer, fact, _event_text(event).decode(), seat.now


def entry_of(row: Sequence[Any]) -> Entry:
    """From (n, kind, occurred_at, recorded_at, points, amount, detail)."""
    detail = row[6]
    n, kind, occurred_at, recorded_at, points, amount = row[:6]
    return Entry(
        n,
        kind,
        occurred_at,
        recorded_at,
        points,
        amount,
        None if detail is None else _read_detail(detail),
    )


def _failed(command: Command, fault: Exception) -> TierlineError:
    """A fault of ours met by one command: it alone fails, and leaves nothing."""
    _log.error("command_failed", key=command.key, kind=command.kind, exc_info=fault)
    return TierlineError(cause=repr(fault))


def _repeated(command: Command, receipt: Sequence[Any]) -> Answer | KeyReused:
    n, digest, answer, points, amount = receipt
    if digest != command.digest:
        return KeyReused(key=command.key, path="key")
    return first_answer(command.key, n, points, amount, answer)


def _same(command: Command, first: Command, answer: Answer) -> Answer | KeyReused:
    if first.digest != command.digest:
        return KeyReused(key=command.key, path="key")
    return msgspec.structs.replace(answer, repeated=True)


Current = dict[int, tuple[int, int | None]]  # program -> newest version, its project's own clock
