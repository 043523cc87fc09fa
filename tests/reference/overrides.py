"""How overrides begin and end, and what each leaves behind."""

from __future__ import annotations

from tests.reference.judgement import Judgement
from tierline.model.entries import Override


class Overrides(Judgement):
    """A membership over which somebody asserts something."""

    def turn_overrides(self, t: int) -> None:
        """Overrides that begin or end now."""
        self.end_overrides([o for o in self.overrides if o.until == t and o.starts_at < t], None)
        self.show("override")
        self.hold_clock(t)

    def end_overrides(self, over: list[Override], entry: int | None) -> None:
        """All at once; where a hold ends and nothing else decides, the member is judged."""
        t, since, held_still = self.position[0], self.hold_since, self.on_hold
        self.overrides = [o for o in self.overrides if o not in over]
        if held_still:
            self.hold_clock(t)
        begun = [o for o in over if o.starts_at <= t and o.kind != "hold"]
        self.unshown = True  # together: nobody sees what one of them leaves to the next
        decided = [self.after_override(override, entry) for override in begun]
        self.unshown = False
        if held_still and not self.on_hold and True not in decided:
            if self.held is not None and self.rank(self.held) < 0:
                self.rejudge("rules", entry)
            else:
                self.catch_up(since or t, entry)
                self.judge("override", "on_activity", entry)
        self.show("override", entry)

    def after_override(self, override: Override, entry: int | None) -> bool:
        """What an override says should follow when it ends; whether that decided anything."""
        gone = override.tier is not None and self.rank(override.tier) < 0
        if override.then == "start_term" and not gone:
            tier = self.asserted(override, self.held)
            if override.kind != "pin" and tier == self.held:
                return False
            if tier is not None:
                self.grant(tier, "override", entry)
            else:
                self.lose("override", entry)
            return True
        if override.kind == "pin" and not self.on_hold:
            self.rejudge("override", entry)
        return override.kind == "pin"

    def hold_clock(self, t: int) -> None:
        """A hold freezes the term's clock; its end moves the term's end by as long as it took."""
        holding = any(o.kind == "hold" for o in self.active())
        if holding and self.hold_since is None:
            self.hold_since, self.frozen = t, self.visible
        elif not holding and self.hold_since is not None:
            since, self.hold_since = self.hold_since, None
            before, self.ends_at = self.ends_at, self._after_hold(self.ends_at, since, t)
            if self.row is not None and self.row[2] == before and self.ends_at is not None:
                days = self.zone.day(t) - self.zone.day(since)
                self.row = (self.row[0] + days, self.row[1], self.ends_at)
            self.grace_until = self._after_hold(self.grace_until, since, t)

    def _after_hold(self, end: int | None, since: int, until: int) -> int | None:
        """A midnight moves by the hold's civil days, an exact instant by the time that passed."""
        if end is None:
            return None
        day = self.zone.day(end)
        if self.zone.start(day) != end:
            return end + until - since
        return self.zone.start(day + (self.zone.day(until) - self.zone.day(since)))
