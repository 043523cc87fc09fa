"""One member within one batch: commands go in, entries, events and answers come out. No I/O.

A seat starts from the stored standing and evolves it command by command, so that several commands
of one member in a batch see each other. A refused command leaves the seat as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tierline.engine.codec import encode_standing
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.earning import points_for
from tierline.engine.model import Decision, Detail, Entry, Event, Standing
from tierline.engine.policy import Program
from tierline.errors import (
    Conflict,
    InsufficientPoints,
    Invalid,
    NotAMember,
    Refused,
    UnknownOriginal,
)
from tierline.ledger.commands import Answer, Command, Moved
from tierline.ledger.reversal import SPEAKING, Original, reversal

# What a first activity may be, where the program enrols by itself.
JOINING: Final = frozenset({"earn", "order", "custom", "opening", "transfer_in"})
_GAINS: Final = frozenset({"earn", "order", "custom"})
# What is left to settle with somebody who left: they keep their points.
_AFTER_LEAVING: Final = frozenset({"refund", "void", "approve", "adjust", "enrol", "transfer_out"})
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
        self.events: list[tuple[int, Event]] = []  # with the position of the command
        self._taken: dict[int, Original] = {}
        self._keys: dict[str, Entry] = {}

    # -- commands -----------------------------------------------------------------------------

    def take(self, position: int, command: Command) -> Answer:
        """Record a command. Raises a TierlineError when it is refused, and HistoryNeeded when
        only the member's whole history can answer: then `history` is to be filled first."""
        standing, at = self.standing, max(self.now, self.standing.at)
        before: Sequence[Event] = ()
        if standing.due_at is not None and standing.due_at <= at:
            passed = self._decide(standing, (), at)
            standing, before = passed.standing, passed.events
        entries = self._draft(command, standing, at)
        if not entries:
            return self._unchanged(command, standing)
        decision = self._decide(standing, entries, at)
        after = decision.standing
        if after.balance > _LIMIT:
            raise Refused(reason="The balance would pass 2**53 - 1 points.", path="points")
        return self._keep(position, command, entries, after, (*before, *decision.events))

    def pass_time(self, position: int, to: int) -> None:
        """Let time pass until `to`, with everything that falls due on the way."""
        decision = self._decide(self.standing, (), max(to, self.standing.at))
        self.standing = decision.standing
        self.events.extend((position, event) for event in decision.events)

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
            self.rows.append(self._row(made, f"{command.key}\x1f{made.kind}", command.digest, ""))
        text = _answer_text(
            (answer.balance, answer.pending, answer.tier, answer.since, answer.expires_at)
            + (answer.events,)
        ).decode()
        self.rows.append(self._row(entry, command.key, command.digest, text))
        self.entries.extend(entries)
        self._keys[command.key] = entry
        if command.kind in ("refund", "void"):
            original = self._original(command)
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

    def _decide(self, standing: Standing, entries: Sequence[Entry], at: int) -> Decision:
        try:
            return decide(self.program, standing, entries, at)
        except HistoryNeeded:
            if self.history is None:
                raise
        whole = [*self.history, *self.entries, *entries]
        decision = decide(self.program, Standing(), whole, at)
        later = tuple(e for e in decision.events if e.seq > standing.seq)
        return Decision(standing=decision.standing, events=later)

    # -- drafts -------------------------------------------------------------------------------

    def _draft(self, command: Command, standing: Standing, at: int) -> list[Entry]:
        """The entries that a command means; none where it changes nothing."""
        told = command.occurred_at
        occurred_at = at if told is None else min(told, at)
        n = standing.entries + 1
        entries: list[Entry] = []
        if standing.joined_at is None and command.kind != "enrol":
            self._check_membership(command, standing, at)
            if not standing.entries:
                joining = Detail(implied=True, quiet=_quiet(command))
                entries.append(Entry(n, "enrol", occurred_at, at, detail=joining))
                n += 1
        entry = Entry(
            n,
            command.kind,
            occurred_at,
            at,
            command.points or 0,
            command.amount or 0,
            command.detail,
        )
        shape = _SHAPES.get(command.kind)
        if shape is not None:
            shaped = shape(self, command, standing, entry)
            if shaped is None:
                return []
            entry = shaped
        elif command.kind in _GAINS:
            entry = self._earned(command, standing, [*entries, entry])
        entries.append(entry)
        return entries

    def _check_membership(self, command: Command, standing: Standing, at: int) -> None:
        """Whether somebody who is no member may send this. With no entry yet it may be a first
        activity, where the program enrols by itself."""
        if standing.entries:
            if command.kind in _AFTER_LEAVING:
                return
        else:
            if command.kind in SPEAKING:
                raise UnknownOriginal(of=command.of)
            rules = self.program.version(at).rules
            if rules.auto_join and joins(command):
                return
            if command.kind == "redeem" and rules.auto_join:
                raise InsufficientPoints(balance=0, needed=command.points, path="points")
        raise NotAMember(customer=command.customer, program=self.program.id)

    def _earned(self, command: Command, standing: Standing, drafts: list[Entry]) -> Entry:
        def reached(trial: Entry) -> str | None:
            return self._decide(
                standing, [*drafts[:-1], trial], trial.recorded_at
            ).standing.tier

        return points_for(
            self.program,
            standing.tier,
            drafts[-1],
            reached,
            told=command.points is not None,
        )

    def _spent(self, command: Command, standing: Standing, entry: Entry) -> Entry:
        needed = abs(entry.points)
        if entry.kind == "adjust" and entry.points > 0:
            return entry
        if standing.balance < needed:
            raise InsufficientPoints(balance=standing.balance, needed=needed, path="points")
        if entry.kind == "redeem" and standing.lots and standing.lots[0][0] is not None:
            # Kept for a void: the points then return with the lives that they had.
            detail = replace(entry.detail or Detail(), lots=_soonest(standing, needed))
            entry = replace(entry, detail=detail)
        return replace(entry, points=-needed)

    def _taken_back(self, command: Command, standing: Standing, entry: Entry) -> Entry:
        back = reversal(self.program, command, self._original(command), standing)
        detail = replace(entry.detail or Detail(), origin=back.origin)
        return replace(entry, points=back.points, amount=back.amount, detail=detail)

    def _original(self, command: Command) -> Original:
        """The activity that a command speaks of, with what was taken back of it so far."""
        of = command.of or ""
        made = self._keys.get(of)
        original = self.originals.get(of) if made is None else Original(made)
        if original is None:
            raise UnknownOriginal(of=of, path="of")
        return self._taken.get(original.entry.n, original)

    def _enrolled(self, command: Command, standing: Standing, entry: Entry) -> Entry | None:
        detail = command.detail
        tier = detail.tier if detail is not None else None
        self._check_tier(tier, entry.recorded_at, "tier")
        if standing.joined_at is not None:
            if tier is not None:
                raise Conflict(
                    reason="The customer is a member already; assert a tier by an override.",
                    path="tier",
                )
            return None
        return entry

    def _overridden(self, command: Command, standing: Standing, entry: Entry) -> Entry:
        wanted = entry.detail.override if entry.detail is not None else None
        if wanted is None:
            raise Invalid(reason="An override says what it asserts.", path="override")
        if wanted.tier is None and wanted.kind in ("floor", "cap"):
            raise Invalid(reason=f"tier: a {wanted.kind} needs a tier.", path="tier")
        self._check_tier(wanted.tier, entry.recorded_at, "tier")
        starts_at = max(wanted.starts_at, entry.recorded_at)
        if wanted.until is not None and wanted.until <= starts_at:
            raise Invalid(reason="until: it must lie after the start, and ahead.", path="until")
        return entry

    def _released(self, command: Command, standing: Standing, entry: Entry) -> Entry:
        wanted = entry.detail.released if entry.detail is not None else None
        if wanted is not None and all(o.id != wanted for o in standing.overrides):
            raise Refused(reason=f"There is no override {wanted} to release.", path="id")
        return entry

    def _opened(self, command: Command, standing: Standing, entry: Entry) -> Entry:
        tier = entry.detail.tier if entry.detail is not None else None
        self._check_tier(tier, entry.recorded_at, "tier")
        return entry

    def _check_tier(self, tier: str | None, at: int, path: str) -> None:
        if tier is not None and tier not in self.program.version(at).rank:
            raise Invalid(reason=f"{path}: the program has no tier {tier!r}.", path=path)

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


def joins(command: Command) -> bool:
    """Whether a command may be somebody's first activity."""
    if command.kind == "adjust":
        return (command.points or 0) > 0
    return command.kind in JOINING


def first_answer(
    key: str, n: int, points: int, amount: int, answer: str
) -> Answer:
    """A receipt as the answer that it keeps."""
    balance, pending, tier, since, expires_at, events = _read_answer(answer)
    return Answer(
        key, n, points, amount, balance, pending, tier, since, expires_at, events, repeated=True
    )


def _quiet(command: Command) -> bool:
    return command.detail is not None and command.detail.quiet


def _soonest(standing: Standing, points: int) -> tuple[tuple[int | None, int], ...]:
    """The lots that spending would take from."""
    taken: list[tuple[int | None, int]] = []
    for expires_at, held in standing.lots:
        if points <= 0:
            break
        taken.append((expires_at, min(held, points)))
        points -= held
    return tuple(taken)


_Shape = Callable[[Seat, Command, Standing, Entry], Entry | None]
_SHAPES: Final[dict[str, _Shape]] = {
    "redeem": Seat._spent,
    "adjust": Seat._spent,
    "transfer_out": Seat._spent,
    "refund": Seat._taken_back,
    "void": Seat._taken_back,
    "approve": Seat._taken_back,
    "enrol": Seat._enrolled,
    "override": Seat._overridden,
    "release": Seat._released,
    "opening": Seat._opened,
}
