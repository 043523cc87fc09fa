"""The two halves of a transfer, as batches meet them.

The first half takes the points and leaves an intent, in the sender's shard. The second half gives
them to the recipient under a key that follows from the first; where it is refused, a void gives
them back and takes the intent away. No transaction spans shards, and several processes may try one
second half: so what is decided without an entry (refused, or sent on to where the recipient lives)
is kept in an arrival row, which is locked before anything else of the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import NotFound, TierlineError
from tierline.ledger.commands import Answer, Command, Door, Leg, Said, command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.model import ids
from tierline.model.entries import Detail
from tierline.store import transfers as store
from tierline.store.ledger_transaction import LedgerTx
from tierline.store.transfers import Intent, Settled

FIRST: Final = "transfer_out"
SECOND: Final = "transfer_in"

Outcome = Answer | TierlineError | int  # an int: the customer who lives in another shard
Work = dict[int, tuple[MemberAggregate, Command]]
_Door = tuple[int, int, int, str]


class TransferRefused(TierlineError):
    """The recipient cannot get the points: {why}"""

    code = "transfer_refused"
    status = 422


class Promise(Struct, frozen=True, omit_defaults=True):
    """What an intent says of the second half."""

    to: str
    occurred_at: int
    recipient: int = 0  # their id, where the sender knew it
    reason: str | None = None
    metadata: dict[str, Any] | None = None
    quiet: bool = False


_promise_text = msgspec.json.Encoder().encode
_read_promise = msgspec.json.Decoder(Promise).decode


def promise_of(intent: Intent) -> Promise:
    return _read_promise(intent.body)


def second_half(door: Door, intent: Intent) -> Command:
    """The command that gives the points to the recipient."""
    promise, sender = promise_of(intent), ids.customer_id(intent.customer)
    detail = Detail(
        counterpart=sender,  # an id: it outlives renaming, and tells nothing after erasing
        reason=promise.reason,
        metadata=promise.metadata,
        quiet=promise.quiet,
    )
    said = Said(points=intent.points, occurred_at=promise.occurred_at, detail=detail)
    key, to = f"{intent.key}\x1f{sender}\x1f{SECOND}", promise.to
    made = command(door, SECOND, to, said, key=key, number=promise.recipient)
    return _half(made, intent)


def compensation(door: Door, intent: Intent, why: str) -> Command:
    """The command that gives the points back to the sender."""
    said = Said(of=intent.key, detail=Detail(reason=why, quiet=promise_of(intent).quiet))
    made = command(door, "void", "", said, key=void_key(intent.key), number=intent.customer)
    return _half(made, intent)


def void_key(key: str) -> str:
    """The key under which a transfer's points are given back."""
    return f"{key}\x1fvoid"


def _half(made: Command, intent: Intent) -> Command:
    """Marked as part of a transfer. What it says follows from its key, so does the digest: the
    next release may print the same words otherwise."""
    digest = hashlib.blake2b(made.key.encode(), digest_size=16).digest()
    return replace(made, digest=digest, half=Leg(intent.customer, intent.key))


class TransferLegs:
    """What one batch has to do for the transfers in it."""

    def __init__(self, tx: LedgerTx, shard: int, commands: Sequence[Command]) -> None:
        self.tx = tx
        self.shard = shard
        self.commands = commands
        self.arriving = [
            i for i, c in enumerate(commands) if c.half is not None and c.kind == SECOND
        ]
        self._doors: dict[int, _Door] = {}  # of those that are to be decided
        self._sent_on: dict[_Door, int] = {}  # as decided before

    async def claim(self, numbers: Sequence[int], outcomes: dict[int, Outcome]) -> Sequence[int]:
        """Lock the second halves; those that were refused before are so again. Answers with the
        customers' ids as far as they are known: a name stays with whom it meant first."""
        doors = {i: _door(self.commands[i], numbers[i]) for i in self.arriving}
        settled = await store.claim(self.tx.connection, self.shard, sorted({*doors.values()}))
        known = list(numbers)
        for i, door in doors.items():
            how = settled[door]
            if how.refused is not None:
                outcomes[i] = TransferRefused(why=how.refused)
                continue
            self._doors[i] = door
            if how.recipient is not None:
                known[i] = self._sent_on[door] = how.recipient
        return known

    async def leave_out_erased(self, work: Work, outcomes: dict[int, Outcome]) -> None:
        """Who was erased gets nothing, though their membership is still there."""
        found = {i: work[i][0].customer for i in self._doors if i in work}
        asked = sorted({customer for customer in found.values() if customer > 0})
        living = await self.tx.living(self.shard, asked) if asked else set()
        for i, customer in found.items():
            if customer > 0 and customer not in living:
                del work[i]
                outcomes[i] = NotFound(what="customer", name=self.commands[i].customer)

    async def conclude(
        self, work: Work, outcomes: dict[int, Outcome], wall: int
    ) -> dict[int, Intent]:
        """After the decision: keep how second halves were decided, take away the intents of points
        given back, and leave one for all that set out. Answers with those."""
        if self._doors:
            await self._settle(outcomes)
        back: set[store.Place] = set()
        intents: dict[int, Intent] = {}
        for i, (seat, told) in work.items():
            outcome = outcomes[i]
            if not isinstance(outcome, Answer):
                continue
            if told.kind == FIRST and not outcome.repeated:
                intents[i] = _intent(seat, told, outcome)
            elif told.half is not None and told.kind == "void":
                back.add((told.half.customer, told.program, told.half.key))
        connection = self.tx.connection
        if back:
            await store.drop_intents(connection, self.shard, sorted(back))
        if intents:
            await store.add_intents(connection, self.shard, [*intents.values()], wall)
        return intents

    async def _settle(self, outcomes: dict[int, Outcome]) -> None:
        settled: dict[_Door, Settled] = {}
        for i, door in self._doors.items():
            outcome = outcomes[i]
            if isinstance(outcome, int):
                settled[door] = Settled(recipient=outcome)
            elif isinstance(outcome, TierlineError) and outcome.status < 500:
                why = f"{outcome.code}: {outcome.sentence}"
                settled[door] = Settled(self._sent_on.get(door), why)
                outcomes[i] = TransferRefused(why=why)
        open_ = sorted({*self._doors.values()} - settled.keys())
        if settled:
            await store.settle(self.tx.connection, self.shard, settled)
        if open_:
            await store.unclaim(self.tx.connection, self.shard, open_)


def _door(told: Command, number: int) -> _Door:
    half = told.half or Leg(0)
    route = ids.route_of_customer(number) if number else told.route
    return route, half.customer, told.program, half.key


def _intent(seat: MemberAggregate, told: Command, answer: Answer) -> Intent:
    detail = told.detail or Detail()
    entry = next(entry for entry in seat.entries if entry.n == answer.entry)
    promise = Promise(
        to=detail.counterpart or "",
        occurred_at=entry.occurred_at,
        recipient=told.half.customer if told.half is not None else 0,
        reason=detail.reason,
        metadata=detail.metadata,
        quiet=detail.quiet,
    )
    body = _promise_text(promise).decode()
    place = (seat.customer, told.program, told.key, told.project)
    return Intent(*place, -answer.points, body)
