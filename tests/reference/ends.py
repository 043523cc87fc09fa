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

    def by_windows(self, sight: Sight, *, fresh: bool = False) -> tuple[int, int | None] | None:
        """The best tier of the windows that still speak, and the latest end of those terms.

        A window speaks for the tier of its sum while the term that this tier would have from it
        runs; where no such term can be told from the window, only the newest one does. One that
        runs while tiers start with the next speaks too: for the held tier and lower ones, with the
        end that it will give. `fresh`: no term of a row goes on.
        """
        if next(self._windows(sight), None) is None:
            return None
        candidates: list[tuple[int, int, int | None]] = []
        newest = True
        for span in self._windows(sight):
            start = self._counts_from(span, sight)
            if not newest and self._over(start):
                break
            runs = start > sight.day
            rank = sight.qualified(self.held, self.reached, span)
            if runs:
                rank = min(rank, self.rank(self.held))
            if rank >= 0:
                tier = self.tiers[rank].id
                if runs or self._from_windows(tier):
                    candidates += self._reaching(rank, self.own_end(tier, start))
                elif newest:
                    row = not fresh and tier == self.held
                    end = self.next_end(tier) if row else self.own_end(tier, sight.day)
                    candidates += self._reaching(rank, end)
            newest = newest and runs
        best, _, until = max(candidates, default=(-1, 0, None))
        return best, until

    def _over(self, start: date) -> bool:
        """Whether all that windows can give from a day on is over; what came before was earlier."""
        ends = [self.own_end(t.id, start) for t in self.tiers if self._from_windows(t.id)]
        return all(end is not None and end <= self.now for end in ends)

    def _from_windows(self, tier: str) -> bool:
        """Whether a window gives this tier an end of its own."""
        its = self.term(tier)
        if self.policy.start.when != "next_window":
            return isinstance(its, term.WindowEnd)
        dated = isinstance(its, term.Duration) and its.clock == "grant"
        return dated or isinstance(its, term.WindowEnd | term.Dates)

    def _reaching(self, rank: int, end: int | None) -> list[tuple[int, int, int | None]]:
        """A candidate, if its term still runs."""
        if end is not None and end <= self.now:
            return []
        return [(rank, FOREVER if end is None else end, end)]

    def _counts_from(self, span: Span, sight: Sight) -> date:
        """The first day of the window from which a window's tier is held."""
        if self.policy.start.when != "next_window":
            return span[0]
        later = sight.span(self.policy.window, span[1])
        assert later is not None
        return later[0]

    def windows_decide(self) -> bool:
        """Whether the end of a term asks windows, and not what is earned now."""
        waits = self.policy.start.when == "next_window"
        return waits or isinstance(self.term(), term.WindowEnd)

    def _windows(self, sight: Sight) -> Iterator[Span]:
        span = sight.span(self.policy.window, sight.day)
        while span is not None and span[1] > sight.joined:
            yield span
            span = sight.span(self.policy.window, span[0] - timedelta(days=1))

    def final(self, *, fresh: bool = False) -> tuple[int, int | None, bool]:
        """(rank that the term's end finds, its end, whether windows said so)."""
        sight = self.sight()
        if self.windows_decide():
            answer = self.by_windows(sight, fresh=fresh)
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
            self.renew("requalified", None, end if windows else self.next_end(self.held))
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
        target = {"keep": held, "to_qualifying": best, "to_base": self.base(), "leave": -1}.get(
            then, -1
        )
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

    def keep(self, entry: int | None) -> None:
        """The lapse rule keeps the tier: a new term, or for want of terms just once the news."""
        assert self.held is not None
        if not isinstance(self.term(), term.WhileQualified):
            self.renew("lapse_keep", entry, self.next_end(self.held))
            return
        self.ends_at = self.grace_until = None
        self.grace_announced = True
        self.prolong("lapse_keep", entry)

    def kept_unearned(self) -> bool:
        """Whether the world knows that the lapse rule keeps a tier without a term for good."""
        then = self.tiers[self.rank(self.held)].lapse or self.policy.lapse.then
        keeps = then == "keep" or (then == "to_base" and self.rank(self.held) == self.base())
        return keeps and self.grace_announced and self.ends_at is None

    def rejudge(self, cause: str, entry: int | None) -> None:
        """The best tier, up or down, as at a term's end, with a fresh term; nothing is renewed."""
        best, end, windows = self.final(fresh=True)
        if best >= 0:
            self.grant(self.tiers[best].id, cause, entry, end=end, dated=windows)
        elif self.held is not None:
            self.lose(cause, entry)

    def begin(self, *, carries_on: bool) -> None:
        """What begins with a window: a tier that waited for it, or the held tier's next term."""
        if self.on_hold or self.joined is None:
            return
        due = self.waiting is not None and self.waiting[1] <= self.now
        if due:
            self.begin_waiting(carries_on=carries_on)
        elif carries_on and self.policy.start.when == "next_window":
            self.begin_earned()

    def begin_earned(self) -> None:
        """Next window: what the closed window earned is never lost, noted or not."""
        sight = self.sight()
        closed = self._closed(sight)
        if closed is None:
            return
        final = sight.qualified(self.held, self.reached, closed)
        if final > self.rank(self.held):
            if self.rises():
                self.grant(self.tiers[final].id, "start", None)
        else:
            self.carry_on(sight)

    def catch_up(self, since: int, entry: int | None) -> None:
        """Next window: nor is lost what windows earned that closed while a hold lasted."""
        sight = self.sight()
        span = sight.span(self.policy.window, sight.day)
        if self.policy.start.when != "next_window" or span is None:
            return
        answer = self.by_windows(sight, fresh=True)
        if answer is None or self.zone.start(span[0]) < since:
            return
        best, end = answer
        waits = self.waiting is not None and self.waiting[1] <= self.now
        if waits and self.waiting is not None and best <= self.rank(self.waiting[0]):
            return  # that begins now, by the window that it waited for
        if best > self.rank(self.held) and self.rises():
            self.grant(self.tiers[best].id, "start", entry, end=end, dated=True)

    def rises(self) -> bool:
        """Whether members may rise as a window begins."""
        up = self.policy.assessment.up
        return up == "on_activity" or (up == "at_term_end" and self.held is None)

    def carry_on(self, sight: Sight) -> None:
        """Next window: what the closed window earned moves the end as the window begins."""
        closed = self._closed(sight)
        its = self.term()
        if self.policy.start.when != "next_window" or self.policy.renewal.restart == "upgrade":
            return
        if isinstance(its, term.Duration) and its.clock == "drop":
            return
        if self.held is None or self.ends_at is None or self.ends_at <= self.now or closed is None:
            return
        if sight.qualified(self.held, self.reached, closed) == self.rank(self.held):
            end = terms.end(self.term(), sight.day, sight)
            if end is not None and self.zone.start(end) > self.ends_at:
                self.ends_at = self.zone.start(end)
                self.row = self.row_from(self.held, sight.day)

    def begin_waiting(self, *, carries_on: bool) -> None:
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
            if closed is None:
                final = best
            else:  # as it stood on that day, also where new rules have a window that still runs
                final = sight.on(eve).qualified(self.held, self.reached, closed)
            if self.policy.corrections == "protect":
                final = max(final, waiting)
        else:
            final = min(waiting, best)
        if final > self.rank(self.held):
            self.grant(self.tiers[final].id, "start", None)
        elif carries_on and final == self.rank(self.held):
            self.carry_on(sight)
