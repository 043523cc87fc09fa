"""The slow evaluator: walks a member's history from its first entry, asking for everything anew.

`evaluate(program, entries, until)` answers with every event and the state at the end. The rules
it follows are the published ones (docs/rules.md); the order of what one instant brings is in
`account.py`. It is written to be read, not to be fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec.structs import replace

from tests.reference import civil
from tests.reference.account import (
    ACTIVATION,
    AGE,
    ARRIVAL,
    BONUS,
    DATE,
    EXPIRY,
    FOREVER,
    OVERRIDE,
    RULES,
    START,
    TERM,
    TURN,
    Fact,
    Position,
)
from tests.reference.bonuses import Bonuses
from tests.reference.ledger import Ledger
from tests.reference.outcome import Outcome
from tests.reference.replay import REVERSALS, as_it_should_have_been
from tierline.model.entries import Entry
from tierline.model.orders import OrderFacts
from tierline.rules import term
from tierline.rules.program import Program, Version

LATEST = 10**9
CAUSES = {
    RULES: "rules",
    ACTIVATION: "activation",
    OVERRIDE: "override",
    START: "start",
    TERM: "term_end",
    TURN: "window_turn",
    EXPIRY: "expiry",
    AGE: "window_turn",
}


Orders = Mapping[int, OrderFacts]


def evaluate(
    program: Program, entries: Sequence[Entry], until: int, orders: Orders | None = None
) -> Outcome:
    """Everything that happens to a member up to and at `until`. `orders`: by entry, what an order
    was that was told whole."""
    evaluator = Evaluator(program)
    evaluator.orders = orders or {}
    return evaluator.run(entries, until).outcome()


class Evaluator(Bonuses):
    """Walks through time; what is judged and how is `Judgement`'s."""

    def __init__(self, program: Program) -> None:
        zone = civil.zone(program.time_zone)
        rules = [(v.effective_at, v.rules.points) for v in program.versions]
        super().__init__(program, zone, Ledger(zone, rules))
        self.step = 0  # of what happened last in time
        self.noted = False  # a checkpoint was met; of a ghost, or there is none: nothing changes

    def run(self, entries: Sequence[Entry], until: int) -> Evaluator:
        for entry in entries:
            self.pass_time((entry.recorded_at, BONUS, 2**62))
            self.note_activity(entry)
            self.ledger.entries.append(entry)
            self.position = (entry.recorded_at, ARRIVAL, entry.n)
            self.arrive(entry)
            self.give_bonuses(entry)
            if self.quiet:  # nor does anybody hear of what was over before it came
                self.pass_time((entry.recorded_at, BONUS, 2**62))
            self.quiet = False
        self.pass_time((until, BONUS, 2**62))
        return self

    # -- time ------------------------------------------------------------------------------

    def pass_time(self, upto: Position) -> None:
        """Everything that time brings, one after another, up to a position."""
        while True:
            due = [d for d in self.dues(upto) if d <= upto]
            if self.occasions and not self.goes_on(due):
                due = [(self.now, BONUS, 0)]
            if not due:
                break
            following = min(due)
            if following[:2] > self.position[:2]:
                # Beyond every entry's number: in a replay they do not rise with time.
                self.position = (*following[:2], max(LATEST, self.position[2]) + 1)
            self.step = following[1]
            self.bring(following[1])  # what was overdue happens now, after what arrived
        self.position = max(upto, self.position)

    def goes_on(self, due: list[Position]) -> bool:
        """Whether something else of this instant comes before what rules give for it."""
        at, place, _ = min(due, default=(FOREVER, 0, 0))
        return at == self.now and place > self.step

    def dues(self, upto: Position) -> list[Position]:
        """What is ahead, by (instant, place in the instant's order); overdue things are now."""
        now = self.position
        dues: list[Position] = []

        def at(instant: int | None, place: int) -> None:
            if instant is not None:
                ahead = max((instant, place, 0), (now[0], 0, 0))
                dues.append((*ahead[:2], 0) if ahead[0] > now[0] else (now[0], place, now[2] + 1))

        dues += [(x, p, 0) for x, p in self.ledger.changes(now, upto)]
        dues += [(v.effective_at, RULES, 0) for v in self.program.versions[1:]]
        if self.joined is None:
            return [f for f in dues if f[:2] > now[:2]]
        for override in self.overrides:
            dues += [
                (x, OVERRIDE, 0) for x in (override.starts_at, override.until) if x is not None
            ]
        deferred = self.policy.start.when == "next_window"
        for day in self.turns():
            dues.append((self.zone.start(day), TURN, 0))
            if deferred:
                dues.append((self.zone.start(day), START, 0))
        for length in self.ages():
            day = civil.plus(self.zone.day(self.joined), length)
            dues.append((self.zone.start(day), AGE, 0))
        dues = [f for f in dues if f[:2] > now[:2]] + self.dates()
        if not self.on_hold and self.waiting is not None:
            at(self.waiting[1], START)
        if not self.on_hold and self.held is not None:
            at(self.grace_until if self.grace_until is not None else self.ends_at, TERM)
        return dues

    def turns(self) -> set[date]:
        """Today's and the following days on which a window turns."""
        sight = self.sight()
        afters = [sight.day]
        if self.position[:2] < (self.zone.start(sight.day), TURN):
            afters.append(self.eve(sight.day))  # today's turn is still ahead, at its first instant
        measures = [sight.measure(name) for name in (None, *self.policy.measures)]
        turns = {sight.next_turn(measure, after) for measure in measures for after in afters}
        return {day for day in turns if day is not None}

    def own_turn(self) -> bool:
        """Whether the policy's own window turns today."""
        sight = self.sight()
        turn = sight.next_turn(sight.measure(None), self.eve(sight.day))
        return turn is not None and turn <= sight.day

    def eve(self, day: date) -> date:
        """The last day that ended before a day began: the one before may never have been."""
        return self.zone.day(self.zone.start(day) - 1)

    def bring(self, place: int) -> None:
        """One step of the order of an instant."""
        t = self.position[0]
        if place == RULES:
            self.change_rules()
        elif place == ACTIVATION:
            self.judge("activation", "on_activity")
        elif place == OVERRIDE:
            self.turn_overrides(t)
        elif place == START:
            self.begin(carries_on=self.own_turn() and self.zone.start(self.zone.day(t)) == t)
        elif place == TERM:
            self.end_term()
        elif place == TURN:
            self.judge("window_turn", "at_window_end" if self.own_turn() else "on_activity")
        elif place == DATE:
            self.dates_come()
        elif place == BONUS:
            self.give_bonuses()
        elif place in (EXPIRY, AGE):
            self.judge(CAUSES[place], "on_activity")
        # The first step that shows an override names the cause, even one that began just now.
        if place in CAUSES:
            self.show(CAUSES[place])

    # -- rules -----------------------------------------------------------------------------------

    def change_rules(self) -> None:
        """A new version of the rules takes effect; tiers keep their identity."""
        old, new = self.version, self.program.version(self.position[0])
        silent, self.version = not self.tells_grace(), new
        tiers = old.rules.policy.tiers
        moved = {tier.id: self._identity(new, tier.id, tier.name) for tier in tiers}
        self.overrides = [
            replace(o, tier=moved.get(o.tier) or o.tier) if o.tier else o for o in self.overrides
        ]
        self.reached = {new_id for r in self.reached if (new_id := moved.get(r))}
        if self.waiting is not None:
            waits = moved.get(self.waiting[0])
            self.waiting = None if waits is None else (waits, self.waiting[1])
        self.visible, self.frozen, self.held = (
            moved.get(tier or "") or tier for tier in (self.visible, self.frozen, self.held)
        )
        before = self.term_before(old, moved)
        if self.held is not None and before != self.term():
            self.row = None  # another length, another row
        if silent and not isinstance(before, term.WhileQualified):
            self.grace_announced = False  # nobody was told
        if not self.on_hold and self.joined is not None:
            self.apply_rules(old, new, before)

    def term_before(self, old: Version, moved: dict[str, str | None]) -> object:
        """The term that the former rules gave to the tier that is held."""
        given = [t.term for t in old.rules.policy.tiers if moved[t.id] == self.held and t.term]
        return given[0] if given else old.rules.policy.term

    def apply_rules(self, old: Version, new: Version, term_before: object) -> None:
        """What becomes of the tier that is held."""
        if (self.held is not None and self.rank(self.held) < 0) or new.on_change == "rejudge":
            self.rejudge("rules", None)
        elif new.on_change == "up_only":
            best = self.sight().qualified(self.held, self.reached)
            if best > self.rank(self.held):
                self.grant(self.tiers[best].id, "rules", None)
            elif best == self.rank(self.held) and self.held is not None:
                policies = (old.rules.policy, new.rules.policy)
                counted = [(p.metric, p.window, p.start) for p in policies]
                if counted[0] != counted[1] or term_before != self.term():
                    self.redate()
        self.show("rules")

    def redate(self) -> None:
        """A refresh: who still qualifies gets the end that the new rules give from now."""
        best, end, windows = self.final(fresh=True)
        if best == self.rank(self.held):
            self.grant(self.held or "", "rules", None, end=end, dated=windows)

    @staticmethod
    def _identity(new: Version, tier_id: str, name: str) -> str | None:
        tiers = new.rules.policy.tiers
        if any(t.id == tier_id for t in tiers):
            return tier_id
        return next((t.id for t in tiers if t.name == name), None)

    # -- entries -----------------------------------------------------------------------------------

    def arrive(self, entry: Entry) -> None:
        """A fact arrives."""
        detail = entry.detail
        self.quiet = detail is not None and detail.quiet
        cause = "activity"
        if entry.kind == "checkpoint" and detail is not None and detail.standing is not None:
            self.note(detail.standing)
            return
        if entry.kind == "leave":
            self.leave(entry)
            return
        if self.joined is None:
            if entry.kind != "enrol":
                return
            self.joined = entry.occurred_at
            # All that is there counts.
            self.began, self.carried, self.replayed = (-FOREVER, 0, 0), [], None
            self.occur("joining", None, None)
        if entry.kind == "enrol":
            if detail and detail.implied:
                # A moment before the activity that implied it; but that shows where it led.
                self.unshown = True
                self.judge("enrolment", "on_activity", entry.n)
                self.unshown = False
                return
            cause = "enrolment"
        if detail and detail.tier is not None and entry.kind in ("enrol", "opening"):
            self.bring_tier(entry)
            return
        if entry.kind == "attribute" and detail and detail.attribute is not None:
            if self.attributes.get(detail.attribute) != detail.value:
                self.occur("attribute", detail.attribute, detail.value)
            if detail.value is None:
                self.attributes.pop(detail.attribute, None)
            else:
                self.attributes[detail.attribute] = detail.value
            self.follow_attribute(detail.attribute)
        if entry.kind == "override" and detail and detail.override is not None:
            self.overrides.append(detail.override)
            self.hold_clock(self.position[0])
            self.show("override", entry.n)
            return
        if entry.kind == "release" and detail:
            over = [o for o in self.overrides if detail.released in (None, o.id)]
            self.end_overrides(over, entry.n)
            return
        if detail and detail.exchange and entry.kind == "void":
            return  # the order that takes its place is judged
        if self.corrects(entry):
            self.correct(entry)
            return
        cause = {"opening": "import", "approve": "activation"}.get(entry.kind, cause)
        self.judge(cause, "on_activity", entry.n)
        self.show(cause, entry.n)

    def note(self, standing: dict[str, Any]) -> None:
        """From here on the tier is what was noted, whatever came of the entries; nothing of before
        is told."""
        self.noted, self.events = True, []
        for name in ("held", "since", "started_at", "ends_at", "grace_until", "row"):
            setattr(self, name, standing.get(name))
        self.grace_announced = standing.get("grace_announced", False)
        self.visible = standing.get("tier")
        if self.on_hold:
            self.frozen = self.visible
        waiting = standing.get("waiting")
        self.waiting = None if waiting is None else (waiting[0], waiting[1])
        if any(tier.reentry is not None for tier in self.tiers):  # else nobody noted them
            self.reached = set(standing.get("reached", ()))

    def bring_tier(self, entry: Entry) -> None:
        """A tier that an import brings along, with its term."""
        detail = entry.detail
        assert detail is not None
        assert detail.tier is not None
        until = detail.tier_expires_at
        since = entry.occurred_at if detail.tier_since is None else detail.tier_since
        self.grant(detail.tier, "import", entry.n, at=since, end=until, dated=until is not None)

    def follow_attribute(self, name: str) -> None:
        """A running term that an attribute ends, ends as that says now."""
        its = self.term()
        if self.held is None or self.grace_until is not None:
            return
        if isinstance(its, term.AttributeDate) and its.name == name:
            self.ends_at = self.own_end(self.held, self.zone.day(self.now))

    def leave(self, entry: Entry) -> None:
        self.overrides = []
        self.hold_since = None
        self.held = None
        self.show("leaving", entry.n)
        self.forget()

    # -- corrections -------------------------------------------------------------------------------

    def corrects(self, entry: Entry) -> bool:
        """Whether an entry changes the past: a reversal, or an activity of an earlier day."""
        if self.policy.corrections != "retroactive" or (self.ghost and self.noted):
            return False
        if entry.kind in ("enrol", "opening"):
            return False
        late = self.zone.day(entry.occurred_at) < self.zone.day(entry.recorded_at)
        exchange = entry.detail is not None and entry.detail.exchange
        return late or entry.kind in REVERSALS or exchange

    def correct(self, entry: Entry) -> None:
        """History as it would have been replaces what the rules granted."""
        t = self.position[0]
        ghost = Evaluator(self.program)
        ghost.ghost = True
        ghost.noted = not any(e.kind == "checkpoint" for e in self.ledger.entries)
        ghost.run(as_it_should_have_been(self.ledger.entries), t)
        dates = ("held", "started_at", "ends_at", "grace_until", "waiting", "row")
        for name in (*dates, "grace_announced"):
            setattr(self, name, getattr(ghost, name))
        self.carried = ghost.of_term()
        self.began, self.replayed = self.position, entry.n
        self.reached = set(ghost.reached)
        self.show("correction", entry.n)

    def of_term(self) -> list[Fact]:
        """What counts from the start of the held tier's term."""
        if self.joined is None:
            return []
        sight = self.sight()
        return [*self.carried, *(f for f in self.account().facts if sight.in_term(f))]

    def outcome(self) -> Outcome:
        sight = self.sight() if self.joined is not None else None
        names = (None, *self.policy.measures)
        return Outcome(
            events=self.events,
            tier=self.visible,
            held=self.held,
            since=self.since,
            started_at=self.started_at,
            ends_at=self.ends_at,
            grace_until=self.grace_until,
            waiting=self.waiting,
            joined_at=self.joined,
            overrides=tuple(self.overrides),
            account=self.ledger.account(self.position),
            ledger=self.ledger,
            values={name: sight.value(name) for name in names} if sight else {},
            gifts=self.gifts,
        )
