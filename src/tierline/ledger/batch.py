"""A batch: some commands of one shard, one transaction. Load, decide, write, commit.

Locks are taken in one order everywhere: second halves of transfers, members by id, new members in
order, the shard's head last; nothing waits after it. A refused command answers with its error and
leaves the others alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog
from msgspec import Struct

from tierline.engine.decide import HistoryNeeded
from tierline.errors import Busy, KeyReused, NotFound, TierlineError
from tierline.ledger.birthdates import add_at_joining
from tierline.ledger.command_handlers import joins
from tierline.ledger.commands import Answer, Command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.orders.record import read_pending
from tierline.ledger.receipts import first_answer
from tierline.ledger.rows import write
from tierline.ledger.stored_originals import StoredOriginals, entry_of
from tierline.ledger.transfers.legs import Outcome, TransferLegs
from tierline.model import ids
from tierline.model.encoding import decode_standing
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store import customers, orders
from tierline.store.catalog.closures import Closure
from tierline.store.catalog.digests import Digests
from tierline.store.ledger_transaction import CountDiffers, LedgerTx
from tierline.store.transfers import Intent

Person = tuple[int, str]  # a project's number, and how a command names somebody there
_NOBODY: Final = Standing()
# Members decided at a stretch, about a millisecond; then others may go on.
YIELD_AFTER_MEMBERS: Final = 50
_log = structlog.get_logger("tierline.ledger")


class ProgramCatalog(Protocol):
    """What the ledger asks of the catalog."""

    @property
    def closures(self) -> Mapping[int, Closure]: ...
    @property
    def digests(self) -> Digests: ...
    def project(self, number: int) -> Project: ...
    def now(self, project: int, wall: int) -> int: ...
    def hears_points(self, program: int) -> bool: ...
    async def program_numbered(self, number: int, latest: int = 0) -> Program: ...


class Done(Struct, frozen=True):
    """A batch that is ready to commit: the outcomes in the commands' order, events written."""

    outcomes: list[Outcome]
    events: int
    intents: dict[int, Intent]  # by position: transfers that set out


class Batch:
    """The work on one batch. Made anew for each attempt: an attempt leaves nothing behind."""

    def __init__(
        self, tx: LedgerTx, catalog: ProgramCatalog, shard: int, shards: int, wall: int
    ) -> None:
        self.tx = tx
        self.catalog = catalog
        self.shard = shard
        self.shards = shards
        self.wall = wall
        self.commands: Sequence[Command] = ()
        self.numbers: Sequence[int] = ()
        self.outcomes: dict[int, Outcome] = {}
        self.aggregates: dict[tuple[int, int], MemberAggregate] = {}
        self.work: dict[int, tuple[MemberAggregate, Command]] = {}
        self._reserved: list[tuple[int, int]] = []
        self._originals = StoredOriginals(tx, shard)

    async def load(self, commands: Sequence[Command], numbers: Sequence[int]) -> None:
        """Lock and read whom the commands speak of, as far as they are members. `numbers`:
        customers' ids where they are known already, else 0."""
        self.commands, self.numbers = commands, numbers
        self._legs = TransferLegs(self.tx, self.shard, self.shards, commands)
        if self._legs.arriving:
            self.numbers = await self._legs.claim(numbers, self.outcomes)
        await self._load(range(len(commands)))

    @property
    def members(self) -> frozenset[tuple[int, int]]:
        """Whose locks it holds: (customer, program)."""
        return frozenset(self.aggregates)

    @property
    def missing(self) -> list[int]:
        """Positions of commands whose members were not found."""
        if len(self.work) + len(self.outcomes) == len(self.commands):
            return []
        places = range(len(self.commands))
        return [i for i in places if i not in self.work and i not in self.outcomes]

    @property
    def strangers(self) -> frozenset[Person]:
        """Who is missing, as the commands name them."""
        commands = (self.commands[i] for i in self.missing)
        return frozenset((command.project, command.customer) for command in commands)

    async def look_again(self) -> None:
        """After another batch: who was missing may be there now."""
        missing = self.missing
        if missing:
            await self._load(missing)

    async def run(self) -> Done:
        """Everything after the load but the commit. Raises CountDiffers when another writer
        interfered: begin again."""
        legs = self._legs
        refers = any(command.of is not None or command.corrects for command in self.commands)
        if legs.arriving or refers:
            await self._leave_out_ended(list(self.work))
        missing = self.missing
        if missing:
            await self._meet(missing)
        if refers:
            await self._originals.load(self.work.values())
        if legs.arriving:
            await legs.leave_out_erased(self.work, self.outcomes)
        await self._decide()
        await self._look_again()
        await add_at_joining(
            self.tx.connection, self.shards, self.catalog.project, self.work.values()
        )
        intents = await legs.conclude(self.work, self.outcomes, self.wall)
        await self._originals.keep_bookings(self.aggregates.values())
        idle = [place for place in self._reserved if not self.aggregates[place].changed]
        if idle:
            await self.tx.unreserve(self.shard, idle)
        events = write(self.tx, self.shard, self.aggregates.values(), self.wall)
        return Done([self.outcomes[i] for i in range(len(self.commands))], events, intents)

    # -- load ---------------------------------------------------------------------------------

    async def _load(self, positions: Sequence[int]) -> None:
        keys = []
        for i in positions:
            c, number = self.commands[i], self.numbers[i]
            keys.append((c.project, c.program, "" if number else c.customer, number, c.key))
        programs: dict[tuple[int, int], tuple[Program, bool]] = {}  # and whether points are heard
        for row in await self.tx.load(self.shard, keys):
            nth, customer, standing, latest, clock, *receipt = row
            i = positions[nth - 1]
            if i in self.outcomes:
                continue  # a second half that was refused before
            command = self.commands[i]
            place = (customer, command.program)
            aggregate = self.aggregates.get(place)
            if aggregate is None:
                if (command.program, latest) not in programs:
                    program = await self.catalog.program_numbered(command.program, latest)
                    hears = self.catalog.hears_points(command.program)
                    programs[command.program, latest] = program, hears
                program, hears = programs[command.program, latest]
                try:
                    stored = decode_standing(standing)
                except (msgspec.MsgspecError, ValueError) as fault:
                    self.outcomes[i] = _failed(command, fault)
                    continue
                aggregate = MemberAggregate(
                    customer, command.program, program, stored, self._now(clock)
                )
                aggregate.tells_points = hears
                aggregate.keyed = self.catalog.digests.keyed
                self.aggregates[place] = aggregate
            self._assign(i, command, aggregate, receipt)

    def _assign(
        self, i: int, command: Command, aggregate: MemberAggregate, receipt: Sequence[Any]
    ) -> None:
        if receipt and receipt[0] is not None:
            self.outcomes[i] = self._repeated(command, receipt)
        else:
            self.work[i] = (aggregate, command)

    def _repeated(self, command: Command, receipt: Sequence[Any]) -> Answer | KeyReused:
        n, digest, answer, points, amount = receipt
        if not self.catalog.digests.matches(digest, command.digest):
            return KeyReused(key=command.key, path="key")
        return first_answer(command.key, n, points, amount, answer)

    # -- whom the load did not find -----------------------------------------------------------

    async def _meet(self, missing: Sequence[int]) -> None:
        """Customers without a membership here, unknown ones, and those of other shards."""
        commands, numbers = self.commands, self.numbers
        current = await self.tx.current(sorted({commands[i].program for i in missing}))
        for i in missing:
            if commands[i].program not in current:
                # It was deleted, which this process has not heard of: nobody comes into it.
                name = (await self.catalog.program_numbered(commands[i].program)).id
                self.outcomes[i] = NotFound(what="program", name=name, path="program")
        await self._leave_out_ended(self.missing)
        missing = self.missing
        customer_at = {i: numbers[i] for i in missing if numbers[i]}
        named = [i for i in missing if not numbers[i]]
        if named:
            pairs = [(commands[i].project, commands[i].customer) for i in named]
            resolved = await self.tx.resolve(self.shard, pairs)
            for j, (customer, kind) in resolved.items():
                # The load looks for source ids alone: by another name it is done again, by number.
                places = customer_at if kind == "source" else self.outcomes
                places[named[j]] = customer
        for i in named:
            # What looks like an id of ours is one, whoever's: nobody is made with such a name.
            own = ids.number_of_customer(commands[i].customer)
            if own is not None and i not in customer_at and i not in self.outcomes:
                self.outcomes[i] = own
        nobody = {i: commands[i] for i in named if i not in customer_at and i not in self.outcomes}
        await self._admit(commands, customer_at, current)
        await self._create(nobody, current)

    async def _leave_out_ended(self, positions: Sequence[int]) -> None:
        """Of transfers and orders that another process has brought to their end: whoever they were
        for may be erased since. Nobody is made anew for them, and who has their name by now is
        somebody else."""
        await self._legs.leave_out_ended(positions, self.outcomes)
        for i in positions:
            command = self.commands[i]
            order = command.order
            if order is not None and order.revision > 0 and not command.number:
                place = orders.OrderPlace.of(self.shards, command.project, order.name)
                text = await orders.pending_of(self.tx.connection, place)
                if text is None or not read_pending(text).is_of(order.revision, command.digest):
                    self.outcomes[i] = Busy()
            if i in self.outcomes:
                self.work.pop(i, None)

    def _may_enter(self, command: Command, program: Program, now: int) -> bool:
        """Whether this command, as somebody's first, makes a member."""
        if command.kind in ("enrol", "opening") or command.entry is not None:
            return True
        return program.version(now).rules.auto_join and joins(command)

    async def _admit(
        self, commands: Sequence[Command], customer_at: dict[int, int], current: Current
    ) -> None:
        """Existing customers who are no members (yet)."""
        for i, customer in list(customer_at.items()):
            if ids.shard_of(ids.route_of_customer(customer), self.shards) != self.shard:
                self.outcomes[i] = customer_at.pop(i)
        living = await self.tx.living(self.shard, sorted(set(customer_at.values())))
        for i, customer in list(customer_at.items()):
            if living.get(customer) != commands[i].project:
                del customer_at[i]
                name = commands[i].customer or ids.customer_id(customer)
                self.outcomes[i] = NotFound(what="customer", name=name, path="customer")
        order = sorted(customer_at)
        keys = [(customer_at[i], commands[i].program, commands[i].key) for i in order]
        receipts = await self.tx.receipts(self.shard, keys) if keys else {}
        entering: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        for j, i in enumerate(order):
            command, place = commands[i], (customer_at[i], commands[i].program)
            if j in receipts:
                self.outcomes[i] = self._repeated(command, tuple(receipts[j])[1:])
                continue
            aggregate = await self._new_aggregate(place, command, current)
            self.work[i] = (aggregate, command)
            if place not in entering and self._may_enter(command, aggregate.program, aggregate.now):
                entering[place] = (*place, aggregate.clock, aggregate.program.versions[-1].number)
        if entering:
            await self.tx.reserve(self.shard, [entering[place] for place in sorted(entering)])
            self._reserved = list(entering)
            for place in entering:
                self.aggregates[place].fresh = False  # from here on the row is there

    async def _create(self, unknown: dict[int, Command], current: Current) -> None:
        """Customers whom nobody knew, where their first command may enrol them."""
        newcomers: dict[int, dict[str, int]] = {}  # project -> name -> when
        quiet = {c.customer for c in unknown.values() if c.detail is not None and c.detail.quiet}
        for command in unknown.values():
            latest, clock = current[command.program]
            program = await self.catalog.program_numbered(command.program, latest)
            now = self._now(clock)
            if self._may_enter(command, program, now):
                newcomers.setdefault(command.project, {})[command.customer] = now
        made: dict[tuple[int, str], int] = {}
        for project, names in sorted(newcomers.items()):
            bare = [customers.bare(name, names[name]) for name in sorted(names)]
            try:
                rows = await customers.create(
                    self.tx.connection, self.shard, self.catalog.project(project), bare, quiet
                )
            except NotFound:
                raise CountDiffers("create") from None  # deleted: the next attempt finds that
            if len(rows) < len(names):
                raise CountDiffers("create")  # renamed in between: the next attempt finds them
            made |= {(project, name): row.id for name, row in rows.items()}
        for i, command in unknown.items():
            # Who is not made here is nobody: the aggregate only words the refusal.
            customer = made.get((command.project, command.customer), -1 - i)
            aggregate = await self._new_aggregate((customer, command.program), command, current)
            self.work[i] = (aggregate, command)

    async def _new_aggregate(
        self, place: tuple[int, int], command: Command, current: Current
    ) -> MemberAggregate:
        aggregate = self.aggregates.get(place)
        if aggregate is None:
            latest, clock = current[command.program]
            program = await self.catalog.program_numbered(command.program, latest)
            aggregate = self.aggregates[place] = MemberAggregate(
                *place, program, _NOBODY, self._now(clock)
            )
            aggregate.fresh = True
            aggregate.tells_points = self.catalog.hears_points(command.program)
            aggregate.keyed = self.catalog.digests.keyed
            aggregate.clock = 0 if clock is None else command.project
        return aggregate

    def _now(self, clock: int | None) -> int:
        return self.wall if clock is None else clock

    # -- decide -------------------------------------------------------------------------------

    async def _decide(self) -> None:
        by_aggregate: dict[int, list[int]] = {}
        for i, (aggregate, _) in sorted(self.work.items()):
            by_aggregate.setdefault(id(aggregate), []).append(i)
        for n, positions in enumerate(by_aggregate.values()):
            if n % YIELD_AFTER_MEMBERS == YIELD_AFTER_MEMBERS - 1:
                await asyncio.sleep(0)
            aggregate = self.work[positions[0]][0]
            try:
                self._judge(aggregate, positions)
            except HistoryNeeded:
                aggregate.reset()
                rows = await self.tx.history(self.shard, aggregate.customer, aggregate.number)
                aggregate.history = [entry_of(tuple(row)) for row in rows]
                self._judge(aggregate, positions)

    async def _look_again(self) -> None:
        """Who waits for a member's lock reads the standing as it is then, but the receipts as they
        were before: what is refused here may be what another process has just recorded. (What is
        not refused meets the unique key, and the batch runs again.)"""
        refused = [
            i
            for i, (aggregate, _) in self.work.items()
            if aggregate.customer > 0 and isinstance(self.outcomes[i], TierlineError)
        ]
        if not refused:
            return
        keys = [
            (self.work[i][0].customer, self.work[i][1].program, self.work[i][1].key)
            for i in refused
        ]
        for j, row in (await self.tx.receipts(self.shard, keys)).items():
            i = refused[j]
            self.outcomes[i] = self._repeated(self.work[i][1], tuple(row)[1:])

    def _judge(self, aggregate: MemberAggregate, positions: Iterable[int]) -> None:
        answered: dict[str, tuple[Command, Answer]] = {}
        for i in positions:
            command = self.work[i][1]
            earlier = answered.get(command.key)
            if earlier is not None:
                self.outcomes[i] = _same(command, *earlier)
                continue
            try:
                answer = aggregate.take(i, command)
            except HistoryNeeded:
                raise
            except TierlineError as refused:
                # Its traceback holds this frame, and so the whole batch, which holds it.
                self.outcomes[i] = refused.with_traceback(None)
            except Exception as fault:  # noqa: BLE001
                self.outcomes[i] = _failed(command, fault)
            else:
                self.outcomes[i] = answer
                answered[command.key] = (command, answer)


def _failed(command: Command, fault: Exception) -> TierlineError:
    """A fault of ours met by one command: it alone fails, and leaves nothing."""
    _log.error("command_failed", key=command.key, kind=command.kind, exc_info=fault)
    return TierlineError(cause=repr(fault))


def _same(command: Command, first: Command, answer: Answer) -> Answer | KeyReused:
    if first.digest != command.digest:
        return KeyReused(key=command.key, path="key")
    return msgspec.structs.replace(answer, repeated=True)


Current = dict[int, tuple[int, int | None]]  # program -> newest version, its project's own clock
