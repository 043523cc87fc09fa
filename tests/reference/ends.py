"""The ends of terms: what follows, and what begins then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from tests.reference import civil, terms
from tests.reference.account import FOREVER
from tests.reference.measures import Sight, Span
from tests.reference.membership import Membership
from tests.reference.terms import rounded
from tierline.rules import term


class Ends(Membership):
    """A membership whose terms end."""

    def by_windows(self, sight: Sight) -> tuple[int, int | None] | None:
        """The best tier of the windows that still speak, and the latest end of those terms.

        A window speaks for the tier of its sum while the term that this tier would have from it
        runs; where that tier's own term does not follow windows, only the newest window does.
        """
        windows = [(span, self._counts_from(span, sight)) for span in self._windows(sight)]
        if not windows:
            return None
        begun = [(span, start) for span, start in windows if start is not None]
        candidates: list[tuple[int, int, int | None]] = []
        for number, (span, start) in enumerate(begun):
            rank = sight.qualified(self.held, self.reached, span)
            if rank < 0:
                continue
            tier = self.tiers[rank].id
            follows = isinstance(self.term(tier), term.WindowEnd)
            end = self.own_end(tier, start if follows else sight.day)
            if (follows or number == 0) and (end is None or end > self.now):
                candidates.append((rank, FOREVER if end is None else end, end))
        best, _, until = max(candidates, default=(-1, 0, None))
        return best, until

    def _counts_from(self, span: Span, sight: Sight) -> date | None:
        """The first day of the window from which a window's tier is held; None: still ahead."""
        if self.policy.start.when != "next_window":
            return span[0]
        later = sight.span(self.policy.window, span[1])
        return later[0] if later is not None and later[0] <= sight.day else None

    def _windows(self, sight: Sight) -> Iterator[Span]:
        span = sight.span(self.policy.window, sight.day)
        while span is not None and span[1] > sight.joined:
            yield span
            span = sight.span(self.policy.window, span[0] - timedelta(days=1))

    def final(self) -> tuple[int, int | None, bool]:
        """(rank that the term's end finds, its end, whether windows said so)."""
        sight = self.sight()
        if isinstance(self.term(), term.WindowEnd):
            answer = self.by_windows(sight)
            if answer is not None:
                return answer[0], answer[1], True
        return sight.qualified(self.held, self.reached), None, False

    def end_term(self) -> None:
        """The held tier's term, or its grace, ends now."""
        assert self.held is not None
        best, end, windows = self.final()
        held = self.rank(self.held)
        if best >= held and isinstance(self.term(), term.WhileQualified):
            self.ends_at = self.grace_until = None  # a stay, or an import's end, that was met
            self.grace_announced = False
        if best > held:
            self.grant(self.tiers[best].id, "term_end", None, end=end, dated=windows)
        elif best == held and isinstance(self.term(), term.WhileQualified):
            pass
        elif best == held:
            start = self.zone.day(self.renewed_from())
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
            until = self.zone.start(last + civil.ONE_DAY)
            if until > self.now:
                self.grace_until = until
                self.tell_grace(entry)
                return
        then = self.tiers[held].lapse or rules.then
        target = {"keep": held, "to_qualifying": best, "to_base": 0, "leave": -1}.get(then, -1)
        if then == "one_step":
            below = held - 1
            while below >= 0 and (self.tiers[below].hidden or self.tiers[below].invitation):
                below -= 1
            target = max(best, below)
        before, was_seen = self.held, self.visible == self.held
        if target < 0:
            self.lose(cause, entry)
        elif target == held:
            self.keep(entry)
        else:
            mine = dated and target == best
            self.grant(self.tiers[target].id, cause, entry, end=end, dated=mine)
        if self.held != before and was_seen and self.visible == before:
            self._tell("prolonged", before, before, "override", entry)

    def renewed_from(self) -> int:
        """The instant from which a renewed term counts."""
        if self.policy.renewal.basis == "now" or self.ends_at is None:
            return self.now
        return self.ends_at

    def keep(self, entry: int | None) -> None:
        """The lapse rule keeps the tier: a new term, or for want of terms just once the news."""
        assert self.held is not None
        if not isinstance(self.term(), term.WhileQualified):
            end = self.own_end(self.held, self.zone.day(self.renewed_from()))
            self.renew("lapse_keep", entry, end)
            return
        self.ends_at = self.grace_until = None
        self.grace_announced = True
        self.prolong("lapse_keep", entry)

    def kept_unearned(self) -> bool:
        """Whether the world knows that the lapse rule keeps a tier without a term for good."""
        then = self.tiers[self.rank(self.held)].lapse or self.policy.lapse.then
        keeps = then == "keep" or (then == "to_base" and self.rank(self.held) == 0)
        return keeps and self.grace_announced and self.ends_at is None

    def rejudge(self, cause: str, entry: int | None) -> None:
        """The best tier, up or down, as at a term's end, with a fresh term; nothing is renewed."""
        best, end, windows = self.final()
        if best >= 0:
            self.grant(self.tiers[best].id, cause, entry, end=end, dated=windows)
        elif self.held is not None:
            self.lose(cause, entry)

    def begin(self, *, carries_on: bool) -> None:
        """What begins with a window: a tier that waited for it, or the held tier's next term."""
        if self.on_hold or self.joined is None:
            return
        due = self.waiting is not None and self.waiting[1] <= self.now
        if carries_on and not due:
            self.carry_on(self.sight())
        if due:
            self.begin_waiting()

    def carry_on(self, sight: Sight) -> None:
        """Next window: what the closed window earned moves the end as the window begins."""
        closed = self._closed(sight)
        if self.policy.start.when != "next_window" or not isinstance(self.term(), term.WindowEnd):
            return
        if self.held is None or self.ends_at is None or self.ends_at <= self.now or closed is None:
            return
        if sight.qualified(self.held, self.reached, closed) == self.rank(self.held):
            end = terms.end(self.term(), sight.day, sight)
            if end is not None:
                self.ends_at = max(self.ends_at, self.zone.start(end))

    def begin_waiting(self) -> None:
        """The instant for which a tier was waiting."""
        assert self.waiting is not None
        tier, due = self.waiting
        self.waiting = None
        sight = self.sight()
        best = sight.qualified(self.held, self.reached)
        waiting = self.rank(tier)
        if self.policy.start.when == "next_window":
            eve = self.zone.day(due - 1)  # not "a day before": there may have been no such day
            closed = sight.span(self.policy.window, eve)  # that the tier was waiting for
            final = best if closed is None else sight.qualified(self.held, self.reached, closed)
            if self.policy.corrections == "protect":
                final = max(final, waiting)
        else:
            final = min(waiting, best)
        if final > self.rank(self.held):
            self.grant(self.tiers[final].id, "start", None)
        elif final == self.rank(self.held):
            self.carry_on(sight)
