"""A member's tier: what the rules hold, what the world is shown, and the news of it."""

from __future__ import annotations

from datetime import date, timedelta

from tests.reference import civil, terms
from tests.reference.account import FOREVER, OVERRIDE, Account, Fact, Position
from tests.reference.expected_event import ExpectedEvent
from tests.reference.ledger import Ledger
from tests.reference.measures import Sight, Span
from tierline.model.entries import Override
from tierline.rules import ladder, term
from tierline.rules.ladder import Tier
from tierline.rules.policy import Policy
from tierline.rules.program import Program
from tierline.rules.window import Rolling


class Membership:
    """What the rules hold, and what the world is shown."""

    def __init__(self, program: Program, zone: civil.Zone, ledger: Ledger) -> None:
        self.program, self.zone, self.ledger = program, zone, ledger
        self.version = program.versions[0]
        self.position: Position = (-FOREVER, 0, 0)
        self.events: list[ExpectedEvent] = []
        self.ghost = False
        self.unshown = False  # something is still to follow at this instant
        self.quiet = False  # what a quiet import brings is told to nobody
        self.attributes: dict[str, str | int | bool] = {}  # of the person: they stay
        self.forget()

    def forget(self) -> None:
        """Nobody's member: as at the start, points aside."""
        self.joined: int | None = None
        self.visible: str | None = None
        self.since: int | None = None
        self.held: str | None = None
        self.started_at: int | None = None
        self.ends_at: int | None = None
        self.grace_until: int | None = None
        # Of durations in a row: the first one's start, how many there were, when the last ends.
        self.row: tuple[date, int, int] | None = None
        self.began: Position | None = None
        self.carried: list[Fact] = []  # what a replay counts from the term's start
        self.replayed: int | None = None  # the entry that had history replayed
        self.grace_announced = False
        self.waiting: tuple[str, int] | None = None
        self.reached: set[str] = set()
        self.overrides: list[Override] = []
        self.hold_since: int | None = None
        self.frozen: str | None = None  # what the world saw when the hold began

    # -- what is known -----------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        return self.version.rules.policy

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return self.policy.tiers

    @property
    def on_hold(self) -> bool:
        return self.hold_since is not None

    @property
    def now(self) -> int:
        return self.position[0]

    def rank(self, tier: str | None) -> int:
        ids = [t.id for t in self.tiers]
        return ids.index(tier) if tier in ids else -1

    def base(self) -> int:
        """The rank of the lowest tier that anybody can be in; -1 for none."""
        return min((r for r, t in enumerate(self.tiers) if not t.hidden | t.invitation), default=-1)

    def place(self, tier: str) -> float:
        """A tier's rank; one that the rules no longer have stands above all that it stood above."""
        if self.rank(tier) >= 0:
            return self.rank(tier)
        versions = [v.rules.policy.tiers for v in self.program.versions[: self.version.number]]
        while not any(t.id == tier for t in versions[-1]):
            versions.pop()
        below = versions[-1][: [t.id for t in versions[-1]].index(tier)]
        for later in self.program.versions[len(versions) : self.version.number]:
            following = later.rules.policy.tiers
            same = [[t for t in following if t.id == old.id] for old in below]
            named = [[t for t in following if t.name == old.name] for old in below]
            below = tuple((s or n)[0] for s, n in zip(same, named, strict=True) if s or n)
        return max((self.rank(t.id) for t in below), default=-1) + 0.5

    def account(self) -> Account:
        return self.ledger.account(self.position)

    def sight(self) -> Sight:
        assert self.joined is not None
        return Sight(
            version=self.version,
            zone=self.zone,
            account=self.account(),
            day=self.zone.day(self.now),
            joined=self.zone.day(self.joined),
            began=self.began,
            began_day=None if self.started_at is None else self.zone.day(self.started_at),
            attributes=self.attributes,
            carried=self.carried,
            replayed=self.replayed,
        )

    def ages(self) -> set[str]:
        """The lengths of membership that criteria ask for."""
        lengths: set[str] = set()
        todo: list[object] = [c for t in self.tiers for c in (t.entry, t.retain, t.reentry) if c]
        while todo:
            criterion = todo.pop()
            if isinstance(criterion, ladder.MemberFor):
                lengths.add(criterion.length)
            todo.extend(getattr(criterion, "of", ()))
        return lengths

    def term(self, tier: str | None = None) -> term.Term:
        rank = self.rank(self.held if tier is None else tier)
        return (self.tiers[rank].term if rank >= 0 else None) or self.policy.term

    def own_end(self, tier: str, start: date) -> int | None:
        """When a tier's term ends that starts on a day."""
        its = self.term(tier)
        if isinstance(its, term.Duration) and its.clock == "drop":
            return None
        end = terms.end(its, start, self.sight().starting(start))
        return None if end is None else self.zone.start(end)

    def row_from(self, tier: str, start: date) -> tuple[date, int, int] | None:
        """A row of durations that starts on a day, if that is what gives the end."""
        end = self.own_end(tier, start) if self.in_rows(tier) else None
        return None if end is None or end != self.ends_at else (start, 1, end)

    def in_rows(self, tier: str) -> bool:
        its = self.term(tier)
        return isinstance(its, term.Duration) and its.clock != "drop"

    def next_in_row(self, tier: str) -> tuple[date, int, int] | None:
        """The duration that follows the one that ends, counted from where the row started."""
        its = self.term(tier)
        if self.ends_at is None or not isinstance(its, term.Duration) or not self.in_rows(tier):
            return None
        if self.policy.renewal.basis == "now":
            return None
        if self.row is not None and self.row[2] == self.ends_at:
            first, terms_, _ = self.row
        else:  # an end of its own: from its last valid day on
            first, terms_ = self.zone.day(self.ends_at - (1 if its.inclusive else 0)), 0
        while True:  # a term that would be over already is passed over
            terms_ += 1
            last = civil.plus(first, its.length, terms_)
            last -= timedelta(days=0 if its.inclusive else 1)
            last = terms.rounded(its.rounding, last, self.zone.day(min(self.ends_at, self.now)))
            end = self.zone.start(last + civil.ONE_DAY)
            if end > self.now:
                return first, terms_, end

    def next_end(self, tier: str) -> int | None:
        """When a term of this tier ends that follows the one that is held."""
        row = self.next_in_row(tier)
        if row is not None:
            return row[2]
        now = self.policy.renewal.basis == "now" or self.ends_at is None
        start = self.now if now or self.ends_at is None else min(self.ends_at, self.now)
        return self.own_end(tier, self.zone.day(start))

    # -- changing what is held ---------------------------------------------------------------

    def grant(
        self,
        tier: str,
        cause: str,
        entry: int | None,
        *,
        at: int | None = None,
        end: int | None = None,
        dated: bool = False,
    ) -> None:
        """A tier begins, with a term of its own."""
        newly, self.held = tier != self.held, tier
        self.reached.add(tier)
        self.started_at = self.now if at is None else at
        self.began, self.carried, self.replayed = self.position, [], None
        start = self.zone.day(self.started_at)
        imported = at is not None or (dated and cause == "import")  # its dates stand as told
        self.ends_at = end if dated else self.own_end(tier, start)
        self.row = self.row_from(tier, start)
        stay = self.policy.lapse.min_stay
        if stay is not None and newly and self.ends_at is not None and not imported:
            self.ends_at = max(self.ends_at, self.zone.start(civil.plus(start, stay)))
        self.grace_until = None
        self.grace_announced = False
        if self.waiting is not None and self.rank(self.waiting[0]) <= self.rank(tier):
            self.waiting = None
        self.show(cause, entry)

    def lose(self, cause: str, entry: int | None) -> None:
        """No tier is held any more."""
        self.held = self.started_at = self.ends_at = self.grace_until = self.row = None
        self.grace_announced = False
        self.show(cause, entry)

    def renew(self, cause: str, entry: int | None, end: int | None) -> None:
        """The same tier, with a new term: news, where the world sees this tier."""
        if end is not None and end <= self.now:
            end = self.own_end(self.held or "", self.zone.day(self.now))
        row = self.next_in_row(self.held or "")
        self.started_at = self.now
        self.began, self.carried, self.replayed = self.position, [], None
        self.ends_at = end
        if row is None or row[2] != end:
            row = self.row_from(self.held or "", self.zone.day(self.now))
        self.row = row
        self.grace_until = None
        self.grace_announced = False
        self.prolong(cause, entry)

    # -- telling -------------------------------------------------------------------------------

    def active(self) -> list[Override]:
        """The overrides in force now, in the order in which they were made."""
        t, place, _ = self.position
        active = [o for o in self.overrides if o.starts_at <= t]
        # What ends now ends in its place in the order of the instant.
        active = [o for o in active if o.until is None or t < o.until + (place < OVERRIDE)]
        # One that names a tier which the rules no longer have says nothing any more.
        active = [o for o in active if o.tier is None or self.rank(o.tier) >= 0]
        return sorted(active, key=lambda o: o.id)

    def asserted(self, o: Override, tier: str | None) -> str | None:
        """What one override makes of a tier."""
        if o.kind == "hold":
            return tier
        if o.kind == "floor":
            return o.tier if self.rank(tier) < self.rank(o.tier) else tier
        if o.kind == "cap":
            return o.tier if self.rank(tier) > self.rank(o.tier) else tier
        return o.tier if self.rank(o.tier) >= 0 else None

    def override(self, held: str | None) -> str | None:
        tier = held
        for override in self.active():
            tier = self.asserted(override, tier)
        return self.frozen if self.on_hold else tier

    def show(self, cause: str, entry: int | None = None) -> None:
        """Tells the difference between what the world saw and what it sees now."""
        was, now = self.visible, self.override(self.held)
        if was == now or self.unshown:
            return
        if was is None:
            kind = "joined"
        elif now is None:
            kind = "left"
        else:
            kind = "upgraded" if self.rank(now) > self.place(was) else "downgraded"
        self.visible = now
        self.since = None if now is None else self.now
        if cause == "import" and now == self.held:
            self.since = self.started_at
        self._tell(kind, was, now, cause, entry)

    def seen(self) -> bool:
        """The world sees the tier that the rules hold, and goes on seeing it."""
        return self.visible == self.held == self.override(self.held)

    def prolong(self, cause: str, entry: int | None) -> None:
        if self.seen() and not self.on_hold:
            self._tell("prolonged", self.held, self.held, cause, entry)

    def tell_grace(self, entry: int | None) -> None:
        """Once per term: the tier is no longer earned, and kept."""
        if self.grace_announced or not self.seen():
            return
        self.grace_announced = True
        if self.tells_grace():
            self._tell("prolonged", self.held, self.held, "grace", entry)

    def tells_grace(self) -> bool:
        """As the rules say; else unless some window rolls."""
        windows = [self.policy.window, *(m.window for m in self.policy.measures.values())]
        rolls = [window for window in windows if isinstance(window, Rolling)]
        return not rolls if self.policy.tell_grace is None else self.policy.tell_grace

    def _tell(
        self, kind: str, was: str | None, now: str | None, cause: str, entry: int | None
    ) -> None:
        if self.ghost or self.quiet:
            return
        account = self.account()
        self.events.append(
            ExpectedEvent(
                kind=kind,
                tier_from=was,
                tier_to=now,
                at=self.now,
                cause=cause,
                entry=entry,
                version=self.version.number,
                balance=account.balance,
                pending=sum(w.points for w in account.pending),
                spent=account.spent,
                earned=account.earned,
                joined_at=self.joined,
                since=self.since,
                expires_at=self.expires(),
            )
        )

    def expires(self) -> int | None:
        """When the tier that is shown ends, as far as is known."""
        if self.visible is None:
            return None
        tier, until, decided = self.held, None, False
        for override in self.active():
            changed = self.asserted(override, tier)
            if override.kind == "pin" or changed != tier:
                tier, until, decided = changed, override.until, True
        if decided:
            return until
        return self.grace_until if self.grace_until is not None else self.ends_at

    def _closed(self, sight: Sight, window: object = None) -> Span | None:
        """The last full window (the policy's own, unless told), if it ended after the member
        joined. A day that the zone skipped had no moment, so it was none."""
        window = self.policy.window if window is None else window
        span = sight.span(window, sight.day)
        return (
            None
            if span is None or span[0] <= sight.joined
            else sight.span(window, self.zone.day(self.zone.start(span[0]) - 1))
        )

    def lately(self, sight: Sight) -> int:
        """The best tier of today and of the last day of each measure's last full window; under
        `next_window` of full windows alone, where there is one."""
        ranks = []
        for name in (None, *self.policy.measures):
            closed = self._closed(sight, sight.measure(name).window)
            if closed is not None:
                eve = sight.on(closed[1] - civil.ONE_DAY)
                ranks.append(eve.qualified(self.held, self.reached))
        if not ranks or self.policy.start.when != "next_window":
            ranks.append(sight.qualified(self.held, self.reached))
        return max(ranks)
