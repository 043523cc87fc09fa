"""One member within one batch: commands go in, entries, events and answers come out. No I/O.

A seat starts from the stored standing and evolves it command by command, so that several commands
of one member in a batch see each other. A refused command leaves the seat as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tierline.engine.codec import encode_standing
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.model import Decision, Entry, Event, Standing
from tierline.engine.policy import Program
from tierline.errors import Refused, UnknownOriginal
from tierline.ledger.commands import Answer, Command, Moved
from tierline.ledger.drafts import draft
from tierline.ledger.reversal import Original

_LIMIT: Final = 2**53 - 1  # of points: what JSON readers hold exactly

_detail_text = msgspec.json.Encoder().encode
_answer_text = msgspec.json.Encoder().encode
_read_answer = msgspec.json.Decoder(
    tuple[int, int, str | None, int | None, int | None, tuple[Moved, ...]]
).decode

Originals = dict[str, Original]  # by key, of one member


class Seat:
    """A member's place in a batch. `now` is the project's own time for this batch."""

    def __init__(
        self, customer: int, number: int, program: Program, standing: Standing, now: int
    ) -> None:
        self.customer = customer
        self.number = number  # the program's
        self.program = program
        self.now = now
        self.fresh = False  # the row is to be inserted
        self.clock = 0
        self.originals: Originals = {}
        self.history: list[Entry] | None = None  # all entries before this batch, where needed
        self._first = standing
        self.reset()

    def reset(self) -> None:
        """As before the first command."""
        self.standing = self._first
        self.entries: list[Entry] = []
        self.rows: list[tuple[Any, ...]] = []
        self.events: list[tuple[int, Event]] = []  # with what orders them in the log
        self._taken: dict[int, Original] = {}
        self._keys: dict[str, Entry] = {}

    # -- commands -----------------------------------------------------------------------------

    def take(self, position: int, command: Command) -> Answer:
        """Record a command. Raises a TierlineError when it is refused, and HistoryNeeded when
        only the member's whole history can answer: then `history` is to be filled first."""
        standing, at = self.standing, max(self.now, self.standing.at)
        before: Sequence[Event] = ()
        if standing.due_at is not None and standing.due_at <= at:
            passed = self.decide(standing, (), at)
            standing, before = passed.standing, passed.events
        entries = draft(self, command, standing, at)
        if not entries:
            return self._unchanged(command, standing)
        decision = self.decide(standing, entries, at)
        after = decision.standing
        if after.balance > _LIMIT:
            raise Refused(reason="The balance would pass 2**53 - 1 points.", path="points")
        return self._keep(position, command, entries, after, (*before, *decision.events))

    def pass_time(self, to: int) -> None:
        """Let time pass until `to`, with everything that falls due on the way."""
        decision = self.decide(self.standing, (), max(to, self.standing.at))
        self.standing = decision.standing
        if decision.events:
            self.events.extend([(event.at, event) for event in decision.events])

    def _keep(
        self,
        position: int,
        command: Command,
        entries: Sequence[Entry],
        after: Standing,
        events: Sequence[Event],
    ) -> Answer:
        entry = entries[-1]
        answer = Answer(
            key=command.key,
            entry=entry.n,
            points=entry.points,
            amount=entry.amount,
            balance=after.balance,
            pending=after.points_pending if after.pending else 0,
            tier=after.tier,
            since=after.since,
            expires_at=after.expires_at,
            events=tuple([Moved(e.kind, e.tier_from, e.tier_to, e.cause) for e in events]),
        )
        for made in entries[:-1]:
            self.rows.append(
                self._row(made, f"{command.key}\x1f{made.kind}", command.digest, "null")
            )
        kept = (answer.balance, answer.pending, answer.tier, answer.since, answer.expires_at)
        text = _answer_text((*kept, answer.events)).decode()
        self.rows.append(self._row(entry, command.key, command.digest, text))
        self.entries.extend(entries)
        self._keys[command.key] = entry
        if command.kind in ("refund", "void"):
            original = self.original(command)
            self._taken[original.entry.n] = original.less(entry.points, entry.amount)
        self.standing = after
        if events:
            self.events.extend([(position, event) for event in events])
        return answer

    def _row(self, entry: Entry, key: str, digest: bytes, answer: str) -> tuple[Any, ...]:
        detail = entry.detail
        origin = None if detail is None or entry.kind == "approve" else detail.origin
        return (
            self.customer,
            self.number,
            entry.n,
            entry.kind,
            key,
            digest,
            entry.occurred_at,
            entry.recorded_at,
            entry.points,
            entry.amount,
            None if detail is None else _detail_text(detail).decode(),
            None if origin is None else origin.n,
            answer,
        )

    def decide(self, standing: Standing, entries: Sequence[Entry], at: int) -> Decision:
        try:
            return decide(self.program, standing, entries, at)
        except HistoryNeeded:
            if self.history is None:
                raise
        whole = [*self.history, *self.entries, *entries]
        decision = decide(self.program, Standing(), whole, at)
        later = tuple(e for e in decision.events if e.seq > standing.seq)
        return Decision(standing=decision.standing, events=later)

    def original(self, command: Command) -> Original:
        """The activity that a command speaks of, with what was taken back of it so far."""
        of = command.of or ""
        made = self._keys.get(of)
        original = self.originals.get(of) if made is None else Original(made)
        if original is None:
            raise UnknownOriginal(of=of, path="of")
        return self._taken.get(original.entry.n, original)

    # -- answers ------------------------------------------------------------------------------

    def _unchanged(self, command: Command, standing: Standing) -> Answer:
        return Answer(
            key=command.key,
            entry=standing.entries,
            points=0,
            amount=0,
            balance=standing.balance,
            pending=standing.points_pending,
            tier=standing.tier,
            since=standing.since,
            expires_at=standing.expires_at,
            repeated=True,
        )

    @property
    def changed(self) -> bool:
        return self.standing is not self._first

    def member(self) -> tuple[Any, ...]:
        """The member's row: what `update_members` takes."""
        now = self.standing
        return (
            self.customer,
            self.number,
            encode_standing(now),
            now.tier,
            now.since,
            now.expires_at,
            now.balance,
            now.entries,
            now.seq,
            now.due_at,
            self.program.versions[-1].number,
        )


def first_answer(key: str, n: int, points: int, amount: int, answer: str) -> Answer:
    """A receipt as the answer that it keeps."""
    balance, pending, tier, since, expires_at, events = _read_answer(answer)
    return Answer(
        key, n, points, amount, balance, pending, tier, since, expires_at, events, repeated=True
    )
