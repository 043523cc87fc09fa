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

from tierline.errors import Busy, NotFound, TierlineError
from tierline.ledger.commands import Answer, Assertion, Command, Leg, ProgramRef, command
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
_ArrivalKey = tuple[int, int, int, str]


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


def second_half(program_ref: ProgramRef, intent: Intent) -> Command:
    """The command that gives the points to the recipient."""
    promise, sender = promise_of(intent), ids.customer_id(intent.customer)
    detail = Detail(
        counterpart=sender,  # an id: it outlives renaming, and tells nothing after erasing
        reason=promise.reason,
        metadata=promise.metadata,
        quiet=promise.quiet,
    )
    assertion = Assertion(points=intent.points, occurred_at=promise.occurred_at, detail=detail)
    key, to = arrival_key(intent.key, intent.customer), promise.to
    made = command(program_ref, SECOND, to, assertion, key=key, number=promise.recipient)
    return _half(made, intent)


def arrival_key(key: str, sender: int) -> str:
    """The key under which a transfer arrives: its own, and who sent it."""
    return f"{key}\x1f{ids.customer_id(sender)}\x1f{SECOND}"


def departure_key(key: str) -> str | None:
    """The key under which points set out that arrived under this one; None for any other key."""
    parts = key.rsplit("\x1f", 2)
    return parts[0] if len(parts) == len(("key", "sender", SECOND)) and parts[2] == SECOND else None


def compensation(program_ref: ProgramRef, intent: Intent, why: str) -> Command:
    """The command that gives the points back to the sender."""
    assertion = Assertion(of=intent.key, detail=Detail(reason=why, quiet=promise_of(intent).quiet))
    made = command(
        program_ref, "void", "", assertion, key=void_key(intent.key), number=intent.customer
    )
    return _half(made, intent)


def void_key(key: str) -> str:
    """The key under which a transfer's points are given back."""
    return f"{key}\x1fvoid"


def _half(made: Command, intent: Intent) -> Command:
    """Marked as part of a transfer. What it says follows from its key, so does the digest: the
    next release may print the same words otherwise."""
    digest = hashlib.blake2b(made.key.encode(), digest_size=16).digest()
    return replace(made, digest=digest, leg=Leg(intent.customer, intent.key))


class TransferLegs:
    """What one batch has to do for the transfers in it."""

    def __init__(self, tx: LedgerTx, shard: int, shards: int, commands: Sequence[Command]) -> None:
        self.tx = tx
        self.shard = shard
        self.shards = shards
        self.commands = commands
        self.arriving = [
            i for i, c in enumerate(commands) if c.leg is not None and c.kind == SECOND
        ]
        self._arrivals: dict[int, _ArrivalKey] = {}  # of those that are to be decided
        self._sent_on: dict[_ArrivalKey, int] = {}  # as decided before

    async def claim(self, numbers: Sequence[int], outcomes: dict[int, Outcome]) -> Sequence[int]:
        """Lock the second halves; those that were refused before are so again. Answers with the
        customers' ids as far as they are known: a name stays with whom it meant first."""
        arrivals = {i: _arrival_key(self.commands[i], numbers[i]) for i in self.arriving}
        settled = await store.claim(self.tx.connection, self.shard, sorted({*arrivals.values()}))
        customers = list(numbers)
        for i, arrival in arrivals.items():
            how = settled.get(arrival)
            if how is None:
                outcomes[i] = NotFound(what="program", name=str(arrival[2]), path="program")
                continue
            if how.refused is not None:
                outcomes[i] = TransferRefused(why=how.refused)
                continue
            self._arrivals[i] = arrival
            if how.recipient is not None:
                customers[i] = self._sent_on[arrival] = how.recipient
        return customers

    async def leave_out_erased(self, work: Work, outcomes: dict[int, Outcome]) -> None:
        """Who was erased gets nothing, though their membership is still there."""
        customer_at = {i: work[i][0].customer for i in self._arrivals if i in work}
        recipients = sorted({customer for customer in customer_at.values() if customer > 0})
        living = await self.tx.living(self.shard, recipients) if recipients else {}
        for i, customer in customer_at.items():
            if customer > 0 and customer not in living:
                del work[i]
                outcomes[i] = NotFound(what="customer", name=self.commands[i].customer)

    async def leave_out_ended(self, positions: Sequence[int], outcomes: dict[int, Outcome]) -> None:
        """Of those that have no receipt here: the recipient may have got the points from another
        process and be erased since. That transfer is over, and nobody gets it anew: neither who is
        made, nor who has taken the name."""
        places: dict[int, store.IntentKey] = {}
        for i in positions:
            leg = self.commands[i].leg
            if i in self._arrivals and leg is not None:
                places[i] = (leg.customer, self.commands[i].program, leg.key)
        if places:
            left = await store.under_way(self.tx.connection, self.shards, {*places.values()})
            outcomes.update({i: Busy() for i, place in places.items() if place not in left})

    async def conclude(
        self, work: Work, outcomes: dict[int, Outcome], wall: int
    ) -> dict[int, Intent]:
        """After the decision: keep how second halves were decided, take away the intents of points
        given back, and leave one for all that set out. Answers with those."""
        if self._arrivals:
            await self._settle(outcomes)
        back: set[store.IntentKey] = set()
        intents: dict[int, Intent] = {}
        for i, (aggregate, sent) in work.items():
            outcome = outcomes[i]
            if not isinstance(outcome, Answer):
                continue
            if sent.sets_out and not outcome.repeated:
                intents[i] = _intent(aggregate, sent, outcome)
            elif sent.leg is not None and sent.kind == "void":
                back.add((sent.leg.customer, sent.program, sent.leg.key))
        connection = self.tx.connection
        if back:
            await store.drop_intents(connection, self.shard, sorted(back))
        if intents:
            await store.add_intents(connection, self.shard, [*intents.values()], wall)
        return intents

    async def _settle(self, outcomes: dict[int, Outcome]) -> None:
        settled: dict[_ArrivalKey, Settled] = {}
        for i, arrival in self._arrivals.items():
            outcome = outcomes[i]
            if isinstance(outcome, int):
                settled[arrival] = Settled(recipient=outcome)
            elif isinstance(outcome, TierlineError) and outcome.status < 500:
                why = f"{outcome.code}: {outcome.sentence}"
                settled[arrival] = Settled(self._sent_on.get(arrival), why)
                outcomes[i] = TransferRefused(why=why)
        open_ = sorted({*self._arrivals.values()} - settled.keys())
        if settled:
            await store.settle(self.tx.connection, self.shard, settled)
        if open_:
            await store.unclaim(self.tx.connection, self.shard, open_)


def _arrival_key(sent: Command, number: int) -> _ArrivalKey:
    leg = sent.leg or Leg(0)
    route = ids.route_of_customer(number) if number else sent.route
    return route, leg.customer, sent.program, leg.key


def _intent(aggregate: MemberAggregate, sent: Command, answer: Answer) -> Intent:
    detail = sent.detail or Detail()
    entry = next(entry for entry in aggregate.entries if entry.n == answer.entry)
    promise = Promise(
        to=detail.counterpart or "",
        occurred_at=entry.occurred_at,
        recipient=sent.leg.customer if sent.leg is not None else 0,
        reason=detail.reason,
        metadata=detail.metadata,
        quiet=detail.quiet,
    )
    body = _promise_text(promise).decode()
    place = (aggregate.customer, sent.program, sent.key, sent.project)
    return Intent(*place, -answer.points, body)
