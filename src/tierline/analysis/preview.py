"""Preview: two futures of a member, one with the rules as they are, one with other rules.

Both are walked by the engine itself, without further activity, up to the same instant: the rules
that are tried out are one more version of the program, and nothing here decides about a tier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tierline.engine import qualification
from tierline.engine.decide import decide
from tierline.engine.member_state import MemberState, begin
from tierline.engine.qualification import qualified
from tierline.engine.tier_terms import renewal
from tierline.engine.timeline import pass_time
from tierline.model.entries import Entry
from tierline.model.events import Event, EventKind
from tierline.model.reminder import ReminderKind
from tierline.model.standing import EDITION, Standing
from tierline.rules.program import OnChange, Program, Rules, Version

AnnouncedKind = EventKind | ReminderKind


class Proposal(Struct, frozen=True, dict=True):
    """Rules that might come into force at `effective_at`; what follows is looked at `until` then
    (that instant included). `tried` is the program with them, `program` without."""

    program: Program
    tried: Program
    effective_at: int
    until: int

    @property
    def version(self) -> Version:
        """The version that is tried out."""
        return self.tried.versions[-1]

    @cached_property
    def simple_after(self) -> frozenset[int]:
        """The numbers of versions after which the new one can be looked at in short (`_unmoved`):
        the ladder keeps its tiers in their order, nothing is counted from a tier's start, no
        length of membership is asked for, and only the instant of the change is looked at, at
        which nobody is reminded of anything."""
        new = self.version
        zone, at = self.tried.zone, self.effective_at
        if new.reminders is not None and zone.start(zone.day(at)) == at:
            return frozenset()
        if self.until != self.effective_at or new.ages or any("@tier" in k for k in new.totals):
            return frozenset()
        return frozenset(v.number for v in self.program.versions if v.rank == new.rank)

    def put_off(self, to: int) -> Proposal:
        """The same rules, later."""
        later = replace(self.version, effective_at=to)
        tried = replace(self.tried, versions=(*self.tried.versions[:-1], later))
        return Proposal(self.program, tried, to, max(to, self.until))


class Outcome(Struct, frozen=True):
    """One member in both futures. `before` and `after` are the tiers shown at the end of each,
    `earned` is what the totals reach under the new rules: where their next assessment leads.
    `events` and `otherwise` are what each future announces from `effective_at` on, tier events
    first, then reminders."""

    before: str | None
    after: str | None
    earned: str | None
    events: tuple[AnnouncedKind, ...] = ()
    otherwise: tuple[AnnouncedKind, ...] = ()
    changed: bool = False  # something happened to the member after `effective_at`
    member: bool = True  # False: left the program before


def propose(
    program: Program,
    rules: Rules,
    *,
    on_change: OnChange = "next_assessment",
    effective_at: int,
    until: int | None = None,
) -> Proposal:
    """Rules as the next version of a program. Versions scheduled for later than `effective_at`
    never come into force then, as when they are superseded."""
    number = program.versions[-1].number + 1
    version = Version(number, effective_at, rules, on_change)
    tried = replace(program, versions=(*program.versions, version))
    until = effective_at if until is None else max(until, effective_at)
    return Proposal(program, tried, effective_at, until)


def compare(
    proposal: Proposal, standing: Standing, history: Sequence[Entry] | None = None
) -> Outcome:
    """Both futures of one member.

    Raises `HistoryNeeded` where the standing cannot answer (the rules count what it never kept):
    compare again with every entry of the member up to `standing.entries`.
    """
    effective_at = proposal.effective_at
    if standing.at >= effective_at:
        # A standing holds for its own instant, that instant included: the rules come after it.
        proposal = proposal.put_off(standing.at + 1)
    undisturbed = _undisturbed(proposal.program, standing, proposal.until)
    if undisturbed and history is None:
        unmoved = _unmoved(proposal, standing, effective_at)
        if unmoved is not None:
            return unmoved
    after = _future(proposal.tried, standing, history, proposal.until)
    otherwise: tuple[AnnouncedKind, ...] = ()
    before = standing.tier
    if not undisturbed:
        state = _future(proposal.program, standing, history, proposal.until)
        before, otherwise = state.tier, _events(state, standing, effective_at)
    best = qualification.qualified(after) if after.joined_at is not None else -1
    return Outcome(
        before=before,
        after=after.tier,
        earned=after.version.rules.policy.tiers[best].id if best >= 0 else None,
        events=_events(after, standing, effective_at),
        otherwise=otherwise,
        changed=standing.at > effective_at,
        member=after.joined_at is not None,
    )


def _unmoved(proposal: Proposal, standing: Standing, effective_at: int) -> Outcome | None:
    """The outcome for a member whom the change does not move; None where the state must tell.

    It decides nothing: it asks the engine's own questions (what is earned, what a renewal would
    give, what overrides show) and answers only where all of them say that nothing is announced,
    which is most members. A property test holds it against the state.
    """
    new = proposal.version
    if proposal.program.version(standing.at).number not in proposal.simple_after:
        return None
    if standing.held is not None and standing.held not in new.rank:
        return None
    state = begin(proposal.tried, standing)
    state.at = proposal.until
    state.need_totals_of(new)
    state.version = new
    best = qualified(state) if state.joined_at is not None else -1
    if state.joined_at is not None and not state.frozen:
        if new.on_change == "up_only" and best > state.rank:
            return None
        if new.on_change == "rejudge":
            rank, ends_at = renewal(state, fresh=True)
            if rank != state.rank or (ends_at is not None and ends_at <= state.at):
                return None
    if state.overridden(state.held)[0] != state.tier:
        return None
    return Outcome(
        before=standing.tier,
        after=standing.tier,
        earned=new.policy.tiers[best].id if best >= 0 else None,
        changed=standing.at > effective_at,
        member=state.joined_at is not None,
    )


def _undisturbed(program: Program, standing: Standing, until: int) -> bool:
    """Whether time has nothing to do until then: no decision is needed."""
    change = program.next_change(standing.at)
    due = standing.due_at
    return (due is None or due > until) and (change is None or change > until)


def _future(
    program: Program, standing: Standing, history: Sequence[Entry] | None, until: int
) -> MemberState:
    """What `decide` walks, without the cost of freezing a standing that nobody keeps."""
    if history is None:
        state = begin(program, standing)
        pass_time(state, until)
        return state
    decision = decide(program, Standing(), history, until)
    state = begin(program, decision.standing)
    state.events, state.reminders = list(decision.events), decision.reminders
    return state


def _events(state: MemberState, standing: Standing, since: int) -> tuple[AnnouncedKind, ...]:
    events: list[Event] = state.events
    kinds = [e.kind for e in events if e.seq > standing.seq and e.at >= since]
    if not state.reminders:
        return tuple(kinds)
    # Nothing but time passes after the standing: what came with its own instant was told then.
    reminders = [r.kind for r in state.reminders if r.at > standing.at and r.at >= since]
    return (*kinds, *reminders)


# -- many members -----------------------------------------------------------------------------

K = TypeVar("K")
Cell = tuple[str | None, str | None]
FAILURES_SHOWN = 20
_SPREAD = 0x9E3779B97F4A7C15  # odd: multiplying by it permutes 64-bit numbers


class Chosen(Struct, frozen=True, order=True):
    """A member picked as a sample: the lowest `draw` wins, which chance and order do not move."""

    draw: int
    shard: int
    customer: int
    entries: int  # how many the judged standing knew
    former: Standing | None = None  # that standing, where an older reading of the rules made it


class Failure(Struct, frozen=True):
    """A member that could not be judged, and why; the sweep would put it aside as well."""

    customer: int
    reason: str


class OutcomeTally(Struct):
    """Outcomes added up; tallies of different members merge into one."""

    kept_samples: int = 3
    cells: dict[Cell, int] = {}
    earned: dict[Cell, int] = {}  # (tier before, tier that the totals reach)
    events: dict[str, int] = {}
    otherwise: dict[str, int] = {}
    samples: dict[Cell, list[Chosen]] = {}
    members: int = 0
    former: int = 0
    changed: int = 0
    reread: int = 0
    reread_entries: int = 0
    failed: int = 0
    failures: list[Failure] = []

    def add(self, outcome: Outcome, shard: int, customer: int, standing: Standing) -> None:
        if not outcome.member:
            self.former += 1
            return
        self.members += 1
        self.changed += outcome.changed
        cell = (outcome.before, outcome.after)
        self.cells[cell] = self.cells.get(cell, 0) + 1
        reach = (outcome.before, outcome.earned)
        self.earned[reach] = self.earned.get(reach, 0) + 1
        for kind in outcome.events:
            self.events[kind] = self.events.get(kind, 0) + 1
        for kind in outcome.otherwise:
            self.otherwise[kind] = self.otherwise.get(kind, 0) + 1
        self._sample(cell, customer * _SPREAD & (2**63 - 1), shard, customer, standing)

    def fail(self, customer: int, reason: str) -> None:
        self.failed += 1
        self.failures = [*self.failures, Failure(customer, reason)][:FAILURES_SHOWN]

    def merge(self, other: OutcomeTally) -> None:
        _add_up(self.cells, other.cells)
        _add_up(self.earned, other.earned)
        _add_up(self.events, other.events)
        _add_up(self.otherwise, other.otherwise)
        for cell, chosen in other.samples.items():
            both = sorted((*self.samples.get(cell, ()), *chosen))
            self.samples[cell] = both[: self.kept_samples]
        for name in ("members", "former", "changed", "reread", "reread_entries", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures = [*self.failures, *other.failures][:FAILURES_SHOWN]

    def _sample(self, cell: Cell, draw: int, shard: int, customer: int, standing: Standing) -> None:
        samples = self.samples.get(cell)
        if samples is None:
            samples = self.samples[cell] = []
        if len(samples) == self.kept_samples:
            if not samples or draw > samples[-1].draw:
                return
            samples.pop()
        former = None if standing.edition == EDITION else standing
        samples.append(Chosen(draw, shard, customer, standing.entries, former))
        samples.sort()


def _add_up(mine: dict[K, int], theirs: dict[K, int]) -> None:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count
