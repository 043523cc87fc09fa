"""A program's rules: the policy in its nine parts, the points, and the vendors' presentations.

The policy is all that the engine sees of a vendor's settings. Its parts are independent values:
metric, window, ladder, assessment (up and down), start, term, lapse, overrides (per member, not
here) and corrections. A rule that is not here is not a rule.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tierline.model.calendar import Period, Zone
from tierline.rules.ladder import LapseRule, Tier
from tierline.rules.metric import Metric
from tierline.rules.term import Rounding, Term, WhileQualified
from tierline.rules.window import Instant, Rolling, Window

TIERS_MAX = 100
Occasion = Literal["on_activity", "at_term_end", "at_window_end"]


class Measure(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, dict=True):
    """A further metric with a window of its own, named so that criteria can ask for it."""

    metric: Metric
    window: Window = Instant()

    @cached_property
    def key(self) -> str:
        """Equal keys, equal stored totals: what is counted, and how its days are kept."""
        return self.metric.key + self.window.mark


def admits(measure: Measure, at: int, zone: Zone, joined_at: int, left_at: int | None) -> bool:
    """Whether what happened at an instant may count: not what a former membership did, nor what
    came before the joining that the measure's window begins with."""
    if left_at is not None and at < left_at:
        return False
    return not measure.window.since_join or zone.day(at) >= zone.day(joined_at)


class Assessment(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a member may rise, and when fall."""

    up: Occasion = "on_activity"
    down: Occasion = "on_activity"


class Start(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When an earned tier begins: at once, with the next window, or `after` a while."""

    when: Literal["immediate", "next_window", "after"] = "immediate"
    after: Period | None = None


class Lapse(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What follows when a term ends unmet: after `grace` (rounded), `then`."""

    then: LapseRule = "to_qualifying"
    grace: Period | None = None
    grace_rounding: Rounding | None = None
    min_stay: Period | None = None


class Renewal(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A renewed term runs from the old term's end, or from now; and what moves an end that is
    still ahead: qualifying again (`requalified`), or only a higher tier (`upgrade`).

    From the old term's end, a duration keeps its anchor: the day on which its first term started,
    and the number of terms since. So a year from 15 December stays 15 December."""

    basis: Literal["term_end", "now"] = "term_end"
    restart: Literal["upgrade", "requalified"] = "upgrade"


class Policy(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    tiers: Annotated[tuple[Tier, ...], Meta(max_length=TIERS_MAX)]
    metric: Metric = Metric()
    window: Window = Instant()
    measures: dict[str, Measure] = {}
    assessment: Assessment = Assessment()
    start: Start = Start()
    term: Term = WhileQualified()
    renewal: Renewal = Renewal()
    lapse: Lapse = Lapse()
    corrections: Literal["forward", "retroactive", "protect"] = "forward"
    # Whether `prolonged` is told once per term when the rules keep a tier that is no longer earned.
    # None: it is, unless a rolling window makes that a matter of random days.
    tell_grace: bool | None = None

    @property
    def rolls(self) -> bool:
        """Whether some total loses amounts day by day."""
        windows = (self.window, *(measure.window for measure in self.measures.values()))
        return any(isinstance(window, Rolling) for window in windows)

    @property
    def announces_grace(self) -> bool:
        return not self.rolls if self.tell_grace is None else self.tell_grace
