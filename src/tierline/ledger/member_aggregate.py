"""One member within one batch: commands go in, entries, events and answers come out. No I/O.

A seat starts from the stored standing and evolves it command by command, so that several commands
of one member in a batch see each other. A refused command leaves the seat as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tierline.analysis.forecast import follow, is_due
from tierline.engine.corrections import correction_start
from tierline.engine.decide import HistoryNeeded, expired_of, uncounted
from tierline.errors import Refused, UnknownOriginal
from tierline.ledger.command_handlers import draft
from tierline.ledger.commands import Answer, Command, RuleGain, TierChange
from tierline.ledger.log_order import in_order, of_activity
from tierline.ledger.member_changes import audit_facts
from tierline.ledger.orders.differences import OrderBooking, OrderTarget, refund_by_others
from tierline.ledger.orders.order_entries import order_entries
from tierline.ledger.receipts import answer_text
from tierline.ledger.reversal import Original
from tierline.model.encoding import encode_standing
from tierline.model.entries import Entry
from tierline.model.events import Decision, Event
from tierline.model.points_event import PointsEvent
from tierline.model.reminder import Reminder
from tierline.model.standing import EDITION, Standing, checkpoint
from tierline.rules.program import Program

_LIMIT: Final = 2**53 - 1  # of points: what JSON readers hold exactly
_NOT_BOOKED: Final = OrderBooking()

_NOTHING_YET: Final = Decision(Standing())
_detail_text = msgspec.json.Encoder().encode
_RARER: Final = ("uncounted", "rules", "correction_start")

Originals = dict[str, Original]  # by key, of one member
Bookings = dict[str, OrderBooking]  # by an order's name, of one member
_NO_BOOKINGS: Final[Bookings] = {}  # never changed


class MemberAggregate:
    """A member's place in a batch. `now` is the project's own time for this batch."""

    __slots__ = (
        *("customer", "number", "program", "now", "fresh", "clock", "originals", "history"),
        *(
            "standing",
            "entries",
            "rows",
            "events",
            "first_standing",
            "changes",
            "tells_points",
            "keyed",
            "_start",
            "_taken",
            "_balance",
            "_expires_at",
            "_encoded",
            "bookings",
            "booked",
        ),
    )

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
        self.tells_points = False  # somebody hears points events
        self.keyed: Callable[[bytes], bytes] = bytes  # a digest as it is stored
        self.history: list[Entry] | None = None  # all entries before this batch, where needed
        self.bookings: Bookings = _NO_BOOKINGS  # of orders told whole, as stored
        self.first_standing = standing
        self.reset()

    def reset(self) -> None:
        """As before the first command."""
        self.standing = self.first_standing
        self.entries: list[Entry] = []
        self.rows: list[tuple[Any, ...]] = []  # one per entry
        # With what orders them in the log.
        self.events: list[tuple[int, Event | PointsEvent | Reminder]] = []
        self.changes: list[tuple[Any, ...]] = []  # for the audit log
        self._taken: dict[int, Original] = {}
        self.booked: Bookings = _NO_BOOKINGS  # of orders that this batch changed
        # Of the standing now, where they were worked out already.
        self._balance: int | None = None
        self._expires_at: int | None = None  # beside a balance
        self._encoded: bytes | None = None
        if self.first_standing.entries and self.first_standing.edition != EDITION:
            self._note_checkpoint()
        self._start = self.standing

    def _note_checkpoint(self) -> None:
        """The rules were read in another way so far: the standing is noted as it is."""
        entry = checkpoint(self.standing)
        self.rows.append(self._row(entry, f"checkpoint\x1f{entry.n}", bytes(16), "null"))
        self.entries.append(entry)
        self.standing = follow(self.program, self.standing, (entry,), entry.recorded_at).standing

    # -- commands -----------------------------------------------------------------------------

    def take(self, position: int, command: Command) -> Answer:
        """Record a command. Raises a TierlineError when it is refused, and HistoryNeeded when
        only the member's whole history can answer: then `history` is to be filled first."""
        standing = self.standing
        at = max(standing.at, self.now)
        before = _NOTHING_YET
        if command.entry is not None:
            at = max(standing.at, command.entry.recorded_at)
        elif not _elsewhere(command) and is_due(self.program, standing, at):
            # What happened since is met before the command.
            passed = self.decide(standing, (), at)
            standing, before = passed.standing, passed
        if command.order is None:
            entries = draft(self, command, standing, at)
        else:
            entries = order_entries(self, command, command.order, standing, at)
        if not entries:
            if command.order is not None and self.booking(command.order.name).facts is not None:
                self._note_order(command.order, entries)
            return self._unchanged(command, standing)
        decision = self.decide(standing, entries, at)
        if before is not _NOTHING_YET:
            decision = Decision(
                decision.standing,
                (*before.events, *decision.events),
                (*before.points, *decision.points),
                (*before.reminders, *decision.reminders),
            )
        return self._keep(position, command, entries, decision)

    def pass_time(self, to: int) -> None:
        """Let time pass until `to`, with everything that falls due on the way."""
        decision = self.decide(self.standing, (), max(to, self.standing.at))
        self.standing = decision.standing
        self._balance = self._encoded = None
        if decision.points or decision.reminders:
            self.events += [(event.at, event) for event in in_order(decision, self.now)]
        elif decision.events:
            self.events += [(event.at, event) for event in decision.events]

    def _keep(
        self,
        position: int,
        command: Command,
        entries: Sequence[Entry],
        decision: Decision,
    ) -> Answer:
        after, events = decision.standing, decision.events
        entry, key = entries[-1], command.key
        balance = after.balance
        if balance > _LIMIT:
            raise Refused(reason="The balance would pass 2**53 - 1 points.", path="points")
        try:
            encoded = encode_standing(after)
        except OverflowError:
            raise Refused(reason="A number of the member's would pass 2**63 - 1.") from None
        pending = after.points_pending if after.pending else 0
        moved = (
            tuple([TierChange(e.kind, e.tier_from, e.tier_to, e.cause) for e in events])
            if events
            else ()
        )
        expires_at = after.expires_at
        facts = (balance, pending, after.tier, after.since, expires_at, moved)
        points, amount = entry.points, entry.amount
        digest = self.keyed(command.digest)
        for made in entries[:-1] if len(entries) > 1 else ():
            self.rows.append(self._row(made, f"{key}\x1f{made.n}", digest, "null"))
        rules = _rules(entry)
        rarer: tuple[Any, ...] = ()
        if rules or entry.occurred_at < entry.recorded_at or self.history is not None:
            rarer = self._rarer(entries, after, rules)
        receipt: tuple[Any, ...] = (*facts, *rarer) if rarer else facts
        if command.order is not None and len(entries) > 1:
            points, amount = sum(e.points for e in entries), sum(e.amount for e in entries)
            receipt = (*facts, *(rarer or (None, (), None)), points, amount)
        self.rows.append(self._row(entry, key, digest, answer_text(receipt).decode()))
        if command.order is not None:
            self._note_order(command.order, entries)
        self.entries.extend(entries)
        if command.entry is None and command.kind in ("refund", "void"):
            original = self.original(command.of)
            self._note_refund(command, original)
            self._taken[original.entry.n] = original.less(entry.points, entry.amount)
        if command.corrects is not None:
            original = self.original(command.corrects)
            self._taken[original.entry.n] = original.less(entries[0].points, entries[0].amount)
        if command.actor is not None:
            noted = audit_facts(command, entry, self.standing, after)
            self.changes.append((command.project, self.number, self.customer, *noted))
        self.standing, self._encoded = after, encoded
        self._balance, self._expires_at = balance, expires_at
        if decision.points or decision.reminders:
            announced = of_activity(decision, self.now, key, entry)
            self.events += [(position, event) for event in announced]
        elif events:
            self.events.extend([(position, event) for event in events])
        answer = Answer(key, entry.n, points, amount, *facts)
        return replace(answer, **dict(zip(_RARER, rarer, strict=True))) if rarer else answer

    def _rarer(
        self, entries: Sequence[Entry], after: Standing, rules: tuple[RuleGain, ...]
    ) -> tuple[Any, ...]:
        """What few answers say: why the entry does not count, which rules gave its points, and how
        far its correction reached. Empty, or all three."""
        entry, reason, start = entries[-1], None, None
        if entry.occurred_at < entry.recorded_at:
            reason = uncounted(self.program, after, entry)
        if self.history is not None:
            ledger = (*self.history, *self.entries, *entries)
            starts = (correction_start(self.program, after, made, ledger) for made in entries)
            start = next((at for at in starts if at is not None), None)
        return (reason, rules, start) if rules or (reason, start) != (None, None) else ()

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
        history = None if self.history is None else (*self.history, *self.entries)
        return follow(self.program, standing, entries, at, history, points=self.tells_points)

    def expired_of(self, entry: int, at: int, before: Sequence[Entry]) -> dict[int | None, int]:
        """How many of an entry's points have left by expiry, by the instant of it; `before`: the
        entries of the same command so far. Raises HistoryNeeded where only the ledger can tell."""
        if self.history is None:
            raise HistoryNeeded
        return expired_of(self.program, (*self.history, *self.entries, *before), entry, at)

    def approved_at(self, entry: int) -> int | None:
        """When an entry's pending points were approved; None: never. Raises HistoryNeeded where
        only the ledger can tell."""
        if self.history is None:
            raise HistoryNeeded
        for made in (*self.history, *self.entries):
            origin = made.detail.origin if made.detail is not None else None
            if made.kind == "approve" and origin is not None and origin.n == entry:
                return made.recorded_at
        return None

    def original(self, of: str | None) -> Original:
        """The activity with a key, with what was taken back of it so far. A key or a name of an
        order that is told whole means the entry that stands for it now."""
        original = self._keyed(of)
        detail = None if original is None else original.entry.detail
        order = of if original is None else None if detail is None else detail.order
        if order is not None:
            original = self._keyed(self.booking(order).entry_key) or original
        if original is None:
            raise UnknownOriginal(of=of, path="of")
        return self._taken.get(original.entry.n, original)

    def _keyed(self, key: str | None) -> Original | None:
        made = (e for row, e in zip(self.rows, self.entries, strict=False) if row[4] == key)
        entry = next(made, None)
        return self.originals.get(key or "") if entry is None else Original(entry)

    def booking(self, order: str) -> OrderBooking:
        """What the ledger holds of an order that is told whole."""
        return self.booked.get(order) or self.bookings.get(order) or _NOT_BOOKED

    def _note_order(self, order: OrderTarget, entries: Sequence[Entry]) -> None:
        """After its rows were made, before its entries count as made: what the order's are."""
        booking, first = self.booking(order.name), len(self.rows) - len(entries)
        if booking.revision >= order.revision:
            return
        for row, entry in zip(self.rows[first:], entries, strict=True):
            if entry.kind == "order":
                booking = replace(booking, entry_key=row[4])
            origin = None if entry.detail is None else entry.detail.origin
            if origin is not None:
                before = self._taken.get(origin.n) or self._numbered(origin.n, entries)
                self._taken[origin.n] = before.less(entry.points, entry.amount)
        booking = replace(booking, revision=order.revision, facts=order.facts)
        self.booked = {**self.booked, order.name: booking}

    def _numbered(self, n: int, made: Sequence[Entry]) -> Original:
        entries = (Original(entry) for entry in (*self.entries, *made) if entry.n == n)
        stored = (original for original in self.originals.values() if original.entry.n == n)
        return next(chain(entries, stored))

    def _note_refund(self, command: Command, original: Original) -> None:
        """Others' refunds of an order that is told whole count as told."""
        detail = original.entry.detail
        if detail is None or detail.order is None:
            return
        booking = self.booking(detail.order)
        amount = command.amount if command.kind == "refund" else None
        refund = refund_by_others(booking, -original.amount_taken, amount)
        if refund is not None:
            booking = replace(booking, refunded_by_others=refund.refunded_by_others)
            self.booked = {**self.booked, detail.order: booking}

    # -- answers ------------------------------------------------------------------------------

    def _unchanged(self, command: Command, standing: Standing) -> Answer:
        return Answer(
            key=command.key,
            entry=(self.standing if self.changed else self.first_standing).entries,
            points=0,
            amount=0,
            balance=standing.balance,
            pending=standing.points_pending,
            tier=standing.tier,
            since=standing.since,
            expires_at=standing.expires_at,
            repeated=command.order is None,
        )

    @property
    def changed(self) -> bool:
        """Whether anything is to be written: a checkpoint alone is not."""
        return self.standing is not self._start

    def member(self) -> tuple[Any, ...]:
        """The member's row: what `update_members` takes."""
        now = self.standing
        return (
            self.customer,
            self.number,
            encode_standing(now) if self._encoded is None else self._encoded,
            now.tier,
            now.since,
            *(
                (now.expires_at, now.balance)
                if self._balance is None
                else (self._expires_at, self._balance)
            ),
            now.entries,
            now.seq,
            now.due_at,
            self.program.versions[-1].number,
        )


def _rules(entry: Entry) -> tuple[RuleGain, ...]:
    """Which earning rules gave an entry's points."""
    if entry.detail is None or not entry.detail.parts:
        return ()
    return tuple(RuleGain(part.rule, part.points) for part in entry.detail.parts)


def _elsewhere(command: Command) -> bool:
    """Whether time went on for the member in another installation."""
    return command.detail is not None and command.detail.elsewhere
