"""What is decided when: rising, keeping, falling, and the ends of terms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from tests.reference import civil, terms
from tests.reference.account import FOREVER, Account, Ledger, Position
from tests.reference.measures import Sight, Span
from tests.reference.terms import rounded
from tests.reference.told import Told
from tierline.engine import ladder, term
from tierline.engine.ladder import Tier
from tierline.engine.model import Override
from tierline.engine.policy import Policy, Program


class Judgement:
    """A member's tier: what the rules hold, and what the world is shown."""

    def __init__(self, program: Program, zone: civil.Zone, ledger: Ledger) -> None:
        self.program, self.zone, self.ledger = program, zone, ledger
        self.version = program.versions[0]
        self.position: Position = (-FOREVER, 0, 0)
        self.events: list[Told] = []
        self.ghost = False
        self.forget()

    def forget(self) -> None:
        """Nobody's member: as at the start, points aside."""
        self.joined: int | None = None
        self.shown: str | None = None
        self.since: int | None = None
        self.held: str | None = None
        self.started_at: int | None = None
        self.ends_at: int | None = None
        self.grace_until: int | None = None
        self.began: Position | None = None
        self.told = False
        self.kept = False  # the lapse rule keeps a tier that has no term
        self.waiting: tuple[str, int] | None = None
        self.reached: set[str] = set()
        self.overrides: list[Override] = []
        self.hold_since: int | None = None
        self.frozen: str | None = None  # what the world saw when the hold began
        self.attributes: dict[str, str | int | bool] = {}

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

    def place(self, tier: str) -> float:
        """A tier's rank; one that the rules no longer have stands above all that it stood above."""
        if self.rank(tier) >= 0:
            return self.rank(tier)
        before = self.program.versions[self.version.number - 2].rules.policy.tiers
        below = [t for t in before[: [t.id for t in before].index(tier)]]
        kept = [self.rank(t.id) for t in below]
        kept += [t for t in range(len(self.tiers)) if self.tiers[t].name in {b.name for b in below}]
        return max(kept, default=-1) + 0.5

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
        )

    def ages(self) -> set[str]:
        """The lengths of membership that criteria ask for."""
        found: set[str] = set()
        todo: list[object] = [c for t in self.tiers for c in (t.entry, t.retain, t.reentry) if c]
        while todo:
            criterion = todo.pop()
            if isinstance(criterion, ladder.MemberFor):
                found.add(criterion.length)
            todo.extend(getattr(criterion, "of", ()))
        return found

    def term(self, tier: str | None = None) -> term.Term:
        rank = self.rank(self.held if tier is None else tier)
        return self.tiers[rank].term or self.policy.term

    def own_end(self, tier: str, start: date) -> int | None:
        """When a tier's term ends that starts on a day."""
        its = self.term(tier)
        if isinstance(its, term.Duration) and its.clock == "drop":
            return None
        end = terms.end(its, start, self.sight())
        return None if end is None else self.zone.start(end)

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
        self.began = self.position
        start = self.zone.day(self.started_at)
        self.ends_at = end if dated else self.own_end(tier, start)
        stay = self.policy.lapse.min_stay
        if stay is not None and newly and self.ends_at is not None and cause != "import":
            self.ends_at = max(self.ends_at, self.zone.start(civil.plus(start, stay)))
        self.grace_until = None
        self.told = self.kept = False
        if self.waiting is not None and self.rank(self.waiting[0]) <= self.rank(tier):
            self.waiting = None
        self.show(cause, entry)

    def lose(self, cause: str, entry: int | None) -> None:
        """No tier is held any more."""
        self.held = self.started_at = self.ends_at = self.grace_until = None
        self.began = self.position
        self.told = False
        self.show(cause, entry)

    def renew(self, cause: str, entry: int | None, end: int | None) -> None:
        """The same tier, with a new term: news, where the world sees this tier."""
        self.started_at = self.now
        self.began = self.position
        self.ends_at = end
        self.grace_until = None
        self.told = False
        self.prolong(cause, entry)

    # -- telling -------------------------------------------------------------------------------

    def active(self) -> list[Override]:
        """The overrides in force now, in the order in which they were made."""
        t = self.now
        found = [o for o in self.overrides if o.starts_at <= t and (o.until is None or t < o.until)]
        return sorted(found, key=lambda o: o.id)

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
        was, now = self.shown, self.override(self.held)
        if was == now:
            return
        if was is None:
            kind = "joined"
        elif now is None:
            kind = "left"
        else:
            kind = "upgraded" if self.rank(now) > self.place(was) else "downgraded"
        self.shown = now
        self.since = None if now is None else self.now
        if cause == "import" and now == self.held:
            self.since = self.started_at
        self._tell(kind, was, now, cause, entry)

    def prolong(self, cause: str, entry: int | None) -> None:
        if self.shown == self.held == self.override(self.held) and not self.on_hold:
            self._tell("prolonged", self.held, self.held, cause, entry)

    def tell_grace(self, entry: int | None) -> None:
        """Once per term: the tier is no longer earned, and kept."""
        if self.policy.tell_grace and not self.told and self.shown == self.held:
            self.told = True
            self._tell("prolonged", self.held, self.held, "grace", entry)

    def _tell(
        self, kind: str, was: str | None, now: str | None, cause: str, entry: int | None
    ) -> None:
        if self.ghost:
            return
        account = self.account()
        self.events.append(
            Told(
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
        if self.shown is None:
            return None
        tier, until, decided = self.held, None, False
        for override in self.active():
            changed = self.asserted(override, tier)
            if override.kind == "pin" or changed != tier:
                tier, until, decided = changed, override.until, True
        if decided:
            return until
        return self.grace_until if self.grace_until is not None else self.ends_at

    # -- judging ---------------------------------------------------------------------------------

    def judge(
        self, cause: str, occasion: str, entry: int | None = None, *, reversal: bool = False
    ) -> None:
        """Something may have changed what the member qualifies for."""
        if self.joined is None or self.on_hold:
            return
        sight = self.sight()
        upward, downward = self.found(sight, occasion)
        held = self.rank(self.held)
        if upward > held:
            self._rise(upward, cause, occasion, entry, sight)
            held = self.rank(self.held)
        if held < 0 or self.began == self.position:
            return
        if downward >= held:
            acted = cause not in ("window_turn", "expiry")
            exactly = max(upward, downward) == held
            self._requalify(cause, entry, sight, exactly=exactly, acted=acted)
        else:
            protected = reversal and self.policy.corrections == "protect"
            self._fall(downward, cause, occasion, entry, sight, protected=protected)

    def found(self, sight: Sight, occasion: str) -> tuple[int, int]:
        """The tiers that count for rising and for falling: today's, or the closed window's."""
        today = sight.qualified(self.held, self.reached)
        closed = self._closed(sight) if occasion == "at_window_end" else None
        if closed is None:
            return today, today
        final = sight.qualified(self.held, self.reached, closed)
        assess = self.policy.assessment
        return (
            final if assess.up == "at_window_end" else today,
            final if assess.down == "at_window_end" else today,
        )

    def _closed(self, sight: Sight) -> Span | None:
        """The last full window."""
        span = sight.span(self.policy.window, sight.day)
        return None if span is None else sight.span(self.policy.window, span[0] - civil.ONE_DAY)

    def _rise(
        self, best: int, cause: str, occasion: str, entry: int | None, sight: Sight
    ) -> None:
        up, start = self.policy.assessment.up, self.policy.start
        allowed = (
            up == "on_activity"
            or (up == "at_window_end" and occasion == "at_window_end")
            or (up == "at_term_end" and self.held is None)
        )
        if not allowed:
            return
        tier = self.tiers[best].id
        if start.when == "next_window":
            span = sight.span(self.policy.window, sight.day)
            if span is not None and (self.waiting is None or best > self.rank(self.waiting[0])):
                self.waiting = (tier, self.zone.start(span[1]))
            if span is None:
                self.grant(tier, cause, entry)
        elif start.when == "after":
            assert start.after is not None
            if self.waiting is None or best > self.rank(self.waiting[0]):
                self.waiting = (tier, self.zone.start(civil.plus(sight.day, start.after)))
        else:
            self.grant(tier, cause, entry)

    def _requalify(
        self, cause: str, entry: int | None, sight: Sight, *, exactly: bool, acted: bool
    ) -> None:
        """Still, or again, qualified for the tier that is held."""
        assert self.held is not None
        its = self.term()
        if isinstance(its, term.WhileQualified):
            self.ends_at = self.grace_until = None  # nothing to renew: back as if never away
            self.told = self.kept = False
            return
        if self.grace_until is not None:
            basis = self.ends_at if self.policy.renewal.basis == "term_end" else None
            start = self.zone.day(self.now if basis is None else basis)
            self.renew("requalified", entry, self._renewed_end(start, sight))
            return
        if isinstance(its, term.Duration) and its.clock == "drop":
            if self.ends_at is not None:
                self.told = False  # the next drop starts a clock of its own
            self.ends_at = None
        elif exactly:
            self._prolong_end(its, cause, sight, acted=acted)

    def _prolong_end(self, its: term.Term, cause: str, sight: Sight, *, acted: bool) -> None:
        """Earned again while the term runs: its end moves later, where the rules say so."""
        later = terms.end(its, sight.day, sight)
        if isinstance(its, term.WindowEnd):
            if self.policy.start.when != "next_window":
                self._extend(later)
            elif cause == "window_turn" and (closed := self._closed(sight)):
                final = sight.qualified(self.held, self.reached, closed)
                if final >= self.rank(self.held):
                    self._extend(later)
        elif self.policy.renewal.restart == "requalified" and acted:
            self._extend(later)

    def _renewed_end(self, start: date, sight: Sight) -> int | None:
        assert self.held is not None
        if isinstance(self.term(), term.WindowEnd):
            found = self.by_windows(sight)
            if found is not None and found[0] >= self.rank(self.held):
                return found[1]
            return self.own_end(self.held, sight.day)
        return self.own_end(self.held, start)

    def _extend(self, end: date | None) -> None:
        """A later end; never an earlier one."""
        if end is not None and self.ends_at is not None:
            self.ends_at = max(self.ends_at, self.zone.start(end))

    def _fall(
        self,
        best: int,
        cause: str,
        occasion: str,
        entry: int | None,
        sight: Sight,
        *,
        protected: bool,
    ) -> None:
        """Qualified for less than is held."""
        its = self.term()
        if self.grace_until is not None:
            return
        if isinstance(its, term.WhileQualified) and self.kept:
            return
        if isinstance(its, term.WhileQualified):
            down = self.policy.assessment.down
            if down == "on_activity" or (down == "at_window_end" and occasion == "at_window_end"):
                self._drop(best, cause, entry)
            return
        closed = self._closed(sight)
        if closed is not None and self.policy.metric.source != "balance":
            last = sight.qualified(self.held, self.reached, closed)
            if max(best, last) >= self.rank(self.held):
                return
        dropped = isinstance(its, term.Duration) and its.clock == "drop" and not protected
        if dropped and self.ends_at is None:
            end = terms.end(its, sight.day, sight)
            self.ends_at = None if end is None else self.zone.start(end)
        self.tell_grace(entry)

    def _drop(self, best: int, cause: str, entry: int | None) -> None:
        """A tier without a term is lost, unless it has not been held long enough."""
        stay = self.policy.lapse.min_stay
        if stay is not None:
            assert self.started_at is not None
            until = self.zone.start(civil.plus(self.zone.day(self.started_at), stay))
            if until > self.now:
                self.ends_at = until
                self.tell_grace(entry)
                return
        self.lapse(best, None, cause, entry)

    # -- the ends of terms -------------------------------------------------------------------------

    def by_windows(self, sight: Sight) -> tuple[int, int | None] | None:
        """The best tier of the windows whose own term reaches today, and the latest such end."""
        found: list[tuple[int, int]] = []
        for span in self._windows(sight):
            start = self._counts_from(span, sight)
            if start is None:
                continue
            held = self.term() if self.held is not None else self.policy.term
            if not self._ahead(terms.end(held, start, sight)):
                break
            rank = sight.qualified(self.held, self.reached, span)
            its = self.term(self.tiers[rank].id) if rank >= 0 else held
            found.append((rank, self._ahead(terms.end(its, start, sight)) or 0))
        if not found:
            return None
        best, end = max(found)
        if best < 0 or (end and isinstance(self.term(self.tiers[best].id), term.WindowEnd)):
            return best, end
        return best, self.own_end(self.tiers[best].id, sight.day)

    def _counts_from(self, span: Span, sight: Sight) -> date | None:
        """The first day of the window from which a window's tier is held; None: still ahead."""
        if self.policy.start.when != "next_window":
            return span[0]
        later = sight.span(self.policy.window, span[1])
        return later[0] if later is not None and later[0] <= sight.day else None

    def _ahead(self, end: date | None) -> int | None:
        """The instant at which a day begins, if it is ahead."""
        instant = None if end is None else self.zone.start(end)
        return instant if instant is not None and instant > self.now else None

    def _windows(self, sight: Sight) -> Iterator[Span]:
        span = sight.span(self.policy.window, sight.day)
        for _ in range(40):
            if span is None:
                return
            yield span
            span = sight.span(self.policy.window, span[0] - timedelta(days=1))

    def final(self) -> tuple[int, int | None, bool]:
        """(rank that the term's end finds, its end, whether windows said so)."""
        sight = self.sight()
        if isinstance(self.term(), term.WindowEnd):
            found = self.by_windows(sight)
            if found is not None:
                return found[0], found[1], True
        return sight.qualified(self.held, self.reached), None, False

    def end_term(self) -> None:
        """The held tier's term, or its grace, ends now."""
        assert self.held is not None
        best, end, windows = self.final()
        held = self.rank(self.held)
        if best > held:
            self.grant(self.tiers[best].id, "term_end", None, end=end, dated=windows)
        elif best == held:
            old = self.ends_at
            basis = old if self.policy.renewal.basis == "term_end" else None
            start = self.zone.day(self.now if basis is None else basis)
            self.renew("requalified", None, end if windows else self.own_end(self.held, start))
        else:
            self.lapse(best, end, "term_end", None, dated=windows)

    def lapse(
        self,
        best: int,
        end: int | None,
        cause: str,
        entry: int | None,
        *,
        dated: bool = False,
    ) -> None:
        """The tier is no longer earned and its time is up."""
        assert self.held is not None
        rules, held = self.policy.lapse, self.rank(self.held)
        if rules.grace is not None and self.grace_until is None:
            from_ = self.zone.day(self.now if self.ends_at is None else self.ends_at)
            last = civil.plus(from_ - civil.ONE_DAY, rules.grace)
            last = rounded(rules.grace_rounding, last, from_)
            self.grace_until = self.zone.start(last + civil.ONE_DAY)
            self.tell_grace(entry)
            return
        then = self.tiers[held].lapse or rules.then
        target = {"keep": held, "to_qualifying": best, "to_base": 0, "leave": -1}.get(then, -1)
        if then == "one_step":
            below = held - 1
            while below >= 0 and (self.tiers[below].hidden or self.tiers[below].invitation):
                below -= 1
            target = max(best, below)
        before, was_seen = self.held, self.shown == self.held
        if target < 0:
            self.lose(cause, entry)
        elif target == held:
            self.keep(entry)
        else:
            mine = dated and target == best
            self.grant(self.tiers[target].id, cause, entry, end=end, dated=mine)
        if self.held != before and was_seen and self.shown == before:
            self._tell("prolonged", before, before, "override", entry)

    def keep(self, entry: int | None) -> None:
        """The lapse rule keeps the tier: a new term, or for want of terms just once the news."""
        assert self.held is not None
        if not isinstance(self.term(), term.WhileQualified):
            self.renew("lapse_keep", entry, self.own_end(self.held, self.zone.day(self.now)))
            return
        self.ends_at = self.grace_until = None
        if not self.kept:
            self.kept = self.told = True
            self.prolong("lapse_keep", entry)

    def rejudge(self, cause: str, entry: int | None) -> None:
        """The best tier, up or down, as at a term's end, with a fresh term; nothing is renewed."""
        if self.held is None:
            best, end, windows = self.sight().qualified(None, self.reached), None, False
        else:
            best, end, windows = self.final()
        if best >= 0:
            self.grant(self.tiers[best].id, cause, entry, end=end, dated=windows)
        elif self.held is not None:
            self.lose(cause, entry)

    def begin_waiting(self) -> None:
        """The instant for which a tier was waiting."""
        assert self.waiting is not None
        tier, _ = self.waiting
        self.waiting = None
        sight = self.sight()
        best = sight.qualified(self.held, self.reached)
        wanted = self.rank(tier)
        if self.policy.start.when == "next_window":
            closed = self._closed(sight)
            final = best if closed is None else sight.qualified(self.held, self.reached, closed)
            if self.policy.corrections == "protect":
                final = max(final, wanted)
        else:
            final = wanted if best >= wanted else -1
        if final > self.rank(self.held):
            self.grant(self.tiers[final].id, "start", None)
