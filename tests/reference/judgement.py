"""What is decided when something may have changed: rising, keeping, falling."""

from __future__ import annotations

from datetime import date

from tests.reference import civil, terms
from tests.reference.ends import Ends
from tests.reference.measures import Sight
from tierline.rules import term


class Judgement(Ends):
    """A membership that is judged."""

    def judge(self, cause: str, occasion: str, entry: int | None = None) -> None:
        """Something may have changed what the member qualifies for."""
        if self.joined is None or self.on_hold:
            return
        sight = self.sight()
        upward, downward = self.ranks(sight, occasion)
        held = self.rank(self.held)
        if upward > held:
            self._rise(upward, cause, occasion, entry, sight)
        if held < 0 or self.rank(self.held) != held:
            return
        its = self.term()
        if self.policy.start.when == "next_window" and not isinstance(its, term.WhileQualified):
            # What a window has not earned to its end keeps nothing yet, but for a grace.
            lately = self.lately(sight)
            inside = self.grace_until is not None or self._begun_inside(sight)
            downward = max(downward, lately) if inside else lately
        if downward >= held:
            acted = cause not in ("window_turn", "expiry", "override")
            acted = acted and (cause != "bonus" or entry is not None)
            exactly = max(upward, downward) == held
            self._requalify(cause, entry, sight, exactly=exactly, acted=acted)
        else:
            self._fall(downward, cause, occasion, entry, sight)

    def _begun_inside(self, sight: Sight) -> bool:
        """Whether the term began inside the running window, which gave it then."""
        span = sight.span(self.policy.window, sight.day)
        assert self.started_at is not None
        return span is not None and self.started_at > self.zone.start(span[0])

    def ranks(self, sight: Sight, occasion: str) -> tuple[int, int]:
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

    def _rise(self, best: int, cause: str, occasion: str, entry: int | None, sight: Sight) -> None:
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
            self.grace_announced = False
            return
        if self.grace_until is not None:
            self.renew("requalified", entry, self._renewed_end(sight))
            return
        if isinstance(its, term.Duration) and its.clock == "drop":
            self.ends_at, self.grace_announced = (
                None,
                False,
            )  # the next drop starts a clock of its own
        elif exactly:
            self._prolong_end(its, sight, acted=acted)

    def _prolong_end(self, its: term.Term, sight: Sight, *, acted: bool) -> None:
        """Earned again while the term runs: its end moves later, where the rules say so."""
        later = terms.end(its, sight.day, sight)
        if self.policy.start.when == "next_window" or self.policy.renewal.restart == "upgrade":
            return
        if isinstance(its, term.WindowEnd) or acted:
            self._extend(later)

    def _renewed_end(self, sight: Sight) -> int | None:
        assert self.held is not None
        answer = self.by_windows(sight) if self.windows_decide() else None
        if answer is not None and answer[0] == self.rank(self.held):
            return answer[1]
        if isinstance(self.term(), term.WindowEnd):
            return self.own_end(self.held, sight.day)
        return self.next_end(self.held)

    def _extend(self, end: date | None) -> None:
        """A later end; never an earlier one."""
        if end is not None and self.ends_at is not None and self.zone.start(end) > self.ends_at:
            self.ends_at = self.zone.start(end)
            self.row = self.row_from(self.held or "", self.zone.day(self.now))

    def _fall(
        self,
        best: int,
        cause: str,
        occasion: str,
        entry: int | None,
        sight: Sight,
    ) -> None:
        """Qualified for less than is held."""
        its = self.term()
        if self.grace_until is not None:
            self.tell_grace(entry)  # where an override hid the tier when its grace began
            return
        lately = max(best, self.lately(sight))
        if isinstance(its, term.WhileQualified):
            if self.policy.start.when == "next_window":
                best = lately
            if self.kept_unearned() or best >= self.rank(self.held):
                return
            down = self.policy.assessment.down
            if down == "on_activity" or (down == "at_window_end" and occasion == "at_window_end"):
                self._drop(best, cause, entry)
            return
        if lately >= self.rank(self.held):
            return
        if isinstance(its, term.Duration) and its.clock == "drop" and self.ends_at is None:
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
